"""A witness, and the layer that asks it, against a log whose host holds the real log key."""

import gzip
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from nsl.adapters.witnesses import ANSWER_BYTES_MAX, HttpWitness
from nsl.audit.errors import WitnessDown, WitnessRefused
from nsl.cli.witness import (
    WitnessApplication,
    WitnessKey,
    WitnessRunning,
    WitnessUnreadable,
    alone_with,
    logs_of,
)
from nsl_protocol.audit.heads import LINES_MAX, Line, SignedHead, Witness, parse_line, parse_signed_head
from nsl_protocol.audit.witness import BODY_BYTES_MAX, AddCheckpoint
from tests.support.log import LOG_KEY, ORIGIN, HostedLog, leaf

HONEST = HostedLog([leaf(number) for number in range(20)])
OTHER = HostedLog([*(leaf(number) for number in range(9)), leaf(9, "refusal"), *map(leaf, range(10, 20))])


@pytest.fixture
def key(tmp_path: Path) -> WitnessKey:
    return WitnessKey.make("witness.example", tmp_path / "key.json")


@pytest.fixture
def application(key: WitnessKey, tmp_path: Path) -> WitnessApplication:
    return WitnessApplication(key, logs_of([f"{ORIGIN}={LOG_KEY.hex()}"]), tmp_path / "state.json")


@pytest.fixture
async def http(application: WitnessApplication) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(application)  # type: ignore[arg-type]  # it is one
    async with httpx.AsyncClient(transport=transport, base_url="http://witness") as client:
        yield client


async def add(
    http: httpx.AsyncClient, log: HostedLog, old: int, size: int, proof: tuple[bytes, ...] | None = None
) -> Any:
    hashes = log.proof(old, size) if proof is None else proof
    return await http.post("/add-checkpoint", content=AddCheckpoint(old, hashes, log.signed(size)).body)


async def test_what_continues_is_cosigned_and_remembered(
    http: httpx.AsyncClient, key: WitnessKey, tmp_path: Path
) -> None:
    for old, size in ((0, 5), (5, 5), (5, 16), (16, 20)):
        answer = await add(http, HONEST, old, size)
        assert answer.status_code == 200, answer.text
        signed = HONEST.signed(size).with_line(parse_line(answer.text.rstrip("\n")))
        assert key.public.cosigned_at(signed) is not None
    shown = await http.get("/checkpoint", params={"origin": ORIGIN})
    assert parse_signed_head(shown.text).head == HONEST.signed(20).head
    again = WitnessApplication(WitnessKey.read(tmp_path / "key.json"), {}, tmp_path / "state.json")
    assert again._known[ORIGIN].head.size == 20


async def test_another_history_is_refused_whatever_proof_comes_with_it(http: httpx.AsyncClient) -> None:
    assert (await add(http, HONEST, 0, 10)).status_code == 200
    assert (await add(http, OTHER, 10, 20)).status_code == 422
    assert (await add(http, OTHER, 10, 20, HONEST.proof(10, 20))).status_code == 422
    same_size = await add(http, OTHER, 10, 10)
    assert (same_size.status_code, same_size.text) == (409, "10\n")
    smaller = await add(http, HONEST, 5, 10)
    assert (smaller.status_code, smaller.text, smaller.headers["content-type"]) == (409, "10\n", "text/x.tlog.size")
    assert (await add(http, HONEST, 10, 20)).status_code == 200


async def test_what_is_not_signed_by_the_log_or_of_no_log_it_follows(http: httpx.AsyncClient, key: WitnessKey) -> None:
    honest = HONEST.signed(5)
    foreign = AddCheckpoint(0, (), type(honest)(honest.head, (Line(ORIGIN, b"\0" * 4, b"s" * 64),)))
    assert (await http.post("/add-checkpoint", content=foreign.body)).status_code == 403
    unknown = AddCheckpoint(0, (), parse_signed_head(honest.note.replace(ORIGIN, "somebody.else")))
    assert (await http.post("/add-checkpoint", content=unknown.body)).status_code == 404
    assert (await http.get("/checkpoint?origin=nobody")).status_code == 404
    assert (await http.get("/anything")).status_code == 404


async def test_what_anybody_adds_to_a_head_is_not_kept(
    http: httpx.AsyncClient, key: WitnessKey, tmp_path: Path
) -> None:
    """A note full of lines of others would leave no place for the witness' own, and its state could not be read."""
    honest = HONEST.signed(5)
    others = tuple(Line(f"other-{number}", b"hash", b"s" * 64) for number in range(LINES_MAX - 1))
    crowded = AddCheckpoint(0, (), SignedHead(honest.head, (*honest.lines, *others)))
    assert (await http.post("/add-checkpoint", content=crowded.body)).status_code == 200
    shown = parse_signed_head((await http.get("/checkpoint", params={"origin": ORIGIN})).text)
    assert [line.name for line in shown.lines] == [ORIGIN, "witness.example"]
    again = WitnessApplication(key, logs_of([f"{ORIGIN}={LOG_KEY.hex()}"]), tmp_path / "state.json")
    assert again._known[ORIGIN] == shown


async def test_a_query_that_is_no_text_is_answered(application: WitnessApplication) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError

    scope = {"type": "http", "method": "GET", "path": "/checkpoint", "query_string": b"origin=\xff"}
    await application(scope, receive, send)
    assert sent[0]["status"] == 404


def test_two_witnesses_do_not_share_a_state(tmp_path: Path) -> None:
    with alone_with(tmp_path / "state"), pytest.raises(WitnessRunning), alone_with(tmp_path / "state"):
        raise AssertionError
    with alone_with(tmp_path / "state"), alone_with(tmp_path / "other"):
        pass
    with pytest.raises(WitnessUnreadable, match="cannot be written"), alone_with(tmp_path / "nowhere" / "state"):
        raise AssertionError


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"old x\n\n",
        b"old 05\n\n" + HONEST.signed(5).note.encode(),
        b"old -1\n\n" + HONEST.signed(5).note.encode(),
        b"5\n\n" + HONEST.signed(5).note.encode(),
        b"old 0\n\n\n" + HONEST.signed(5).note.encode(),
        b"\xff",
        b"x" * (BODY_BYTES_MAX + 1),
    ],
)
async def test_what_is_no_request_is_malformed(http: httpx.AsyncClient, body: bytes) -> None:
    assert (await http.post("/add-checkpoint", content=body)).status_code == 400


async def test_the_adapter_learns_the_size_and_believes_no_other_line(http: httpx.AsyncClient, key: WitnessKey) -> None:
    witness = HttpWitness(key.public, "http://witness")
    witness._http = http
    assert isinstance(await witness.cosign(0, (), HONEST.signed(10)), Line)
    assert await witness.cosign(0, (), HONEST.signed(20)) == 10
    with pytest.raises(WitnessRefused, match="no beginning"):
        await witness.cosign(10, OTHER.proof(10, 20), OTHER.signed(20))
    stranger = HttpWitness(Witness("witness.example", b"k" * 32), "http://witness")
    stranger._http = http
    with pytest.raises(WitnessRefused, match="another's name"):
        await stranger.cosign(10, HONEST.proof(10, 20), HONEST.signed(20))
    async with HttpWitness(key.public, "http://127.0.0.1:9") as nobody:
        with pytest.raises(WitnessDown):
            await nobody.cosign(0, (), HONEST.signed(5))


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(409, text="\N{SUPERSCRIPT TWO}\n"),
        httpx.Response(409, text="9" * 5000),
        httpx.Response(200, content=b"\xff\xfe"),
        httpx.Response(200, content=b"x" * (ANSWER_BYTES_MAX + 1)),
        httpx.Response(500, text=""),
    ],
    ids=["no digit", "a huge size", "no text", "too long", "an error"],
)
async def test_a_witness_that_answers_anything_does_not_stop_the_log(key: WitnessKey, answer: httpx.Response) -> None:
    async with HttpWitness(key.public, "http://witness") as witness:
        witness._http = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: answer), base_url="http://witness")
        with pytest.raises(WitnessRefused):
            await witness.cosign(0, (), HONEST.signed(5))


async def test_an_answer_that_unpacks_to_more_is_not_unpacked(key: WitnessKey) -> None:
    packed = gzip.compress(b"x" * 1_000_000)
    transport = httpx.MockTransport(lambda _: httpx.Response(200, headers={"Content-Encoding": "gzip"}, content=packed))
    async with HttpWitness(key.public, "http://witness") as witness:
        witness._http = httpx.AsyncClient(transport=transport, base_url="http://witness")
        with pytest.raises(WitnessRefused, match="encoding"):
            await witness.cosign(0, (), HONEST.signed(5))


def test_files_that_are_none_say_so(tmp_path: Path, key: WitnessKey) -> None:
    with pytest.raises(WitnessUnreadable, match="keeps its key"):
        WitnessKey.make("w", tmp_path / "key.json")
    (tmp_path / "bad").write_text("{}")
    with pytest.raises(WitnessUnreadable, match="no witness key"):
        WitnessKey.read(tmp_path / "bad")
    (tmp_path / "state").write_text('{"a": "b"}')
    with pytest.raises(WitnessUnreadable, match="Restore it"):
        WitnessApplication(key, {}, tmp_path / "state")
    with pytest.raises(WitnessUnreadable, match="ORIGIN=KEY"):
        logs_of(["x"])
