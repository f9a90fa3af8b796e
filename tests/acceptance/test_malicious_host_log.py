"""What a host that was taken over may try with the audit log, on three key enclaves and PostgreSQL as they run.

It edits, deletes, reorders and repeats leaves, before they come into the log and afterwards, and goes on from an older
log. Each test says who refuses or notices.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from msgspec.structs import replace

from nsl.cli.monitor import Monitor
from nsl.cli.up.stack import Stack
from nsl.cli.up.witness import log_key_of
from nsl_client import AsyncClient, Client
from nsl_client.receipts import PinnedTrust, Receipt, verify_receipt
from nsl_protocol.audit.heads import origin
from nsl_protocol.audit.leaves import EnclaveLeaf, LostLeaves, read_leaf
from nsl_protocol.enclave.agreement import Show, Shown
from nsl_protocol.enclave.log import AppendLeaves, LeavesAppended, Lost, SignHead, ToAppend
from nsl_protocol.enclave.wrapped import WrappedLog
from nsl_protocol.policy.document import Policy
from nsl_protocol.receipt import Verdict
from tests.acceptance.malicious_host import By, MaliciousHost, key_under, malicious_host

pytestmark = pytest.mark.asyncio(loop_scope="package")


# Before they come into the log ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Written:
    """Two leaves of one enclave, one after the other; ``log``: its state before they came into it."""

    log: bytes
    one: ToAppend
    two: ToAppend


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def written(stack: Stack, client: AsyncClient) -> Written:
    key = await key_under(client, Policy(), "ed25519")
    await received(client, key.id)
    async with malicious_host(stack, UUID((await client.me()).tenant)) as host:
        log = log_of(host)
        body = {"kind": "message", "payload": {"text": "m"}}
        made = [each.signature for each in (await client.keys.sign_batch(key.id, [body, body])).items]
        ids = [each.receipt_id for each in made if each is not None]
        rows = [host.sql("SELECT content, mac FROM audit_leaves WHERE id = %s", each)[0] for each in ids]
    return Written(log, *(ToAppend(*row) for row in rows))


def log_of(host: MaliciousHost) -> bytes:
    """Its present state, as the enclave has wrapped it."""
    ((wrapped,),) = host.sql("SELECT wrapped FROM audit_log")
    return bytes(wrapped)


def edited(leaf: ToAppend) -> ToAppend:
    return replace(leaf, content=leaf.content.replace(b'"act":"signature"', b'"act":"refusal"'))


TAMPERED: dict[str, tuple[Callable[[ToAppend, ToAppend], tuple[ToAppend, ...]], str]] = {
    "edited": (lambda one, two: (edited(one), two), "LEAF_NOT_AUTHENTIC"),
    "under another leaf's MAC": (lambda one, two: (replace(one, mac=two.mac), two), "LEAF_NOT_AUTHENTIC"),
    "said to be the host's own": (lambda one, two: (replace(one, mac=None), two), "LEAF_NOT_AUTHENTIC"),
    "deleted": (lambda _, two: (two,), "LEAF_OUT_OF_ORDER"),
    "reordered": (lambda one, two: (two, one), "LEAF_OUT_OF_ORDER"),
}


@pytest.mark.parametrize("how", TAMPERED)
async def test_rows_of_leaves_that_are_to_come(host: MaliciousHost, written: Written, how: str) -> None:
    tampered, code = TAMPERED[how]
    items = tampered(written.one, written.two)
    assert await host.refused(AppendLeaves(written.log, items)) == (By.ENCLAVE, code)


async def test_a_leaf_that_is_said_to_be_lost(host: MaliciousHost, written: Written) -> None:
    """It may be left out, and the log says so for good: an enclave writes that it is missing."""
    place = read_leaf(written.one.content)
    assert isinstance(place, EnclaveLeaf)
    run = bytes.fromhex(place.run)
    for answer in await host.answers(AppendLeaves(written.log, (Lost(run, place.number), written.two))):
        assert isinstance(answer, LeavesAppended)
        (lost,) = map(read_leaf, answer.lost)
        assert isinstance(lost, LostLeaves)
        assert (lost.run, lost.last) == (place.run, place.number)


async def test_a_leaf_once_more_and_an_older_log(host: MaliciousHost, client: AsyncClient) -> None:
    """The host cannot begin again from an earlier edition, to leave something out of it."""
    key = await key_under(client, Policy())
    before = log_of(host)
    receipt = await received(client, key.id)
    ((content, mac),) = host.sql("SELECT content, mac FROM audit_leaves WHERE id = %s", receipt.id)
    assert await host.refused(AppendLeaves(log_of(host), (ToAppend(content, mac),))) == (By.ENCLAVE, "LEAF_REPEATED")
    for made in await host.answers(AppendLeaves(before, (ToAppend(content, mac),))):
        if isinstance(made, LeavesAppended):  # nothing holds by it alone
            assert await host.refused_to_enter(WrappedLog(made.log)) == (By.MAJORITY, "NOT_REGISTERED")
    older = WrappedLog(before)
    shown = await host.refused_present(older, lambda head, path: Show(head, older, path), Shown)
    assert shown == (By.MAJORITY, "NOT_REGISTERED")
    assert await host.refused(SignHead(before)) == (By.ENCLAVE, "NOT_SHOWN")


async def received(client: AsyncClient, key: str) -> Receipt:
    """Of a signature of that key, as soon as the log has it."""
    made = await client.keys.sign(key, "message", {"text": "m"})
    return await client.audit.receipt(made.receipt_id)


# Afterwards -----------------------------------------------------------------------------------------------------------


@pytest_asyncio.fixture(loop_scope="package")
async def monitored(stack: Stack, tmp_path: Path) -> AsyncIterator[Callable[[], list[str]]]:
    """What a monitor finds that has followed the log from its beginning."""
    key = await log_key_of(stack.cluster, stack.kmes[0].port)
    logs = {origin(stack.cluster.trust().constitution().cluster): frozenset((key,))}
    with Client.from_credentials(stack.credentials) as auditor:
        yield lambda: [each.what for each in Monitor(auditor, logs, [], tmp_path / uuid4().hex).look().findings]


@contextmanager
def contents(host: MaliciousHost, changed: dict[str, bytes]) -> Iterator[None]:
    """Of leaves, by their id, as long as the block runs."""
    former = {id_: bytes(host.sql("SELECT content FROM audit_leaves WHERE id = %s", id_)[0][0]) for id_ in changed}
    try:
        for id_, content in changed.items():
            host.sql("UPDATE audit_leaves SET content = %s WHERE id = %s", content, id_)
        yield
    finally:
        for id_, content in former.items():
            host.sql("UPDATE audit_leaves SET content = %s WHERE id = %s", content, id_)


async def test_rows_of_leaves_that_are_in_the_log(
    host: MaliciousHost, client: AsyncClient, monitored: Callable[[], list[str]]
) -> None:
    """By a monitor, which makes the tree itself; an edited one also by whoever has a receipt verified."""
    key = await key_under(client, Policy())
    receipts = [await received(client, key.id) for _ in range(2)]
    one, two = receipts
    assert await asyncio.to_thread(monitored) == []
    with contents(host, {one.id: one.leaf.replace("signature", "refusal").encode()}):
        assert await asyncio.to_thread(monitored) == ["other leaves"]
        again = await client.audit.receipt(one.id)
        failed = {each.name for each in verify_receipt(again, PinnedTrust()) if each.verdict is Verdict.FAILED}
        assert "inclusion" in failed
    with contents(host, {one.id: two.leaf.encode(), two.id: one.leaf.encode()}):
        assert "other leaves" in await asyncio.to_thread(monitored)
    ((position, hash_),) = host.sql("DELETE FROM audit_positions WHERE leaf_id = %s RETURNING position, hash", one.id)
    try:
        assert await asyncio.to_thread(monitored) == ["leaves missing"]
    finally:
        host.sql("INSERT INTO audit_positions VALUES (%s, %s, %s)", position, hash_, UUID(one.id))
    assert await asyncio.to_thread(monitored) == []
