"""Heads that clients hand each other, compared offline: who says two histories has two signatures of one log for it."""

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec import to_builtins
from typer.testing import CliRunner

from nsl.cli import heads
from nsl.cli.audit import app
from nsl.cli.heads import Agreement, HeadUnreadable, compared, keep_evidence, read_head, read_proofs
from nsl_client.model import Consistency
from nsl_protocol.audit.heads import SignedHead, log_line
from tests.support.log import LOG_KEY, ORIGIN, HostedLog, leaf

LOGS = {ORIGIN: frozenset((LOG_KEY,))}
HONEST = HostedLog([leaf(number) for number in range(20)])
FORKED = HostedLog([*map(leaf, range(9)), leaf(9, "refusal"), *map(leaf, range(10, 20))])


def written(folder: Path, *signed: SignedHead) -> list[Path]:
    """A file for each."""
    paths = [folder / f"{number}.txt" for number in range(len(signed))]
    for path, each in zip(paths, signed, strict=True):
        path.write_text(each.note, encoding="utf-8")
    return paths


def proof(folder: Path, former: int, size: int, by: HostedLog) -> Path:
    path = folder / f"{former}-{size}.json"
    hashes = [each.hex() for each in by.proof(former, size)]
    path.write_text(json.dumps(to_builtins(Consistency(former, size, hashes))), encoding="utf-8")
    return path


def test_heads_of_one_size_agree_or_contradict(tmp_path: Path) -> None:
    paths = written(tmp_path, HONEST.signed(15), HONEST.signed(15), FORKED.signed(15), FORKED.signed(5))
    found = compared(paths, LOGS, {})
    assert [each.verdict for each in found] == [Agreement.UNKNOWN, Agreement.AGREE, Agreement.CONTRADICT]
    assert [each.sizes for each in found] == [(5, 15), (15, 15), (15, 15)]
    assert (found[0].one, found[-1].other) == (str(paths[3]), str(paths[2]))


@pytest.mark.parametrize(
    ("larger", "proof_by", "verdict"),
    [
        (HONEST, HONEST, Agreement.AGREE),
        (FORKED, HONEST, Agreement.UNKNOWN),
        (FORKED, FORKED, Agreement.UNKNOWN),
        (HONEST, None, Agreement.UNKNOWN),
    ],
)
def test_of_different_sizes_a_proof_tells(
    tmp_path: Path, larger: HostedLog, proof_by: HostedLog | None, verdict: Agreement
) -> None:
    proofs = read_proofs([] if proof_by is None else [proof(tmp_path, 15, 20, proof_by)])
    (found,) = compared(written(tmp_path, HONEST.signed(15), larger.signed(20)), LOGS, proofs)
    assert found.verdict is verdict


def test_a_head_comes_as_a_checkpoint_as_json_or_in_a_receipt(tmp_path: Path) -> None:
    signed = HONEST.signed(7)
    for content in (signed.note, json.dumps({"size": 7, "checkpoint": signed.note, "leaf": "{}"})):
        (tmp_path / "head").write_text(content, encoding="utf-8")
        assert read_head(tmp_path / "head") == signed


UNREADABLE: dict[str, tuple[bytes, str]] = {
    "no head": (b"hello", "no receipt and no checkpoint"),
    "no text": (b"\xff", "no receipt and no checkpoint"),
    "another document": (b"{}", "no receipt and no checkpoint"),
    "signed by nobody": (
        SignedHead(HONEST.signed(5).head, (log_line(ORIGIN, LOG_KEY, bytes(64)),)).note.encode(),
        "signed by no key that you name",
    ),
    "of another log": (HONEST.signed(5).note.replace(ORIGIN, "somebody.else").encode(), "signed by no key"),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_what_shows_nothing_is_compared_with_nothing(tmp_path: Path, what: str) -> None:
    content, says = UNREADABLE[what]
    (tmp_path / "head").write_bytes(content)
    with pytest.raises(HeadUnreadable, match=says):
        compared([*written(tmp_path, HONEST.signed(5)), tmp_path / "head"], LOGS, {})
    with pytest.raises(HeadUnreadable, match="no proof of consistency"):
        read_proofs([tmp_path / "head"])
    with pytest.raises(HeadUnreadable, match="No such file"):
        read_head(tmp_path / "nowhere")
    with pytest.raises(HeadUnreadable, match="agrees with itself"):
        compared(written(tmp_path, HONEST.signed(5)), LOGS, {})


@pytest.mark.parametrize(("log", "status"), [(HONEST, 0), (FORKED, 1)])
def test_the_exit_status_says_whether_all_agree(tmp_path: Path, log: HostedLog, status: int) -> None:
    paths = [str(each) for each in written(tmp_path, HONEST.signed(15), log.signed(15))]
    done = CliRunner().invoke(app, ["compare", *paths, "--log", f"{ORIGIN}={LOG_KEY.hex()}", "--json"])
    found: dict[str, Any] = json.loads(done.stdout)
    assert (done.exit_code, found["agree"]) == (status, status == 0)


def test_what_is_found_later_overwrites_no_evidence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other, third = HONEST.signed(5).note, FORKED.signed(12).note, HONEST.signed(20).note
    keep_evidence([], tmp_path / "evidence")
    assert not (tmp_path / "evidence").exists()
    for notes in ((one, other), (one, third)):
        keep_evidence(notes, tmp_path / "evidence")
    kept = {each.read_text(encoding="utf-8") for each in (tmp_path / "evidence").iterdir()}
    assert kept == {one, other, third}
    monkeypatch.setattr(heads, "EVIDENCE_FILES_MAX", 3)
    keep_evidence([HONEST.signed(6).note], tmp_path / "evidence")
    assert len(list((tmp_path / "evidence").iterdir())) == 3, "it does not fill the disk"
