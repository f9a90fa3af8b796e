"""Every link between our own documents leads somewhere, and the ADRs are numbered without a gap."""

import re
from pathlib import Path

import pytest

from tests.house.tree import ROOT, tracked

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+\s+(.*)$", re.MULTILINE)
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


@pytest.mark.parametrize("document", tracked("*.md"), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_resolve(document: Path) -> None:
    text = FENCE.sub("", document.read_text(encoding="utf-8"))
    for target in LINK.findall(text):
        if re.match(r"[a-z]+:", target):
            continue
        place, _, anchor = target.partition("#")
        destination = (document.parent / place).resolve() if place else document
        assert destination.exists(), f"{document.name}: {target} leads nowhere"
        if anchor and destination.suffix == ".md":
            anchors = {_anchor(heading) for heading in HEADING.findall(destination.read_text(encoding="utf-8"))}
            assert anchor in anchors, f"{document.name}: {target}: no such heading"


def test_decisions_are_numbered_without_a_gap() -> None:
    numbers = [int(path.name[:4]) for path in sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))]
    assert numbers == list(range(1, len(numbers) + 1))
