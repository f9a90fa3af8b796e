"""Two clients are shown different histories by a host that holds the real log key: witness and monitor report it.

Witness, monitors and auditors are the commands that people run, each a process of its own. What the host shows each
client is an API that serves one of its two histories; both agree on the first nine leaves.
"""

import asyncio
import json
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from nsl.adapters.witnesses import HttpWitness
from nsl.audit.errors import WitnessRefused
from nsl.cli.up.process import free_port, listens
from nsl.cli.witness import WitnessKey
from nsl_protocol.audit.heads import Line, SignedHead, parse_signed_head, verify_log_line
from tests.support.live import NSL
from tests.support.log import LOG_KEY, ORIGIN, HostedLog, leaf, served

LOG = ("--log", f"{ORIGIN}={LOG_KEY.hex()}")
HONEST = HostedLog([leaf(number) for number in range(20)])
FORKED = HostedLog([*map(leaf, range(9)), leaf(9, "refusal"), *map(leaf, range(10, 20))])
#: the fork at the size that the witness has cosigned, and a larger one
SAME_SIZE, LARGER = FORKED.signed(15), FORKED.signed(20)


@dataclass
class Views:
    """``anns`` is shown the honest history and ``bobs`` the other. ``answers``: of the witness, in turn."""

    folder: Path
    witness: str
    metrics: str
    log: Path
    answers: list[str] = field(default_factory=list)

    def nsl(self, *arguments: str) -> tuple[int, Any]:
        """Exit status, and what is printed with ``--json``."""
        done = subprocess.run([NSL, *arguments, "--json"], check=False, capture_output=True, text=True, timeout=60)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    def monitor(self, whose: str, *more: str) -> tuple[int, Any]:
        """By that client: once, with a state and evidence of its own."""
        folder = self.folder / whose
        paths = ("--state", str(folder / "monitor.json"), "--evidence", str(folder / "evidence"))
        return self.nsl("audit", "monitor", *LOG, *paths, "--once", "--credentials", str(folder / "api.json"), *more)

    def written(self, name: str, signed: SignedHead) -> str:
        """A file with a head as a client was given it."""
        path = self.folder / name
        path.write_text(signed.note, encoding="utf-8")
        return str(path)


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Views]:
    """The host has had 15 honest leaves cosigned, and then asks for the fork's."""
    folder = tmp_path_factory.mktemp("views")
    key = WitnessKey.make("witness.example", folder / "witness.key")
    with ExitStack() as open_until_the_end:
        made = open_until_the_end.enter_context(witnessing(folder))
        for whose, log in (("anns", HONEST), ("bobs", FORKED)):
            (folder / whose).mkdir()
            open_until_the_end.enter_context(served(log, folder / whose / "api.json"))
        asyncio.run(asked(made, key))
        yield made


@contextmanager
def witnessing(folder: Path) -> Iterator[Views]:
    """`nsl audit witness`, ready."""
    port, metrics = free_port(), free_port()
    paths = ("--key", str(folder / "witness.key"), "--state", str(folder / "witness.json"))
    ports = ("--listen", f"127.0.0.1:{port}", "--metrics-port", str(metrics))
    command = [NSL, "audit", "witness", *paths, *LOG, *ports, "--evidence", str(folder / "witnessed")]
    log = folder / "witness.log"
    with log.open("wb") as output, subprocess.Popen(command, stderr=output) as process:
        try:
            made = Views(folder, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{metrics}/metrics", log)
            asyncio.run(ready(port))
            yield made
        finally:
            process.kill()


async def ready(port: int) -> None:
    async with asyncio.timeout(30):
        while not await listens(port):
            await asyncio.sleep(0.05)


async def asked(views: Views, key: WitnessKey) -> None:
    """By the layer's own adapter, with the best proof that there is."""
    async with HttpWitness(key.public, views.witness) as witness:
        for old, signed, proof in (
            (0, HONEST.signed(15), ()),
            (15, SAME_SIZE, ()),
            (15, LARGER, FORKED.proof(15, 20)),
            (15, LARGER, HONEST.proof(15, 20)),
        ):
            try:
                line = await witness.cosign(old, proof, signed)
                views.answers.append("cosigned" if isinstance(line, Line) else f"knows {line}")
            except WitnessRefused as refused:
                views.answers.append("refused" if "no beginning" in refused.detail else refused.detail)


def test_the_witness_cosigns_one_history_and_reports_the_other(views: Views) -> None:
    assert views.answers == ["cosigned", "knows 15", "refused", "refused"]
    lines = [json.loads(line) for line in views.log.read_text(encoding="utf-8").splitlines()]
    assert [(line["log.level"], line["message"]) for line in lines] == [
        ("error", "two histories of one log"),
        *[("warning", "a head came without a proof that it continues the last")] * 2,
    ]
    assert [parse_signed_head(each).head for each in lines[0]["heads"]] == [HONEST.signed(15).head, SAME_SIZE.head]
    assert evidence(views.folder / "witnessed") == {HONEST.signed(15).head, SAME_SIZE.head}
    metrics = httpx.get(views.metrics, trust_env=False).text
    for why, count in (("two histories", 1), ("no proof", 2)):
        assert f'nsl_witness_refused_heads_total{{origin="{ORIGIN}",why="{why}"}} {count}.0' in metrics


def evidence(folder: Path) -> set[Any]:
    """The heads that lie there, each signed by the log key."""
    found = [parse_signed_head(each.read_text(encoding="utf-8")) for each in folder.iterdir()]
    for signed in found:
        verify_log_line(signed, LOG_KEY)
    return {signed.head for signed in found}


def test_the_monitor_of_the_client_with_the_other_history_ends_with_the_proof(views: Views) -> None:
    with ThreadPoolExecutor() as both:
        anns, bobs = both.map(lambda whose: views.monitor(whose, "--witness", views.witness), ("anns", "bobs"))
    assert anns == (0, {"read": 20, "lost": 0, "anchored": 0, "wrong": [], "unsure": []})
    status, found = bobs
    assert (status, [each["what"] for each in found["wrong"]]) == (1, ["split view"])
    assert evidence(views.folder / "bobs" / "evidence") == {HONEST.signed(15).head, LARGER.head}


def test_without_a_witness_the_clients_find_it_by_what_the_other_was_given(views: Views) -> None:
    theirs = views.written("bobs.txt", LARGER)
    status, found = views.monitor("anns", "--compare", theirs, "--compare", views.written("own.txt", HONEST.signed(7)))
    assert (status, [each["what"] for each in found["wrong"]]) == (1, ["split view"])
    assert theirs in found["wrong"][0]["detail"]
    assert evidence(views.folder / "anns" / "evidence") == {HONEST.signed(20).head, LARGER.head}


def test_an_auditor_compares_both_offline(views: Views) -> None:
    ours, theirs = views.written("ours.txt", HONEST.signed(15)), views.written("theirs.txt", SAME_SIZE)
    status, found = views.nsl("audit", "compare", ours, theirs, *LOG)
    assert (status, found["agree"], found["compared"][0]["verdict"]) == (1, False, "contradict")
