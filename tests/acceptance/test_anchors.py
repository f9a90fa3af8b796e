"""Heads are anchored on a real N3 node, once each; a monitor that is shown another history finds it by its anchor.

Anchorer and monitors are the commands that people run, each a process of its own.
"""

import asyncio
import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from nsl.adapters.neo_n3.anchoring import Anchor, AnchorChain
from nsl.cli.anchoring import Anchorer, Kept, NotAnchored, anchor_once, read_key
from nsl.cli.up.faucet import Payment, pay_n3
from nsl.cli.up.n3 import MAGIC, N3Node
from nsl.ledger.errors import NodeError
from nsl_protocol.audit.heads import SignedHead
from tests.support.drivers import n3_node
from tests.support.live import NSL
from tests.support.log import LOG_KEY, ORIGIN, HostedLog, leaf, served

LOG = ("--log", f"{ORIGIN}={LOG_KEY.hex()}")
LOGS = {ORIGIN: frozenset({LOG_KEY})}
HONEST = HostedLog([leaf(number) for number in range(20)])
FORKED = HostedLog([*map(leaf, range(9)), leaf(9, "refusal"), *map(leaf, range(10, 20))])


@dataclass
class Shown:
    """What a witness shows, and where."""

    signed: SignedHead | None
    url: str = ""


@contextmanager
def witness() -> Iterator[Shown]:
    shown = Shown(HONEST.signed(5))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b"" if shown.signed is None else shown.signed.note.encode()
            self.send_response(200 if body else 404)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        shown.url = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield shown
        finally:
            server.shutdown()
            thread.join()


@dataclass
class World:
    folder: Path
    node: N3Node
    witness: Shown
    runner: asyncio.Runner

    @property
    def n3(self) -> tuple[str, str]:
        return "--n3", f"{MAGIC}@{self.node.url}"

    def nsl(self, *arguments: str) -> tuple[int, Any]:
        done = subprocess.run([NSL, *arguments, "--json"], check=False, capture_output=True, text=True, timeout=90)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    def anchor(self) -> Any:
        paths = ("--key", str(self.folder / "anchor.key"), "--state", str(self.folder / "anchor.json"))
        status, record = self.nsl("audit", "anchor", *paths, *LOG, "--witness", self.witness.url, *self.n3, "--once")
        assert status == 0
        return record

    def monitor(self, whose: str, *more: str) -> tuple[int, Any]:
        state = ("--state", str(self.folder / f"{whose}.monitor.json"), "--from-height", "0")
        credentials = ("--credentials", str(self.folder / f"{whose}.json"))
        return self.nsl("audit", "monitor", *LOG, *state, *self.n3, "--once", *credentials, *more)

    def anchorer(self, chain: AnchorChain, state: str, key: str = "anchor.key") -> Anchorer:
        return Anchorer(chain, read_key(self.folder / key), LOGS, self.witness.url, self.folder / state)

    def step(self, state: str, key: str = "anchor.key") -> bool:
        async def once() -> bool:
            async with AnchorChain(MAGIC, [self.node.url]) as chain:
                return await self.anchorer(chain, state, key).step()

        return self.runner.run(once())

    async def read(self) -> list[Anchor]:
        async with AnchorChain(MAGIC, [self.node.url]) as chain:
            return [each async for each in chain.anchors(0, await chain.height(), ORIGIN)]

    def anchors(self) -> list[Anchor]:
        return self.runner.run(self.read())


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("anchors")
    with ExitStack() as until_the_end:
        runner = until_the_end.enter_context(asyncio.Runner())
        opened = n3_node(folder / "n3")
        node = runner.run(opened.__aenter__())
        until_the_end.callback(lambda: runner.run(opened.__aexit__(None, None, None)))
        made = World(folder, node, until_the_end.enter_context(witness()), runner)
        for whose, log in (("ann", HONEST), ("bob", FORKED)):
            until_the_end.enter_context(served(log, folder / f"{whose}.json"))
        status, key = made.nsl("audit", "anchor-key", "--out", str(folder / "anchor.key"))
        assert status == 0
        runner.run(pay_n3(node, [Payment(key["address"], 10**8)]))
        yield made


def test_a_head_is_anchored_once(world: World) -> None:
    first = world.anchor()
    assert world.anchor() == first, "there is nothing newer"
    (only,) = world.anchors()
    assert (only.signed, only.transaction) == (HONEST.signed(5), first["transaction"])


class Killed(Exception):
    """In place of a signal."""


class Stopped(AnchorChain):
    """Ends whoever sends."""

    async def send(self, raw: bytes) -> None:
        raise Killed(raw)


def test_after_a_kill_the_same_transaction_goes_on(world: World) -> None:
    """Killed after it was written down and before it was sent: one anchor in the end."""
    world.witness.signed = HONEST.signed(12)

    async def written_and_not_sent() -> Kept:
        async with Stopped(MAGIC, [world.node.url]) as chain:
            anchorer = world.anchorer(chain, "killed.json")
            with pytest.raises(Killed):
                await anchorer.step()
            return anchorer.kept

    async def go_on() -> Kept:
        async with AnchorChain(MAGIC, [world.node.url]) as chain:
            again = world.anchorer(chain, "killed.json")
            await anchor_once(again)
            return again.kept

    written = world.runner.run(written_and_not_sent())
    assert written.raw
    gone_on = world.runner.run(go_on())
    assert (gone_on.transaction, gone_on.raw) == (written.transaction, "")
    assert [each.signed.head.size for each in world.anchors()] == [5, 12]


def test_an_honest_log_continues_its_anchors(world: World) -> None:
    status, look = world.monitor("ann", "--anchored-within-seconds", "3600")
    assert (status, look["wrong"], look["unsure"], look["anchored"]) == (0, [], [], 12)


def test_who_is_shown_another_history_finds_it_by_its_anchor(world: World) -> None:
    status, look = world.monitor("bob")
    (split,) = look["wrong"]
    assert (status, split["what"]) == (1, "split view")
    assert split["heads"] == [HONEST.signed(12).note, FORKED.signed(20).note]
    assert world.anchors()[1].transaction in world.monitor("bob")[1]["wrong"][0]["detail"], "it is found again"


def test_a_log_that_grows_unanchored_is_named(world: World) -> None:
    """The head of 20 leaves was seen by the look before, and only 12 are on the chain."""
    state = world.folder / "ann.monitor.json"
    seen = json.loads(state.read_text(encoding="utf-8"))
    state.write_text(json.dumps(seen | {"waiting_since": seen["waiting_since"] - 100}), encoding="utf-8")
    status, look = world.monitor("ann", "--anchored-within-seconds", "99")
    assert (status, look["wrong"]) == (1, [])
    assert look["unsure"] == ["No newer head was anchored for 99 s: 12 leaves are anchored, and the log has 20."]


@pytest.mark.parametrize("shown", [HONEST.signed(11), FORKED.signed(12)], ids=["older", "another"])
def test_a_witness_that_goes_back_is_not_followed(world: World, shown: SignedHead) -> None:
    world.witness.signed = shown
    with pytest.raises(NotAnchored, match="12 are anchored"):
        world.step("killed.json")


def test_a_head_that_the_log_key_has_not_signed_is_not_anchored(world: World) -> None:
    world.witness.signed = SignedHead(HONEST.signed(20).head, HONEST.signed(12).lines)
    with pytest.raises(NotAnchored, match="no key of this log has signed"):
        world.step("killed.json")


def test_before_a_first_head_there_is_nothing_to_anchor(world: World) -> None:
    world.witness.signed = None
    assert world.step("none.json"), "nothing waits"
    paths = ("--key", str(world.folder / "anchor.key"), "--state", str(world.folder / "none.json"))
    more = (*LOG, "--witness", world.witness.url, *world.n3, "--once")
    done = subprocess.run(
        [NSL, "audit", "anchor", *paths, *more], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert "no head of this log yet" in " ".join(done.stderr.split())


def test_an_account_without_gas_is_told(world: World) -> None:
    status, _ = world.nsl("audit", "anchor-key", "--out", str(world.folder / "poor.key"))
    assert status == 0
    world.witness.signed = HONEST.signed(20)
    with pytest.raises(NodeError, match="nsufficient"):
        world.step("poor.json", "poor.key")


def test_the_command_keeps_anchoring_until_it_is_ended(world: World) -> None:
    world.witness.signed = HONEST.signed(20)
    paths = ("--key", str(world.folder / "anchor.key"), "--state", str(world.folder / "anchor.json"))
    more = ("--witness", world.witness.url, *world.n3, "--interval-seconds", "1")
    with subprocess.Popen([NSL, "audit", "anchor", *paths, *LOG, *more], stderr=subprocess.DEVNULL) as process:
        try:
            world.runner.run(_until_anchored(world, 20))
        finally:
            process.kill()


async def _until_anchored(world: World, size: int) -> None:
    async with asyncio.timeout(60):
        while max(each.signed.head.size for each in await world.read()) < size:
            await asyncio.sleep(0.1)
