"""What every enclave program stands on: time, the file of two slots, locked memory."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsl_enclave.kernel.budget import Budget
from nsl_enclave.kernel.clock import DRIFT_MAX, STEP_SECONDS_MAX, EnclaveTime
from nsl_enclave.kernel.memory import LockedSecret
from nsl_enclave.kernel.slots import CONTENT_BYTES_MAX, SLOT_BYTES, SlotFile

DAY = 86_400.0
START = 1_800_000_000.0

# Time ---------------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.floats(-2 * DAY, 2 * DAY), st.floats(-10, 3600)), max_size=30))
def test_time_never_runs_backward_and_never_ahead_of_what_passed(steps: list[tuple[float, float]]) -> None:
    time, before, elapsed, passed = EnclaveTime(START, 0.0), START, 0.0, 0.0
    for astray, more in steps:
        elapsed += more
        passed = max(passed, elapsed)
        found = time.at(START + elapsed + astray, elapsed)
        assert found >= before
        assert found <= START + passed * (1 + DRIFT_MAX) + STEP_SECONDS_MAX + 1e-3
        before = found


@pytest.mark.parametrize("astray", [-DAY, DAY])
def test_a_host_clock_a_day_off_neither_opens_nor_closes_anything(astray: float) -> None:
    time = EnclaveTime(START, 0.0)
    assert time.at(START + 100 + astray, 100.0) == START + 100


def test_small_corrections_are_followed_for_years() -> None:
    time = EnclaveTime(START, 0.0)
    for hour in range(1, 20_000):
        host = START + hour * 3600 * (1 + DRIFT_MAX / 2)
        assert abs(time.at(host, hour * 3600.0) - host) < STEP_SECONDS_MAX


def test_a_restart_begins_at_what_was_seen_before_and_a_peer_may_be_ahead() -> None:
    time = EnclaveTime(START - DAY, 0.0, floor=START)
    assert time.at(START - DAY, 1.0) == START + 1
    time.agree(START + 50)
    assert time.at(START - DAY, 2.0) == START + 51
    time.agree(START)
    assert time.at(START - DAY, 3.0) == START + 52


# The budget of strangers --------------------------------------------------------------------------------------------


@given(st.lists(st.floats(-1, 5), max_size=200))
def test_a_budget_is_never_overdrawn(steps: list[float]) -> None:
    budget, now, latest, taken = Budget(10, 20, 0.0), 0.0, 0.0, 0
    for step in steps:
        now += step
        latest = max(latest, now)
        taken += budget.take(now)
        assert taken <= 20 + latest * 10 + 1e-6


def test_a_budget_fills_again() -> None:
    budget = Budget(10, 2, 0.0)
    assert [budget.take(0.0) for _ in range(3)] == [True, True, False]
    assert [budget.take(0.1), budget.take(0.1)] == [True, False]


# Slots --------------------------------------------------------------------------------------------------------------


def test_what_was_written_last_is_there_again(tmp_path: Path) -> None:
    file = SlotFile(tmp_path / "f")
    assert (file.content, file.damaged) == (None, False)
    for content in (b"one", b"two" * 1000, b""):
        file.write(content)
        assert SlotFile(tmp_path / "f").content == file.content == content
    assert (tmp_path / "f").stat().st_mode & 0o077 == 0
    with pytest.raises(ValueError, match="do not fit"):
        file.write(bytes(CONTENT_BYTES_MAX + 1))


@pytest.mark.parametrize("writes", [1, 2, 3])
def test_a_crash_in_the_middle_of_a_write_leaves_what_was_there(tmp_path: Path, writes: int) -> None:
    """Cut the last write at every place: what is found is the old or the new, and whole."""
    path, contents = tmp_path / "f", [bytes([number]) * 100 for number in range(writes + 1)]
    file = SlotFile(path)
    for content in contents[:-1]:
        file.write(content)
    before = path.read_bytes()
    file.write(contents[-1])
    after = path.read_bytes()
    place = (writes + 1) % 2 * SLOT_BYTES
    for cut in range(0, 160, 3):
        torn = after[: place + cut].ljust(place + cut, b"\0") + before[place + cut :]
        path.write_bytes(torn)
        assert SlotFile(path).content in (contents[-2], contents[-1])


def test_a_file_that_is_no_slot_file_is_damaged_and_not_empty(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(os.urandom(2 * SLOT_BYTES))
    file = SlotFile(tmp_path / "f")
    assert (file.content, file.damaged) == (None, True)


# Memory -------------------------------------------------------------------------------------------------------------


def test_a_secret_is_locked_kept_out_of_dumps_and_wiped() -> None:
    secret = LockedSecret(b"s" * 32)
    assert secret.reveal() == b"s" * 32
    address = secret.address
    flags = _flags_of(address)
    assert "dd" in flags, "MADV_DONTDUMP"
    assert secret.locked == ("lo" in flags)
    secret.wipe()
    assert secret.reveal() == bytes(32)


def _flags_of(address: int) -> list[str]:
    """Of the mapping that holds the address: ``VmFlags`` of proc(5)."""
    inside = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        first = line.split()[0]
        if "-" in first and not first.endswith(":"):
            low, high = (int(part, 16) for part in first.split("-"))
            inside = low <= address < high
        elif inside and first == "VmFlags:":
            return line.split()[1:]
    raise AssertionError("the mapping is not there")
