"""The table of clauses and the tests that show them: docs/reference/conformance.md."""

import importlib
from pathlib import Path

from tests.conformance.clauses import SHOWN, Clause

HERE = Path(__file__).parent
GOLDEN = Path(__file__).parents[2] / "docs" / "reference" / "conformance.md"
#: where each document is
DOCUMENTS = {
    "OpenID Core": "https://openid.net/specs/openid-connect-core-1_0.html",
    "OpenID Discovery": "https://openid.net/specs/openid-connect-discovery-1_0.html",
    "RP-Initiated Logout": "https://openid.net/specs/openid-connect-rpinitiated-1_0.html",
    "Back-Channel Logout": "https://openid.net/specs/openid-connect-backchannel-1_0.html",
}
_HEAD = """# Conformance of the OpenID provider

What the documents ask for, and the test that shows it by a real HTTP request and its answer (`tests/conformance`).
Sentences are in our words. Written by `make golden`.
"""


def _order(clause: Clause) -> tuple[object, ...]:
    numbers = tuple(int(each) for each in clause.section.split("."))
    return clause.document.startswith("RFC"), clause.document.removeprefix("RFC ").zfill(30), numbers, clause.sentence


def table() -> str:
    """The document, from the marks of every test module here."""
    for path in sorted(HERE.glob("test_*.py")):
        importlib.import_module(f"{__package__}.{path.stem}")
    lines, document = [_HEAD], ""
    for clause in sorted(SHOWN, key=_order):
        if clause.document != document:
            document = clause.document
            number = document.removeprefix("RFC ")
            url = DOCUMENTS.get(document, f"https://www.rfc-editor.org/rfc/rfc{number}")
            lines += [f"\n## [{document}]({url})\n", "| Section | What it asks for | Shown by |", "| --- | --- | --- |"]
        tests = ", ".join(f"`{test}`" for test in sorted(SHOWN[clause]))
        lines.append(f"| {clause.section} | {clause.sentence} | {tests} |")
    return "\n".join(lines).replace("\n\n\n", "\n\n") + "\n"


def regenerate() -> None:
    GOLDEN.write_text(table(), encoding="utf-8")
