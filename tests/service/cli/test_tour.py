"""The tour: what it prints, what it counts as a success, and that it succeeds from nothing."""

import json
import subprocess
from decimal import Decimal
from pathlib import Path

import pytest

from nsl.cli.up.tour import Claim, TourResult, Transfer
from tests.support.live import NSL

FIELDS = [
    "chain", "kind", "asset", "amount", "from", "to", "hash", "block_height", "fee", "state", "seconds",
    "receipt",
]  # fmt: skip
DONE = Transfer("neo-n3", "transfer", "NEO", "7", "Nfrom", "Nto", "0xabc", 12, "0.1", "confirmed", 1.25)


def test_the_document_is_what_programs_rely_on() -> None:
    document = TourResult(3.21987, [DONE], [Claim("Nfrom", "0.5", "0xabc")], []).document()
    assert document["ok"] is True
    assert document["ready_seconds"] == 3.22
    assert list(document["transfers"][0]) == FIELDS
    assert document["transfers"][0]["from"] == "Nfrom"
    assert document["claims"] == [{"account": "Nfrom", "amount": "0.5", "hash": "0xabc"}]


def test_a_problem_is_told_and_is_no_success(capsys: pytest.CaptureFixture[str]) -> None:
    result = TourResult(1.0, [DONE], [], ["Nto holds [6], and should hold 7"], {"neo-x": "It needs Node.js."})
    assert result.ok is False
    assert result.document()["left_out"] == {"neo-x": "It needs Node.js."}
    result.print()
    shown = capsys.readouterr().out
    assert "Nto holds [6], and should hold 7" in shown
    assert "left out: neo-x" in shown
    assert "0xabc" in shown


def test_from_nothing_to_confirmed_transfers_on_every_chain(tmp_path: Path) -> None:
    command = [NSL, "up", "--tour", "--exit", "--json", "--port", "0", "--state", str(tmp_path / "state")]
    done = subprocess.run(
        [*command, "--n3-block-time", "200", "--neox-block-time", "200"],
        check=False, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    first, last = (json.loads(done.stdout.splitlines()[n]) for n in (0, -1))
    assert first["ready"] is True
    assert last["ok"] is True
    assert last["problems"] == []
    made = [(each["chain"], each["asset"]) for each in last["transfers"]]
    assert made[:2] == [("neo-n3", "GAS"), ("neo-n3", "NEO")]
    assert ("neo-x", "GAS") in made or "neo-x" in last["left_out"]
    assert last["anchor"].startswith("0x")
    for each in last["transfers"]:
        assert list(each) == FIELDS
        assert (each["state"], each["receipt"]) == ("confirmed", "verified")
        assert Decimal(each["fee"]) > 0
        assert each["block_height"] > 0
    assert [claim["account"] for claim in last["claims"]] == [last["transfers"][1]["from"]]
