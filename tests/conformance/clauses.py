"""Which sentence of which document a test shows. ``golden_table`` makes the table of docs/reference/conformance.md."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Clause:
    """``sentence``: what the document asks for, in our words or its own."""

    document: str
    section: str
    sentence: str


#: every clause with the tests that show it, as ``module::function``
SHOWN: dict[Clause, set[str]] = {}


def clause[F: Callable[..., object]](document: str, section: str, sentence: str) -> Callable[[F], F]:
    """Mark a test with the clause that it shows."""

    def mark(test: F) -> F:
        place = f"{test.__module__.rpartition('.')[2]}::{test.__name__}"
        SHOWN.setdefault(Clause(document, section, sentence), set()).add(place)
        return test

    return mark
