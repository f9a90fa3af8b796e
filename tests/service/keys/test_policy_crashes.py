"""A change of a policy on the real database and three replicas: crashed between any two steps, and waited for."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from nsl.cli.up.postgres import Postgres
from nsl.keys import jobs
from nsl.keys.service import Governing, Lifecycle
from nsl.kit.clock import unix_seconds
from nsl_protocol.enclave.lifecycle import DAY_SECONDS
from nsl_protocol.policy.document import Policy
from tests.service.keys.carried import Bench, benched
from tests.service.keys.crashing import Crash, Crashing
from tests.support.approving import governed, signed_by_ann

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def bench(server: Postgres, tmp_path: Path) -> AsyncIterator[Bench]:
    async with benched(server, tmp_path, 3) as (made, _):
        yield made


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_policy_that_was_half_changed_is_carried_to_its_end(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, *, after: bool
) -> None:
    monkeypatch.setattr(jobs, "LEFT_AFTER", timedelta())
    nothing, at, crashed = Policy(rules=()), 0, True
    while crashed:
        at += 1
        key = await bench.new_key(policy=governed(Policy()))
        until = unix_seconds() + 60
        approvals = signed_by_ann(bench.enclave.cluster, bench.tenant, key, nothing, until)
        dying = Crashing(bench, at, after=after)
        governing = Governing(dying, dying, Lifecycle(dying, dying), bench.keys)  # type: ignore[arg-type]
        crashed = False
        try:
            await governing.change(bench.caller, key.id, nothing, expires_at=until, approvals=approvals)
        except Crash:
            crashed = True
        written = bench.owner("SELECT count(*) FROM key_changes")[0][0]
        assert await bench.lives.step() == written
        bench.keys.forget(bench.tenant, key.id)
        found = await bench.keys.get(bench.tenant, key.id)
        refused = await bench.signs(key)
        assert (found.policies.number, refused) in [(1, "yes"), (2, "NOT_ALLOWED_BY_ANY_RULE")]
        held = await bench.governing.history(bench.tenant, key.id)
        assert [each.number for each in held] == list(range(found.policies.number, 0, -1))
        assert found.policies.number == 2 or crashed
    assert at > 5, "it takes so many steps"


async def test_the_worker_lets_a_policy_hold_when_its_time_has_come(bench: Bench) -> None:
    nothing = Policy(rules=())
    key = await bench.new_key(policy=governed(Policy(), time_lock_seconds=DAY_SECONDS))
    until = unix_seconds() + 60
    approvals = signed_by_ann(bench.enclave.cluster, bench.tenant, key, nothing, until)
    await bench.governing.change(bench.caller, key.id, nothing, expires_at=until, approvals=approvals)
    assert await bench.signs(key) == "yes"
    bench.owner("UPDATE keys SET next_policy_at = now() WHERE id = %s", key.id)
    assert await bench.lives.step() == 0, "the database says it has, the enclave does not"
    bench.later(2)
    assert await bench.lives.step() == 1
    assert await bench.signs(key) == "NOT_ALLOWED_BY_ANY_RULE"
    assert [action for action, _ in bench.audited(key)] == ["key.policy_announced", "key.policy_changed"]
