"""Requests that wait at a moment are written down together, and one that cannot be written spoils no other."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from nsl.cli.up.postgres import Postgres
from nsl.identity.errors import LeafTaken
from nsl.keys.model import Key
from nsl.keys.service import Made, Signed, ToSign
from nsl.kit.db import Connection
from nsl_protocol.policy.document import Kind
from tests.service.keys.carried import Bench, benched

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def bench(server: Postgres, tmp_path: Path) -> AsyncIterator[Bench]:
    async with benched(server, tmp_path, 1) as (found, _):
        yield found


class Refuses(Exception):
    """It cannot be told."""


async def refuses(_: Connection, __: Signed) -> None:
    raise Refuses


async def sign(bench: Bench, key: Key, **more: object) -> Made:
    (result,) = await bench.keys.sign(bench.caller, key.id, [ToSign(Kind.MESSAGE, b"m")], **more)  # type: ignore[arg-type]
    assert isinstance(result, Made)
    return result


def kept(bench: Bench) -> tuple[int, int]:
    """Signatures, and in how many transactions they were written."""
    ((count, transactions),) = bench.owner(
        "SELECT count(*), count(DISTINCT l.tx::text) FROM signatures s JOIN audit_leaves l USING (id)"
    )
    return count, transactions


async def test_many_at_once_share_transactions_and_each_is_durable(bench: Bench) -> None:
    key = await bench.new_key()
    made = await asyncio.gather(*(sign(bench, key) for _ in range(40)))
    assert len({each.receipt for each in made}) == 40
    count, transactions = kept(bench)
    assert count == 40
    assert transactions < 10


async def test_one_that_cannot_be_written_is_told_and_the_others_are_written(bench: Bench) -> None:
    key = await bench.new_key()
    work = [sign(bench, key), sign(bench, key), sign(bench, key, note=refuses), sign(bench, key)]
    found = await asyncio.gather(*work, return_exceptions=True)
    assert [type(each) for each in found] == [Made, Made, Refuses, Made]
    assert kept(bench)[0] == 3


async def test_a_leaf_that_was_fetched_meanwhile_keeps_its_signature_back(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log has it without the signature: the answer came too late, and must not leave."""
    key = await bench.new_key()
    real = bench.enclave.sign

    async def late(orders: object, **how: bool) -> object:
        answers = await real(orders, **how)  # type: ignore[arg-type]  # passed on as they came
        from nsl.identity.service import keep_leaves
        from nsl.kit.ids import new_id

        async with bench.app.transaction(bench.tenant) as connection:
            await keep_leaves(connection, [(new_id(), bench.tenant, answers[0].leaf)])  # type: ignore[list-item]
        return answers

    with monkeypatch.context() as patched:
        patched.setattr(bench.enclave, "sign", late)
        with pytest.raises(LeafTaken):
            await sign(bench, key)
    assert kept(bench)[0] == 0
    await sign(bench, key)
