"""`nsl policy`: policies are checked and tested without a layer."""

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from nsl.cli.app import app
from tests.service.keys.test_policy import FRIEND, POLICY, STRANGER, transaction

PUBLIC_KEY = "02" + "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"


def case(name: str, request: dict[str, Any], expect: str) -> dict[str, Any]:
    return {
        "name": name, "kind": request["kind"], "payload": request["payload"]["hex"], "network": request["network"],
        "public_key": PUBLIC_KEY, "at": "2026-03-04T12:00:00Z", "expect": expect,
    }  # fmt: skip


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["policy", *arguments])


def test_cases_come_out_as_in_the_enclave(tmp_path: Path) -> None:
    (tmp_path / "policy.json").write_text(json.dumps(POLICY))
    good = [
        case("pay a friend", transaction(FRIEND, 10), "allow"),
        case("pay a stranger", transaction(STRANGER, 10), "NOT_ALLOWED_BY_ANY_RULE"),
    ]
    (tmp_path / "cases.json").write_text(json.dumps(good))
    found = run("test", str(tmp_path / "policy.json"), str(tmp_path / "cases.json"), "--json")
    assert found.exit_code == 0, found.output
    assert json.loads(found.stdout)["as_expected"] == 2
    wrong = [case("pay a stranger", transaction(STRANGER, 10), "allow")]
    (tmp_path / "cases.json").write_text(json.dumps(wrong))
    found = run("test", str(tmp_path / "policy.json"), str(tmp_path / "cases.json"))
    assert found.exit_code == 1
    assert "No rule allows" in found.stdout


def test_what_is_no_policy_or_no_case_says_so(tmp_path: Path) -> None:
    (tmp_path / "policy.json").write_text('{"rules": [{"allow": "transfer"}]}')
    found = run("check", str(tmp_path / "policy.json"))
    assert found.exit_code == 1
    assert "name" in found.stderr
    (tmp_path / "policy.json").write_text(json.dumps(POLICY))
    found = run("check", str(tmp_path / "policy.json"), "--json")
    assert json.loads(found.stdout)["rules"] == ["payout"]
    (tmp_path / "cases.json").write_text(json.dumps([case("x", transaction(FRIEND, 1), "allow") | {"payload": "02"}]))
    found = run("test", str(tmp_path / "policy.json"), str(tmp_path / "cases.json"))
    assert found.exit_code == 1
    assert "x:" in found.stderr
