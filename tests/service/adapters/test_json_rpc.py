"""Several endpoints: the highest that answers is used, and one that fails is set aside. The nodes are real."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from nsl.adapters.json_rpc import JsonRpc, Request, RpcError
from nsl.adapters.neo_n3 import NeoN3, node
from nsl.cli.up.n3 import MAGIC, N3Node
from nsl.cli.up.process import free_port
from nsl.ledger.errors import NodeDown, NodeError, WrongNetwork
from nsl.ledger.model import GAS_N3
from nsl.transactions.ports import Expected, SignedBytes
from tests.support.drivers import n3_node

DEAD = "http://127.0.0.1:9"
UNREADABLE = msgspec.json.Decoder(dict[str, int])
pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Wire:
    """A TCP relay in front of a node that can be cut, held, or made to speak nonsense."""

    target: int
    port: int = field(default_factory=free_port)
    says: bytes | None = None
    connections: int = 0
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def mend(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def cut(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            if self.says is not None:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(self.says)
                await writer.drain()
                return
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.target)
            try:
                await asyncio.gather(_pump(reader, up_writer), _pump(up_reader, writer))
            finally:
                up_writer.close()
        except (asyncio.CancelledError, OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


@asynccontextmanager
async def wire(target: int, says: bytes | None = None) -> AsyncIterator[Wire]:
    relay = Wire(target, says=says)
    await relay.mend()
    try:
        yield relay
    finally:
        await relay.cut()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fast(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[N3Node]:
    """A node that is far ahead of ``slow``."""
    folder: Path = tmp_path_factory.mktemp("fast")
    async with n3_node(folder, block_time_ms=50) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def slow(tmp_path_factory: pytest.TempPathFactory, fast: N3Node) -> AsyncIterator[N3Node]:
    folder: Path = tmp_path_factory.mktemp("slow")
    async with n3_node(folder, block_time_ms=1000) as running:
        yield running


async def test_the_highest_of_two_nodes_answers_wherever_it_stands_in_the_list(fast: N3Node, slow: N3Node) -> None:
    for urls in ([fast.url, slow.url], [slow.url, fast.url]):
        async with NeoN3(MAGIC, urls) as chain, NeoN3(MAGIC, [fast.url]) as right, NeoN3(MAGIC, [slow.url]) as behind:
            assert await chain.block_hash(1) == await right.block_hash(1)
            assert await chain.block_hash(1) != await behind.block_hash(1)


async def test_a_dead_node_in_the_list_does_no_harm(fast: N3Node) -> None:
    async with NeoN3(MAGIC, [DEAD, fast.url]) as chain:
        assert await chain.height() > 0
        assert [(each.healthy, each.height > 0) for each in chain.health()] == [(False, False), (True, True)]


async def test_when_the_best_node_dies_the_next_one_answers_the_same_call(fast: N3Node, slow: N3Node) -> None:
    async with (
        wire(fast.port) as relay,
        NeoN3(MAGIC, [relay.url, slow.url]) as chain,
        NeoN3(MAGIC, [slow.url]) as other,
    ):
        best = await chain.block_hash(1)
        await relay.cut()
        assert await chain.block_hash(1) == await other.block_hash(1) != best
        await relay.mend()


async def test_a_node_that_comes_back_is_used_again(fast: N3Node) -> None:
    async with wire(fast.port) as relay, NeoN3(MAGIC, [relay.url]) as chain:
        await relay.cut()
        with pytest.raises(NodeDown, match="neo-n3: no node answers"):
            await chain.height()
        await relay.mend()
        async with asyncio.timeout(10):
            while True:
                try:
                    assert await chain.height() > 0
                    break
                except NodeDown:
                    await asyncio.sleep(0.05)


async def test_a_dead_node_is_asked_less_and_less_often() -> None:
    async with wire(9) as relay, NeoN3(MAGIC, [relay.url]) as chain:
        for _ in range(50):
            with pytest.raises(NodeDown):
                await chain.height()
        assert relay.connections < 10


async def test_with_no_node_at_all_the_start_succeeds_and_every_question_says_so() -> None:
    address = "NVNvVRW5Q5naSx2k2iZm7xRgtRNGuZppAK"
    async with NeoN3(MAGIC, [DEAD]) as chain:
        for question in (
            chain.height,
            chain.fees,
            lambda: chain.block_hash(1),
            lambda: chain.blocks(1, 2),
            lambda: chain.spendable(address, GAS_N3),
            lambda: chain.balances(address, [GAS_N3]),
            lambda: chain.send([SignedBytes(b"\0", "0x" + "00" * 32)]),
            lambda: chain.executed([Expected("0x" + "00" * 32, GAS_N3, address, address, 1)]),
        ):
            with pytest.raises(NodeDown) as caught:
                await question()
            assert caught.value.retry_after_seconds >= 1


async def test_a_wrong_network_among_several_is_refused_at_the_start(fast: N3Node) -> None:
    with pytest.raises(WrongNetwork):
        async with NeoN3(MAGIC + 1, [DEAD, fast.url]):
            pass


async def test_a_wrong_network_that_appears_later_is_never_used(fast: N3Node) -> None:
    async with wire(fast.port) as relay:
        await relay.cut()
        async with NeoN3(MAGIC + 1, [relay.url]) as chain:
            await relay.mend()
            for _ in range(5):
                with pytest.raises(NodeDown):
                    await chain.height()
                await asyncio.sleep(0.1)


@pytest.mark.parametrize(
    "says",
    [
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\nContent-Length: 22\r\n\r\n<html>blocked</html>  ",
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n",
        b"not HTTP at all\r\n\r\n",
    ],
)
async def test_a_node_that_speaks_nonsense_is_as_good_as_none(fast: N3Node, says: bytes) -> None:
    async with wire(fast.port, says) as relay, NeoN3(MAGIC, [relay.url]) as alone:
        with pytest.raises(NodeDown):
            await alone.height()
        async with NeoN3(MAGIC, [relay.url, fast.url]) as chain:
            assert await chain.height() > 0


async def test_a_batch_whose_answer_is_too_large_is_asked_in_parts_and_one_that_is_too_large_alone_is_cut_off(
    fast: N3Node,
) -> None:
    async with JsonRpc(node.network(MAGIC), [fast.url], response_bytes_max=2000) as rpc:
        assert [each.index for each in await rpc.all([node.block(index) for index in range(10)])] == list(range(10))
        with pytest.raises(NodeError, match="more than 2000 bytes"):
            await rpc.one(Request("getnativecontracts", (), msgspec.json.Decoder(msgspec.Raw)))
        assert await rpc.one(node.BLOCK_COUNT) > 0


async def test_a_batch_keeps_its_order_and_its_refusals_beyond_the_nodes_limit(fast: N3Node) -> None:
    async with JsonRpc(node.network(MAGIC), [fast.url]) as rpc:
        asked = [node.block_hash(0 if index % 2 else 2**31) for index in range(250)]
        answers = await rpc.batch(asked)
        assert [isinstance(each, RpcError) for each in answers] == [index % 2 == 0 for index in range(250)]
        assert {each.code for each in answers if isinstance(each, RpcError)} == {node.UNKNOWN_HEIGHT}
        with pytest.raises(NodeError, match="The node refused getblockhash"):
            await rpc.all(asked)


async def test_an_answer_of_another_shape_is_not_passed_on(fast: N3Node) -> None:
    async with JsonRpc(node.network(MAGIC), [fast.url]) as rpc:
        odd: Request[Any] = Request("getblockcount", (), UNREADABLE)
        with pytest.raises(NodeError, match="unreadable"):
            await rpc.one(odd)
        first, second = await rpc.batch([odd, node.BLOCK_COUNT])
        assert isinstance(first, RpcError)
        assert second > 0


async def test_no_endpoint_is_a_mistake_of_the_configuration() -> None:
    with pytest.raises(ValueError, match="no RPC endpoint"):
        JsonRpc(node.network(MAGIC), [])
