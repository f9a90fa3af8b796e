"""Aliases, tags and last use of keys over HTTP: found by them, unique where they must be, on record."""

from datetime import datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest

from nsl.kit.clock import now
from tests.service.keys.answers import done, refused
from tests.support.service import Service, Tenant

MESSAGE = {"kind": "message", "payload": {"text": "a"}}


def _made(api: httpx.Client, **more: Any) -> dict[str, Any]:
    return done(api.post("/v1/keys", json={"name": "a", "curve": "ed25519"} | more))


def _found(api: httpx.Client, **params: Any) -> list[str]:
    return [each["id"] for each in done(api.get("/v1/keys", params=params))["items"]]


def test_keys_are_found_by_their_labels(api: httpx.Client) -> None:
    mark = uuid4().hex
    first = _made(api, alias=f"a-{mark}", tags={"mark": mark, "env": "test"})
    second = _made(api, curve="secp256r1", tags={"mark": mark, "env": "a=b"})
    assert (first["alias"], first["tags"], second["alias"]) == (f"a-{mark}", {"mark": mark, "env": "test"}, None)
    both, of_mark = [first["id"], second["id"]], {"tag": f"mark={mark}"}
    assert _found(api, **of_mark) == both
    assert _found(api, tag=[f"mark={mark}", "env"]) == both
    assert _found(api, tag=[f"mark={mark}", "env=a=b"]) == [second["id"]]
    assert _found(api, **of_mark, curve="ed25519") == _found(api, alias=f"a-{mark}") == [first["id"]]
    assert _found(api, **of_mark, state="disabled") == _found(api, alias=mark) == []
    page = done(api.get("/v1/keys", params=of_mark | {"limit": 1}))
    assert _found(api, **of_mark, cursor=page["next_cursor"]) == [second["id"]]


def test_what_is_left_out_of_a_change_stays(api: httpx.Client, tenant: Tenant) -> None:
    key, alias = _made(api, tags={"a": "1"}), f"b-{uuid4().hex}"
    place = f"/v1/keys/{key['id']}"
    assert done(api.patch(place, json={"alias": alias})) == key | {"alias": alias}
    assert done(api.patch(place, json={"name": "b", "tags": {"b": "2"}}))["alias"] == alias
    assert done(api.patch(place, json={})) == key | {"alias": alias, "name": "b", "tags": {"b": "2"}}
    assert done(api.patch(place, json={"alias": None})) == done(api.get(place))
    records = [each for each in done(api.get("/v1/audit/records"))["items"] if each["target"] == key["id"]]
    assert [each["action"] for each in records] == ["key.updated"] * 3, "what changes nothing is no act"
    assert records[0]["detail"] == {"alias": None}
    assert records[0]["actor"] == tenant.credentials["client_id"]


def test_one_live_key_has_an_alias(api: httpx.Client, service: Service) -> None:
    alias = f"c-{uuid4().hex}"
    first, other = _made(api, alias=alias), _made(api)
    taken = (409, "ALIAS_TAKEN")
    assert refused(api.patch(f"/v1/keys/{other['id']}", json={"alias": alias})) == taken
    assert refused(api.post("/v1/keys", json={"name": "a", "curve": "ed25519", "alias": alias})) == taken
    assert done(api.patch(f"/v1/keys/{first['id']}", json={"alias": alias}))["alias"] == alias, "its own"
    with service.tenant().client() as elsewhere:
        assert _made(elsewhere, alias=alias)["alias"] == alias
        assert refused(elsewhere.patch(f"/v1/keys/{first['id']}", json={"alias": None})) == (404, "KEY_NOT_FOUND")
    assert done(api.patch(f"/v1/keys/{first['id']}", json={"alias": None}))["alias"] is None
    assert done(api.patch(f"/v1/keys/{other['id']}", json={"alias": alias}))["alias"] == alias


@pytest.mark.parametrize(
    "labels",
    [
        {"alias": ""},
        {"alias": "A"},
        {"alias": "a" * 64},
        {"alias": "0190d5a7-0000-7000-8000-000000000000"},
        {"tags": {"": "x"}},
        {"tags": {"a": "x\u0000"}},
        {"tags": {str(number): "x" for number in range(33)}},
        {"tags": ["a"]},
        {"tags": None},
        {"name": None},
        {"curve": "ed25519"},
    ],
)
def test_labels_are_read_once_at_the_edge(api: httpx.Client, labels: dict[str, Any]) -> None:
    key = _made(api)
    assert api.patch(f"/v1/keys/{key['id']}", json=labels).status_code == 400
    assert done(api.get(f"/v1/keys/{key['id']}")) == key


@pytest.mark.parametrize(
    "only", [{"state": "gone"}, {"curve": "rsa"}, {"tag": ["a=1", "a=2"]}, {"alias": "a\0"}, {"tag": "a\0"}]
)
def test_a_filter_that_fits_nothing_ever_is_refused(api: httpx.Client, only: dict[str, Any]) -> None:
    assert api.get("/v1/keys", params=only).status_code == 400


def test_labels_take_a_scope(tenant: Tenant, api: httpx.Client) -> None:
    key = _made(api)
    with tenant.client(["keys:read", "keys:sign", "keys:create"]) as other:
        assert refused(other.patch(f"/v1/keys/{key['id']}", json={"name": "b"})) == (403, "SCOPE_MISSING")
    with tenant.client(["keys:manage"]) as manager:
        assert done(manager.patch(f"/v1/keys/{key['id']}", json={"name": "b"}))["name"] == "b"


def test_the_last_use_is_shown_of_what_was_done_and_not_of_what_was_refused(api: httpx.Client) -> None:
    signer, secret = _made(api), _made(api, curve="hmac-sha256")
    assert signer["last_used_at"] is None
    digest = {"kind": "digest", "payload": {"hex": "00" * 32}}
    assert api.post(f"/v1/keys/{signer['id']}/sign", json=digest).status_code in (403, 422)
    began = now()
    for path, body in ((f"{signer['id']}/sign", MESSAGE), (f"{secret['id']}/mac", {"data": "AA=="})):
        done(api.post(f"/v1/keys/{path}", json=body))
        done(api.post(f"/v1/keys/{path}", json=body))
    for key in (signer, secret):
        listed = next(each for each in done(api.get("/v1/keys?limit=200"))["items"] if each["id"] == key["id"])
        assert began <= datetime.fromisoformat(listed["last_used_at"]) <= now()
