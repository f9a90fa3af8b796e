"""A monitor against a log whose host holds the real log key, and answers as it likes."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import httpx
import pytest

from nsl.cli.monitor import Look, Monitor, MonitorUnreadable
from nsl.cli.witness import WitnessApplication, WitnessKey, logs_of
from nsl_client import ApiError
from nsl_client.errors import Problem
from nsl_protocol.audit.heads import Head, SignedHead, log_line, parse_signed_head
from nsl_protocol.audit.leaves import EnclaveLeaf, LostLeaves, encode_leaf
from nsl_protocol.audit.merkle import Frontier, leaf_hash
from nsl_protocol.audit.witness import AddCheckpoint
from tests.support.log import KEY, LOG_KEY, ORIGIN, RUN, HostedLog, leaf

LOGS = {ORIGIN: frozenset((LOG_KEY,))}
HONEST = HostedLog([leaf(number) for number in range(20)])
OTHER = HostedLog([*(leaf(number) for number in range(9)), leaf(9, "refusal"), *map(leaf, range(10, 20))])
KEYS = [str(UUID(int=number)) for number in range(2)]

type Witnesses = Callable[[Callable[[str], httpx.Response | Exception]], None]


class Liar(HostedLog):
    """Shows any head of a history, gives every proof that it can, and no leaves: it is no platform's auditor that asks.

    Args:
        shown: how many leaves the head has that it shows as the newest.
    """

    def __init__(self, leaves: list[bytes], shown: int) -> None:
        super().__init__(leaves)
        self.audit.tree_head = lambda: SimpleNamespace(checkpoint=self.signed(shown).note)
        self.audit.leaves = self._denied

    def _denied(self, **_: Any) -> Any:
        raise ApiError(403, Problem(code="PLATFORM_ADMINISTRATOR_ONLY"))


class Renamed(HostedLog):
    """Signs its heads under another name, with the log key."""

    def signed(self, size: int | None = None) -> SignedHead:
        own = super().signed(size).head
        head = Head(f"{own.origin}/mirror", own.size, own.root)
        return SignedHead(head, (log_line(head.origin, LOG_KEY, KEY.sign(head.text.encode())),))


def monitor(log: HostedLog, state: Path, *witnesses: str) -> Monitor:
    return Monitor(log, LOGS, witnesses, state)  # type: ignore[arg-type]  # it answers as the SDK does


def found(log: HostedLog, state: Path, *witnesses: str) -> list[str]:
    return [each.what for each in monitor(log, state, *witnesses).look().findings]


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Witnesses:
    """Whoever answers as the witnesses, by the origin that they are asked for."""

    def set_up(answer: Callable[[str], httpx.Response | Exception]) -> None:
        def get(_: str, *, params: dict[str, str], **__: Any) -> httpx.Response:
            made = answer(params["origin"])
            if isinstance(made, Exception):
                raise made
            return made

        monkeypatch.setattr(httpx, "get", get)

    return set_up


def test_an_honest_log_is_followed(tmp_path: Path) -> None:
    log = HostedLog(HONEST.leaves[:7])
    assert found(log, tmp_path / "m") == []
    log.leaves = HONEST.leaves
    following = monitor(log, tmp_path / "m")
    assert following.look().findings == ()
    assert following.seen.read == 20


def test_two_clients_that_are_shown_different_histories_have_the_proof(tmp_path: Path) -> None:
    """The one who was shown the other history before holds both heads, each signed by the log key."""
    assert found(HostedLog(OTHER.leaves[:12]), tmp_path / "m") == []
    (split, *_) = monitor(HONEST, tmp_path / "m").look().findings
    assert split.what == "split view"
    one, other = map(parse_signed_head, split.heads)
    assert (one.head, other.head) == (OTHER.signed(12).head, HONEST.signed(20).head)
    assert found(HONEST, tmp_path / "m"), "what is wrong is not followed"


async def test_of_two_histories_a_real_witness_cosigns_one_and_a_monitor_has_both(
    tmp_path: Path, answering: Witnesses
) -> None:
    """One client is shown one history and gets it cosigned; the other is shown another, and compares."""
    key = WitnessKey.make("witness.example", tmp_path / "key.json")
    application = WitnessApplication(key, logs_of([f"{ORIGIN}={LOG_KEY.hex()}"]), tmp_path / "state.json")
    transport = httpx.ASGITransport(application)  # type: ignore[arg-type]  # it is one
    async with httpx.AsyncClient(transport=transport, base_url="http://witness") as http:
        answer = await http.post("/add-checkpoint", content=AddCheckpoint(0, (), HONEST.signed(15)).body)
        assert answer.status_code == 200
        second = AddCheckpoint(15, OTHER.proof(15, 20), OTHER.signed(20))
        assert (await http.post("/add-checkpoint", content=second.body)).status_code == 422
        shown = await http.get("/checkpoint", params={"origin": ORIGIN})
    answering(lambda _: shown)
    (split,) = monitor(OTHER, tmp_path / "m", "http://witness").look().findings
    assert split.what == "split view"
    assert [parse_signed_head(each).head for each in split.heads] == [HONEST.signed(15).head, OTHER.signed(20).head]


def test_the_head_of_before_is_not_forgotten_for_an_older_one(tmp_path: Path) -> None:
    """Going back to where both histories are still one, and on in the other, is two histories all the same."""
    assert found(Liar(HONEST.leaves, 20), tmp_path / "m") == []
    assert found(Liar(HONEST.leaves, 5), tmp_path / "m") == ["older head"]
    assert found(Liar(OTHER.leaves, 20), tmp_path / "m") == ["split view"]
    assert found(HostedLog(HONEST.leaves[:15]), tmp_path / "m") == ["split view"], "no proof is given"


def test_a_log_of_another_name_is_not_followed(tmp_path: Path, answering: Witnesses) -> None:
    """No witness knows a log by another name: a host that uses one would be compared with nobody."""
    answering(lambda origin: httpx.Response(200, text=HONEST.signed().note) if origin == ORIGIN else not_known())
    assert found(Renamed(OTHER.leaves), tmp_path / "m", "http://w") == ["another log"]
    assert not (tmp_path / "m").exists()


def not_known() -> httpx.Response:
    return httpx.Response(404, text="Nothing was cosigned of that origin.\n")


UNSURE: dict[str, tuple[httpx.Response | Exception, str]] = {
    "down": (httpx.ConnectError("refused"), "does not answer"),
    "new": (not_known(), "has cosigned no head of this log"),
    "broken": (httpx.Response(500), "answers 500"),
    "nonsense": (httpx.Response(200, text="hello"), "is not three lines"),
    "endless": (httpx.Response(200, text="x" * 100_000), "is longer than any checkpoint"),
    "of another log": (httpx.Response(200, text=Renamed(OTHER.leaves).signed().note), "no key of this log"),
    "forged": (
        httpx.Response(200, text=SignedHead(OTHER.signed().head, (log_line(ORIGIN, LOG_KEY, bytes(64)),)).note),
        "no key of this log",
    ),
}


@pytest.mark.parametrize("kind", UNSURE)
def test_a_witness_that_shows_nothing_to_compare_is_named_and_accuses_nobody(
    tmp_path: Path, answering: Witnesses, kind: str
) -> None:
    answer, sentence = UNSURE[kind]
    answering(lambda _: answer)
    look = monitor(HONEST, tmp_path / "m", "http://w").look()
    assert look.findings == ()
    (unsure,) = look.unsure
    assert sentence in unsure


def test_what_another_client_was_given_is_compared_like_what_a_witness_has_cosigned(tmp_path: Path) -> None:
    def look(signed: SignedHead, log: HostedLog = HONEST) -> Look:
        (tmp_path / "theirs").write_text(signed.note, encoding="utf-8")
        return Monitor(log, LOGS, [], tmp_path / "m", [tmp_path / "theirs"]).look()  # type: ignore[arg-type]  # as above

    assert look(HONEST.signed(7)) == Look(())
    assert [each.what for each in look(OTHER.signed(12)).findings] == ["split view"]
    assert look(OTHER.signed(5)) == Look(()), "until there the histories are one"
    (unsure,) = look(Renamed(HONEST.leaves).signed()).unsure
    assert unsure.startswith(f"The head in {tmp_path}/theirs shows a head that no key of this log has signed")


def test_a_witness_that_knows_more_than_the_log_shows_is_named(tmp_path: Path, answering: Witnesses) -> None:
    answering(lambda _: httpx.Response(200, text=HONEST.signed().note))
    look = monitor(Liar(HONEST.leaves, 5), tmp_path / "m", "http://w").look()
    assert look.findings == ()
    assert look.unsure == ("The witness at http://w knows the log at 20 leaves; the log shows 5.",)


def test_an_api_that_is_down_is_not_two_histories(tmp_path: Path) -> None:
    assert found(Liar(HONEST.leaves, 5), tmp_path / "m") == []
    log = Liar(HONEST.leaves, 20)

    def busy(*_: Any) -> Any:
        raise ApiError(503, Problem(code="DATABASE_UNAVAILABLE"))

    log.audit.consistency = busy
    with pytest.raises(ApiError):
        monitor(log, tmp_path / "m").look()
    log.audit.consistency = lambda *_: SimpleNamespace(proof=["no hex"])
    assert found(log, tmp_path / "m") == ["split view"]


def test_leaves_that_are_not_those_of_the_tree_are_noticed(tmp_path: Path) -> None:
    log = HostedLog(HONEST.leaves)
    honest = log.signed()
    log.leaves = OTHER.leaves
    log.audit.tree_head = partial(SimpleNamespace, checkpoint=honest.note)
    assert found(log, tmp_path / "m") == ["other leaves"]
    log.leaves = HONEST.leaves[:10]
    assert found(log, tmp_path / "m") == ["leaves missing"]
    log.leaves = [*HONEST.leaves[:19], b"{}"]
    assert found(log, tmp_path / "m") == ["unreadable leaf", "other leaves"]


def of_key(number: int, key: int, key_number: int) -> bytes:
    return encode_leaf(EnclaveLeaf(RUN, number, 1000, "signature", key=KEYS[key], key_number=key_number))


def lost(first: int, last: int, run: str = RUN) -> bytes:
    return encode_leaf(LostLeaves(run, first, last, 1000))


GAPS: dict[str, tuple[list[bytes], list[str]]] = {
    "none": ([of_key(0, 0, 0), of_key(1, 1, 0), of_key(2, 0, 1)], []),
    "of the run": ([leaf(0), leaf(2)], ["gap"]),
    "at its beginning": ([leaf(1)], ["gap"]),
    "repeated": ([leaf(0), leaf(0)], ["gap"]),
    "of a key": ([of_key(0, 0, 0), of_key(1, 0, 2)], ["gap"]),
    "lost, and the log says so": ([of_key(0, 0, 0), lost(1, 2), of_key(3, 0, 2)], []),
    "lost, and a key's number came before": ([of_key(0, 0, 0), lost(1, 1), of_key(2, 0, 0)], ["gap"]),
    "lost in another run": ([lost(0, 3, "cd" * 16), of_key(0, 0, 0), of_key(1, 0, 2)], ["gap"]),
    "lost, but more is missing": ([leaf(0), lost(5, 6)], ["gap"]),
    "lost, though they are there": ([leaf(0), leaf(1), lost(0, 1)], ["gap"]),
    "lost from last to first": ([lost(0, 1), encode_leaf(LostLeaves(RUN, 2, 1, 1000))], ["gap"]),
}


@pytest.mark.parametrize("kind", GAPS)
def test_leaves_of_enclaves_are_without_gaps_by_run_and_by_key(tmp_path: Path, kind: str) -> None:
    leaves, expected = GAPS[kind]
    assert found(HostedLog(leaves), tmp_path / "m") == expected


def test_what_is_lost_is_counted(tmp_path: Path) -> None:
    following = monitor(HostedLog([leaf(0), lost(1, 3), leaf(4), lost(5, 5)]), tmp_path / "m")
    assert following.look().findings == ()
    assert following.seen.lost == 4


@pytest.mark.parametrize("note", ["", "hello", HONEST.signed().note + "x"])
def test_what_is_no_head_is_not_followed(tmp_path: Path, note: str) -> None:
    log = HostedLog(HONEST.leaves)
    log.audit.tree_head = partial(SimpleNamespace, checkpoint=note)
    assert found(log, tmp_path / "m") == ["no head"]


def test_a_head_by_another_key_is_not_followed(tmp_path: Path) -> None:
    following = Monitor(HONEST, {ORIGIN: frozenset((b"x" * 32,))}, [], tmp_path / "m")  # type: ignore[arg-type]  # as above
    assert [each.what for each in following.look().findings] == ["not signed"]


def test_a_state_of_another_log_is_refused(tmp_path: Path) -> None:
    assert found(HONEST, tmp_path / "m") == []
    another = {"neo-service-layer/another": frozenset((LOG_KEY,))}
    with pytest.raises(MonitorUnreadable, match="not of neo-service-layer/another"):
        Monitor(HONEST, another, [], tmp_path / "m")  # type: ignore[arg-type]  # as above
    with pytest.raises(MonitorUnreadable, match="follows one log"):
        Monitor(HONEST, LOGS | another, [], tmp_path / "n")  # type: ignore[arg-type]  # as above
    for content in ("[]", '{"note": "hello"}'):
        (tmp_path / "m").write_text(content)
        with pytest.raises(MonitorUnreadable, match="cannot be read"):
            monitor(HONEST, tmp_path / "m")


def test_the_tree_is_that_of_the_leaves_that_were_read(tmp_path: Path) -> None:
    following = monitor(HONEST, tmp_path / "m")
    following.look()
    assert following.seen.tree == Frontier().appended(map(leaf_hash, HONEST.leaves))
