"""The hand-written reference pages leave nothing out and name nothing that is not there."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer

from nsl.cli.app import app
from nsl_client import Client, addresses, calls, compliance, signing
from tests.docs.test_alerts import error_codes, source_metrics

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
SOURCES = ROOT / "packages" / "service" / "src"
CLI_ONLY_CODES = {"STATE_IN_USE", "STATE_DAMAGED", "NOT_READY", "PROGRAM_MISSING", "DEVNET_ONLY"}
GENERIC_CODES = {
    "FAILURE",
    "UNAVAILABLE",
    "CONFLICT",
    "DENIED",
    "UNPROCESSABLE",
    "LOCKED",
    "EXHAUSTED",
    "UNAUTHENTICATED",
}
INTERNAL_CODES = {
    "CHAIN_REPLACED",
    "ILLEGAL_TRANSITION",
    "MIGRATION_CHANGED",
    "MIGRATION_REFUSED",
    "BAD_SETTING",
    "TOKEN_REFUSED",
    "SIGNING_REFUSED",
    "AUTHORIZATION_REFUSED",
}


def read(name: str) -> str:
    return (REFERENCE / name).read_text(encoding="utf-8")


def commands() -> dict[str, Any]:
    found: dict[str, Any] = {}
    group: Any = typer.main.get_command(app)
    for name, command in group.commands.items():
        inner = getattr(command, "commands", None)
        found |= {f"{name} {each}": it for each, it in inner.items()} if inner else {name: command}
    return found


def test_every_setting_is_there() -> None:
    sources = " ".join(path.read_text(encoding="utf-8") for path in (SOURCES / "nsl").rglob("*.py"))
    settings = (SOURCES / "nsl" / "settings.py").read_text(encoding="utf-8")
    written = set(re.findall(r"`(NSL_\w+)`", read("settings.md")))
    read_by_code = set(re.findall(r'"(NSL_\w+)"', settings)) - {"NSL_N3", "NSL_NEOX"}
    assert read_by_code | {
        f"{chain}_{name}" for chain in ("NSL_N3", "NSL_NEOX") for name in ("NETWORK", "RPC_URLS")
    } <= (written)
    assert {name for name in written if name not in sources} <= {"NSL_N3_RPC_URLS", "NSL_NEOX_RPC_URLS"}


def test_every_metric_is_there() -> None:
    written = set(re.findall(r"^\| `(nsl_[a-z_]+)`", read("settings.md"), re.MULTILINE))
    assert written == {name for name in source_metrics() if not re.search(r"seconds_(bucket|count|sum)$", name)}


def test_every_code_is_there() -> None:
    written = set(re.findall(r"^\| `([A-Z][A-Z_]+)` \|", read("errors.md"), re.MULTILINE))
    assert error_codes() - GENERIC_CODES - INTERNAL_CODES - CLI_ONLY_CODES <= written


@pytest.mark.parametrize("name", commands())
def test_every_command_is_there_with_its_options(name: str) -> None:
    page = read("cli.md")
    assert f"`nsl {name}`" in page
    section = page.split(f"`nsl {name}`", 1)[1].split("\n## ")[0]
    for parameter in commands()[name].params:
        if parameter.param_type_name == "option" and parameter.name not in ("as_json", "credentials", "help"):
            assert parameter.opts[-1] in section, parameter.opts


def test_every_method_of_the_sdk_is_there() -> None:
    page = read("sdk.md")
    client = Client("http://127.0.0.1", "id", "secret")
    with client:
        for group in ("tenants", "clients", "keys", "ledger", "transactions"):
            for method in vars(type(getattr(client, group))):
                assert method.startswith("_") or f"`{group}.{method}`" in page
    for call in re.findall(r"`((?:create|list|get|set)_\w+|sign|sign_batch)`", page):
        assert any(hasattr(module, call) for module in (addresses, calls, compliance, signing))
