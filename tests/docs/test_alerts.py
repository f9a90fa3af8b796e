"""The alerts are well formed, ask for metrics that exist, and each says what to do."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FILE = ROOT / "deploy" / "observability" / "prometheus" / "alerts.yml"
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(FILE.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]
]
RUNBOOKS = ROOT / "docs" / "runbooks"
DEFINED = re.compile(r'(Counter|Gauge|Histogram)\(\s*"(nsl_\w+)"')
SECTIONS = ["## What it means", "## Look", "## Act"]


def source_metrics() -> set[str]:
    """What the service defines, as Prometheus names it."""
    found: set[str] = set()
    for path in (ROOT / "packages" / "service" / "src").rglob("*.py"):
        for kind, name in DEFINED.findall(path.read_text(encoding="utf-8")):
            found.add(name)
            if kind == "Histogram":
                found |= {f"{name}_bucket", f"{name}_count", f"{name}_sum"}
    return found


def error_codes() -> set[str]:
    """Every code that the service's failures carry."""
    sources = (path.read_text(encoding="utf-8") for path in (ROOT / "packages" / "service" / "src").rglob("*.py"))
    return {code for text in sources for code in re.findall(r'^    code = "(\w+)"', text, re.MULTILINE)}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
class TestAlert:
    def test_it_is_well_formed(self, rule: dict[str, Any]) -> None:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert re.fullmatch(r"[A-Z][A-Za-z]+", rule["alert"])
        assert re.fullmatch(r"\d+[smh]", rule.get("for", "1m"))
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert rule["annotations"]["summary"]
        for opening, closing in ("()", "{}", "[]"):
            assert rule["expr"].count(opening) == rule["expr"].count(closing)

    def test_its_metrics_and_codes_exist(self, rule: dict[str, Any]) -> None:
        unquoted = re.sub(r'"[^"]*"', '""', rule["expr"])
        assert set(re.findall(r"\bnsl_\w+", unquoted)) <= source_metrics()
        codes = re.findall(r'code[!=]?[=~]"([^"]+)"', rule["expr"])
        assert {code for each in codes for code in each.split("|")} <= error_codes()

    def test_its_runbook_exists_and_says_what_to_do(self, rule: dict[str, Any]) -> None:
        name = re.sub(r"(?<!^)(?=[A-Z])", "-", rule["alert"]).lower()
        assert rule["annotations"]["runbook"] == f"docs/runbooks/{name}.md"
        text = (RUNBOOKS / f"{name}.md").read_text(encoding="utf-8")
        assert text.startswith(f"# {rule['alert']}\n")
        assert re.findall(r"^## .*$", text, re.MULTILINE) == SECTIONS
        assert f"({name}.md)" in (RUNBOOKS / "index.md").read_text(encoding="utf-8")


def test_names_are_unique_and_no_runbook_is_left_over() -> None:
    names = {Path(rule["annotations"]["runbook"]).name for rule in RULES}
    assert len(names) == len(RULES)
    assert {path.name for path in RUNBOOKS.glob("*.md")} == names | {"index.md"}
