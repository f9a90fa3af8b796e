"""Who could, who did, who approved, by a tenant's own records; and that a review is of what was looked at."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsl.compliance.model import Principal, digest
from nsl.compliance.model.access import IDLE, Kind
from nsl.identity.model import Delegation, Grant
from tests.service.compliance.conftest import Member
from tests.service.keys.answers import done, refused
from tests.support.service import Tenant

Sql = Callable[..., list[tuple[Any, ...]]]
NOW = datetime(2027, 1, 1, tzinfo=UTC)


def granted(resource: UUID) -> Grant:
    return Grant(
        id=UUID(int=7), subject=UUID(int=1), scope="keys:sign", resource=resource, expires_at=None, created_at=NOW
    )


def delegated(of: UUID, until: datetime) -> Delegation:
    given = {"from_user": of, "to_user": UUID(int=1), "scopes": ("keys:sign",), "expires_at": until, "created_at": NOW}
    return Delegation(id=UUID(int=8), **given)


IDS = st.uuids()
SCOPES = st.lists(st.sampled_from(["keys:sign", "keys:read", "users:admin"]), unique=True).map(tuple)
GRANTS = st.lists(st.builds(granted, IDS), max_size=3)
PRINCIPALS = st.builds(
    Principal, kind=st.sampled_from(Kind), id=IDS, name=st.text(), active=st.booleans(), roles=st.just(()),
    groups=st.just(()), scopes=SCOPES, grants=GRANTS.map(tuple), delegated=st.just(()), expires_at=st.none(),
    acted_at=st.none(),
)  # fmt: skip


def somebody(**changed: Any) -> Principal:
    plain = {
        "kind": Kind.PERSON, "id": UUID(int=1), "name": "ada", "active": True, "roles": (), "groups": (), "scopes": (),
        "grants": (), "delegated": (), "expires_at": None, "acted_at": NOW,
    }  # fmt: skip
    return Principal(**(plain | changed))


@given(st.lists(PRINCIPALS, max_size=4, unique_by=lambda each: each.id), st.randoms())
def test_the_digest_is_of_what_all_may_do_in_any_order(principals: list[Principal], random: Any) -> None:
    shuffled = [*principals]
    random.shuffle(shuffled)
    assert digest(shuffled) == digest(principals)
    assert digest([*principals, somebody(id=uuid4())]) != digest(principals)


def test_a_digest_changes_with_each_right_and_with_nothing_else() -> None:
    plain = digest([somebody()])
    assert digest([somebody(name="eve", acted_at=None)]) == plain
    later = NOW + timedelta(days=1)
    for changed in (
        {"active": False}, {"roles": ("auditor",)}, {"scopes": ("keys:sign",)}, {"expires_at": later},
        {"grants": (granted(UUID(int=2)),)}, {"groups": ("ops",)}, {"kind": Kind.CLIENT},
        {"delegated": (delegated(UUID(int=3), later),)},
    ):  # fmt: skip
        assert digest([somebody(**changed)]) != plain, changed


@pytest.mark.parametrize(
    ("changed", "remarks"),
    [
        ({}, []),
        ({"scopes": ("users:admin",)}, ["administers"]),
        ({"grants": (granted(UUID(int=2)),)}, ["moves-money"]),
        ({"acted_at": NOW - IDLE - timedelta(seconds=1)}, ["idle"]),
        ({"acted_at": None, "active": False}, ["idle", "inactive"]),
        ({"kind": Kind.CLIENT}, ["no-end"]),
    ],
)
def test_what_a_reviewer_looks_at_first(changed: dict[str, Any], remarks: list[str]) -> None:
    assert list(somebody(**changed).remarks(NOW)) == remarks


def test_everybody_with_access_is_listed_with_what_they_may_do(api: httpx.Client, member: Member) -> None:
    key = done(api.post("/v1/keys", json={"name": "till", "curve": "secp256r1"}))
    grant = {"subject": member.id, "scope": "keys:sign", "resource": key["id"]}
    done(api.post("/v1/grants", json=grant))
    found, cursor = [], ""
    while cursor is not None:
        page = done(api.get("/v1/compliance/access", params={"limit": 1} | ({"cursor": cursor} if cursor else {})))
        found += page["items"]
        cursor = page["next_cursor"]
    assert page["principals"] == len(found)
    (person,) = [each for each in found if each["id"] == member.id]
    assert (person["kind"], person["name"]) == ("person", member.person.email)
    assert [(each["scope"], each["resource"]) for each in person["grants"]] == [("keys:sign", key["id"])]
    assert person["acted_at"] is not None
    assert "moves-money" in person["remarks"]
    assert {each["kind"] for each in found} == {"person", "client"}


def test_a_client_whose_time_is_over_is_inactive(api: httpx.Client, sql: Sql) -> None:
    """Its scopes stay with it, and it can use none of them."""
    made = done(api.post("/v1/clients", json={"name": "old", "scopes": ["keys:sign"]}))["client_id"]
    sql("UPDATE clients SET expires_at = now() - interval '1 second' WHERE id = %s", made)
    items = done(api.get("/v1/compliance/access", params={"limit": 200}))["items"]
    (old,) = [each for each in items if each["id"] == made]
    assert not old["active"]
    assert {"inactive", "moves-money"} <= set(old["remarks"])
    key = done(api.post("/v1/keys", json={"name": "later", "curve": "secp256r1"}))
    uses = done(api.get("/v1/compliance/governance", params={"limit": 200}))["items"]
    assert [made in each["could"] for each in uses if each["id"] == key["id"]] == [False]


def test_a_review_is_of_the_access_that_was_looked_at(api: httpx.Client, member: Member) -> None:
    seen = done(api.get("/v1/compliance/access"))["digest"]
    reviewed = done(api.post("/v1/compliance/access/reviews", json={"digest": seen, "reason": "quarterly"}))
    last = done(api.get("/v1/compliance/access"))["last_review"]
    assert (last["digest"], last["by"]) == (seen, reviewed["by"])
    (record, *_) = done(api.get("/v1/audit/records?action=access.reviewed"))["items"]
    assert record["detail"]["digest"] == seen
    key = done(api.post("/v1/keys", json={"name": "other", "curve": "secp256r1"}))
    done(api.post("/v1/grants", json={"subject": member.id, "scope": "keys:sign", "resource": key["id"]}))
    answer = api.post("/v1/compliance/access/reviews", json={"digest": seen, "reason": "quarterly"})
    assert refused(answer) == (409, "ACCESS_CHANGED")


def test_by_key_it_is_shown_who_could_and_who_did(api: httpx.Client, tenant: Tenant, member: Member) -> None:
    key = done(api.post("/v1/keys", json={"name": "books", "curve": "secp256r1"}))
    done(api.post("/v1/grants", json={"subject": member.id, "scope": "keys:sign", "resource": key["id"]}))
    for _ in range(2):
        body = {"kind": "message", "payload": {"text": "hello"}}
        done(api.post(f"/v1/keys/{key['id']}/sign", json=body))

    refusal = api.post(f"/v1/keys/{key['id']}/sign", json={"kind": "digest", "payload": {"hex": "00" * 32}})
    _, code = refused(refusal)
    done(api.post(f"/v1/keys/{key['id']}/disable"))

    def of_key(**period: str) -> Any:
        found, cursor = [], ""
        while cursor is not None:
            query = period | {"limit": "2"} | ({"cursor": cursor} if cursor else {})
            page = done(api.get("/v1/compliance/governance", params=query))
            found += page["items"]
            cursor = page["next_cursor"]
        return next(each for each in found if each["id"] == key["id"])

    shown = of_key()
    ((who, kind, count),) = [(each["who"], each["kind"], each["count"]) for each in shown["did"]]
    assert (kind, count) == ("message", 2)
    assert {member.id, who} <= set(shown["could"])
    assert [(each["action"], each["who"]) for each in shown["acts"]] == [("key.disabled", who)]
    assert shown["created_by"] == who
    log = {(each["act"], each["code"]): each["count"] for each in shown["log"]}
    assert log[("signature", None)] == 2, "by the enclave's own leaves"
    assert log[("refusal", code)] == 1
    assert of_key(until="2026-01-01T00:00:00Z")["did"] == []
    with tenant.client(["audit:read"]) as other:
        assert done(other.get("/v1/compliance/governance"))["items"]
        assert refused(other.get("/v1/compliance/access"))[0] == 403, "names and addresses are for reviewers"
    with tenant.client(["keys:read"]) as other:
        assert refused(other.get("/v1/compliance/governance"))[0] == 403
        assert refused(other.get("/v1/compliance/access"))[0] == 403
