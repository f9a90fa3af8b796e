"""What every benchmark reports, in one shape.

A ratio is ours divided by the peer's, both measured in the same call, in turns, as medians over rounds: machines
differ by half and more from day to day, ratios do not.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One measured number. ``goal`` reads like ``>= 300`` or ``<= 1.0 x peer``; without a goal it only informs."""

    name: str
    value: float
    unit: str
    goal: str | None = None
    met: bool | None = None
    peer: str | None = None
    peer_value: float | None = None

    @property
    def ratio(self) -> float | None:
        """Ours over the peer's."""
        return None if self.peer_value is None else self.value / self.peer_value

    def row(self) -> dict[str, object]:
        """The figure as ``--json`` prints it."""
        row: dict[str, object] = {"name": self.name, "value": round(self.value, 4), "unit": self.unit}
        row |= {"goal": self.goal, "met": self.met}
        if self.peer is not None and self.peer_value is not None and self.ratio is not None:
            row |= {"peer": self.peer, "peer_value": round(self.peer_value, 4), "ratio": round(self.ratio, 4)}
        return row


def say(text: str) -> None:
    """Progress, on standard error."""
    print(text, file=sys.stderr, flush=True)


def wants_json(description: str) -> bool:
    """Parse the one flag that every benchmark has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    return bool(parser.parse_args().json)


def report(bench: str, figures: Sequence[Figure], *, as_json: bool) -> int:
    """Print the figures; the exit status is 0 when every goal is met."""
    if as_json:
        print(json.dumps({"bench": bench, "figures": [figure.row() for figure in figures]}), flush=True)
    else:
        for figure in figures:
            goal = f"  goal {figure.goal}: {'met' if figure.met else 'NOT met'}" if figure.goal else ""
            peer = f"  ({figure.ratio:.2f} x {figure.peer})" if figure.ratio is not None else ""
            print(f"{figure.name:36} {figure.value:12,.2f} {figure.unit}{peer}{goal}", flush=True)
    return 0 if all(figure.met is not False for figure in figures) else 1
