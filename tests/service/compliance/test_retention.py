"""What is past its time is forgotten, unless it is held; ids and times agree."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from nsl.cli.up.postgres import WORKER
from nsl.compliance import jobs
from nsl.compliance.jobs import Retention
from nsl.compliance.model import RETENTION, floor_id
from nsl.identity.service import committed
from nsl.kit.db import Database
from nsl.kit.ids import new_id
from nsl_protocol.audit.leaves import HostLeaf, commitment, encode_leaf
from tests.service.compliance.test_people_api import proof
from tests.service.keys.answers import done
from tests.support.service import Service, Tenant

Sql = Callable[..., list[tuple[Any, ...]]]
TIMES = st.integers(0, 7_000_000_000_000).map(lambda milliseconds: datetime.fromtimestamp(milliseconds / 1000, UTC))


@given(TIMES, TIMES)
def test_ids_are_in_the_order_of_their_times(one: datetime, other: datetime) -> None:
    first, second = sorted((one, other))
    assert floor_id(first) <= floor_id(second)
    assert floor_id(first).version == 7
    if second - first >= timedelta(milliseconds=1):
        assert floor_id(first) < floor_id(second)


def test_an_id_of_now_is_past_the_floor_of_now() -> None:
    assert floor_id(datetime.now(UTC)) <= new_id() < floor_id(datetime.now(UTC) + timedelta(seconds=1))


def written(sql: Sql, tenant: Tenant, age: timedelta) -> UUID:
    """A record that was written so long ago, with its leaf."""
    at, salt = datetime.now(UTC) - age, bytes(16)
    id_ = UUID(int=floor_id(at).int + new_id().int % 2**32)
    text = committed("a", "b", {})
    leaf = HostLeaf(id_, int(at.timestamp() * 1000), UUID(tenant.id), "client.created", commitment(salt, text))
    sql(
        "INSERT INTO audit_events (id, tenant_id, at, action, actor, target, detail)"
        " VALUES (%s, %s, %s, 'client.created', 'a', 'b', %s)",
        id_, tenant.id, at, Jsonb({}),
    )  # fmt: skip
    sql(
        "INSERT INTO audit_leaves (id, tenant_id, content, salt) VALUES (%s, %s, %s, %s)",
        id_, tenant.id, encode_leaf(leaf), salt,
    )  # fmt: skip
    return id_


async def swept(service: Service) -> None:
    """By a worker that begins now: until nothing is left to look at."""
    async with Database(service.postgres.url(WORKER), connections_max=1) as database:
        retention = Retention(database)
        while await retention.step():
            pass


def test_texts_past_their_time_go_unless_they_are_held(
    service: Service, tenant: Tenant, api: httpx.Client, sql: Sql
) -> None:
    def erased(*ids: UUID) -> list[bool]:
        asyncio.run(swept(service))
        return [sql("SELECT actor = 'erased' FROM audit_events WHERE id = %s", id_)[0][0] for id_ in ids]

    hold = done(api.post("/v1/compliance/holds", json={"reason": "case 8"}))
    old, young = (
        written(sql, tenant, RETENTION + timedelta(days=1)),
        written(sql, tenant, RETENTION - timedelta(days=1)),
    )
    before = proof(api, str(old))
    assert erased(old, young) == [False, False], "held"
    done(api.post(f"/v1/compliance/holds/{hold['id']}/lift", json={"reason": "over"}))
    assert erased(old, young) == [True, False]
    after = proof(api, str(old))
    assert (after["leaf"], after["index"], after["salt"]) == (before["leaf"], before["index"], None)
    assert proof(api, str(young))["salt"]


@pytest.mark.asyncio
async def test_it_goes_on_where_it_stopped(
    service: Service, tenant: Tenant, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "LEAVES_AT_ONCE_MAX", 2)
    ids = [written(sql, tenant, RETENTION + timedelta(days=1, seconds=number)) for number in range(5)]
    sql("UPDATE audit_retention SET looked_to = DEFAULT")
    await swept(service)
    assert sql("SELECT count(*) FROM audit_leaves WHERE id = ANY(%s) AND salt IS NULL", ids) == [(5,)]
