"""Ports that several processes pick at the same time, before anything listens on them."""

import subprocess
import sys

import pytest

from nsl.cli.up import process
from nsl.cli.up.errors import NotReady

# Where nothing else picks any.
FIRST, LAST = 18_000, 18_040
PICK = f"""
from nsl.cli.up import process
process._PORT_MIN, process._PORT_MAX = {FIRST}, {LAST}
print(process.free_port(), flush=True)
input()
"""


def take_all() -> set[int]:
    """Those that are left."""
    found: set[int] = set()
    try:
        while True:
            found.add(process.free_port())
    except NotReady:
        return found


def test_a_port_is_given_to_one_process_while_that_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_PORT_MIN", FIRST)
    monkeypatch.setattr(process, "_PORT_MAX", LAST)
    ours = {process.free_port() for _ in range(20)}
    assert len(ours) == 20, "none twice"
    command = [sys.executable, "-c", PICK]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        theirs = int(other.stdout.readline())
        left = take_all()
        assert theirs not in ours | left
        assert not ours & left
        other.stdin.close()
    assert take_all() == {theirs}, "it ended"
