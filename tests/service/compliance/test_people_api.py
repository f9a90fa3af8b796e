"""A person is shown and erased; what keys did stays, and the audit log verifies as before."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from nsl.cli.monitor import Finding, Monitor
from nsl.identity.service import committed
from nsl_client import Client
from nsl_protocol.audit.heads import parse_signed_head
from nsl_protocol.audit.leaves import HostLeaf, commits, read_leaf
from nsl_protocol.audit.merkle import leaf_hash
from nsl_protocol.audit.proofs import verify_inclusion
from tests.service.compliance.conftest import Member
from tests.service.keys.answers import done, refused
from tests.support.service import Service, Tenant

Sql = Callable[..., list[tuple[Any, ...]]]
EVERYWHERE = (
    "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = 'public' AND c.relkind = 'r'"
)


def proof(api: httpx.Client, record: str) -> dict[str, Any]:
    """Of a record, verified; once it is in the log."""
    for _ in range(100):
        answer = api.get(f"/v1/audit/records/{record}/proof")
        if answer.status_code != 503:
            break
        time.sleep(0.1)
    found = done(answer)
    root = parse_signed_head(found["checkpoint"]).head.root
    hashes = [bytes.fromhex(each) for each in found["proof"]]
    verify_inclusion(leaf_hash(found["leaf"].encode()), found["index"], found["size"], hashes, root)
    return found


def findings(service: Service, state: Path) -> tuple[Finding, ...]:
    """What the monitor says that has read the log up to what ``state`` tells, or from its beginning."""
    credentials = {name: service.admin[name] for name in ("base_url", "client_id", "client_secret")}
    with Client(**credentials) as client:
        head = client.audit.tree_head()
        origin = parse_signed_head(head.checkpoint).head.origin
        return Monitor(client, {origin: frozenset({bytes.fromhex(head.log_key)})}, [], state).look().findings


def places(sql: Sql, *texts: str) -> set[str]:
    """The tables with one of these texts in any column."""
    return {
        table
        for (table,) in sql(EVERYWHERE)
        for text in texts
        if sql(f'SELECT count(*) FROM "{table}" t WHERE strpos(t::text, %s) > 0', text)[0][0]
    }


def test_an_export_has_all_but_secrets(api: httpx.Client, member: Member) -> None:
    shown = done(api.get(f"/v1/compliance/people/{member.id}"))
    assert shown["account"]["email"] == member.person.email
    assert [each["address"] for each in shown["sessions"]] == ["127.0.0.1"]
    assert {each["action"] for each in shown["records"]} >= {"user.provisioned", "session.opened"}
    assert "argon2" not in str(shown)
    assert not [each for each in shown["sessions"] if "cookie_sha256" in each]
    (record,) = done(api.get("/v1/audit/records?action=person.exported"))["items"]
    assert record["target"] == member.id


def test_erasure_forgets_the_person_and_the_log_verifies(
    service: Service, api: httpx.Client, member: Member, sql: Sql, tmp_path: Path
) -> None:
    records = done(api.get(f"/v1/compliance/people/{member.id}"))["records"]
    opened = next(each for each in records if each["action"] == "session.opened")
    before = proof(api, opened["id"])
    leaf = read_leaf(before["leaf"].encode())
    assert isinstance(leaf, HostLeaf)
    text = committed(opened["actor"], opened["target"], opened["detail"])
    assert commits(leaf.commitment, bytes.fromhex(before["salt"]), text), "it can be read, until it is erased"
    assert findings(service, tmp_path / "followed") == ()
    name = done(api.get(f"/v1/users/{member.id}"))["display_name"]

    erased = done(api.post(f"/v1/compliance/people/{member.id}/erase", json={"reason": "asked for it"}))
    assert erased == {"person": member.id, "texts": len(records) + 1, "account_kept_because": None}
    with member.person.client() as http:
        assert http.get("/v1/me").status_code == 401
    assert member.person.login().status_code == 401
    assert refused(api.get(f"/v1/compliance/people/{member.id}")) == (404, "PERSON_NOT_FOUND")
    # An outbox and answers that are given again: the inventory says when they expire.
    expiring = {"idempotent_answers", "mails", "one_time"}
    assert places(sql, member.person.email, name) <= expiring
    assert places(sql, member.id) <= expiring | {"users", "audit_events", "revocations"}
    assert sql("SELECT action FROM audit_events WHERE strpos(audit_events::text, %s) > 0", member.id) == [
        ("person.erased",)
    ]

    after = proof(api, opened["id"])
    assert (after["leaf"], after["index"], after["salt"]) == (before["leaf"], before["index"], None)
    assert findings(service, tmp_path / "followed") == ()
    assert findings(service, tmp_path / "anew") == ()
    (record,) = done(api.get("/v1/audit/records?action=person.erased&limit=1"))["items"]
    assert record["target"] == member.id
    assert proof(api, record["id"])["salt"]


def test_a_hold_stops_erasure_until_it_is_lifted(tenant: Tenant, api: httpx.Client, member: Member) -> None:
    place = f"/v1/compliance/people/{member.id}/erase"
    for subject in (member.id, None):
        hold = done(api.post("/v1/compliance/holds", json={"reason": "case 7", "subject": subject}))
        assert done(api.get("/v1/compliance/holds?state=in-force"))["items"] == [hold]
        answer = api.post(place, json={"reason": "asked for it"})
        assert refused(answer) == (409, "LEGAL_HOLD")
        assert "case 7" in answer.json()["detail"]
        assert f"nsl compliance lift {hold['id']}" in answer.json()["detail"]
        with tenant.client(["privacy:admin", "audit:read"]) as other:
            lift = f"/v1/compliance/holds/{hold['id']}/lift"
            assert refused(other.post(lift, json={"reason": "over"})) == (403, "SCOPE_MISSING")
        lifted = done(api.post(lift, json={"reason": "over"}))
        assert lifted["lifted_because"] == "over"
        assert refused(api.post(lift, json={"reason": "over"})) == (404, "HOLD_NOT_FOUND")
    actions = [each["action"] for each in done(api.get("/v1/audit/records?limit=4"))["items"]]
    assert actions == ["hold.lifted", "hold.set"] * 2
    done(api.post(place, json={"reason": "asked for it"}))


def test_an_account_stays_while_another_tenant_needs_or_holds_it(
    service: Service, member: Member, api: httpx.Client
) -> None:
    other = service.tenant()
    with other.client() as elsewhere:
        done(elsewhere.post("/scim/v2/Users", json={"userName": member.person.email}))
        erased = done(api.post(f"/v1/compliance/people/{member.id}/erase", json={"reason": "left"}))
        assert "another tenant" in erased["account_kept_because"]
        assert done(elsewhere.get(f"/v1/users/{member.id}"))["email"] == member.person.email
        assert member.person.login().status_code == 200


def test_other_tenants_people_and_oneself_are_out_of_reach(service: Service, member: Member) -> None:
    with service.tenant().client() as stranger:
        place = f"/v1/compliance/people/{member.id}"
        assert refused(stranger.get(place)) == (404, "PERSON_NOT_FOUND")
        assert refused(stranger.post(f"{place}/erase", json={"reason": "mischief"})) == (404, "PERSON_NOT_FOUND")
        done(stranger.post("/v1/compliance/holds", json={"reason": "mischief", "subject": member.id}))
        assert done(stranger.get("/v1/compliance/holds"))["items"]
    assert member.person.login().status_code == 200


def test_a_strangers_hold_stops_nobody(service: Service, api: httpx.Client, member: Member) -> None:
    with service.tenant().client() as stranger:
        done(stranger.post("/v1/compliance/holds", json={"reason": "mischief", "subject": member.id}))
    erased = done(api.post(f"/v1/compliance/people/{member.id}/erase", json={"reason": "asked for it"}))
    assert erased["account_kept_because"] is None


@pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": "x" * 501}, {"reason": "a\x00b"}])
def test_a_reason_is_needed(api: httpx.Client, body: dict[str, str]) -> None:
    assert api.post(f"/v1/compliance/people/{uuid4()}/erase", json=body).status_code == 400
    assert api.post("/v1/compliance/holds", json=body).status_code == 400
