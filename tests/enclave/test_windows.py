"""What a policy allows over time, over three replicas: never more, and not less than it need be."""

from pathlib import Path

import pytest

from nsl_protocol.enclave.messages import Refused, Signature
from tests.enclave.host import founded, shown
from tests.enclave.replica import Founders
from tests.enclave.windows_host import LIMIT, SECONDS, Adversary, Clocks, WindowsHost

STEPS = 60


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    return Clocks(monkeypatch)


@pytest.fixture
def counting(clocks: Clocks, founders: Founders, tmp_path: Path) -> WindowsHost:
    """Three members with leases."""
    made = founded(founders, tmp_path)
    return WindowsHost(*made.replicas, store=made.store)


def signatures(results: list[Signature | Refused]) -> int:
    return sum(isinstance(each, Signature) for each in results)


def test_the_whole_limit_can_be_used_from_any_replica_and_no_more(counting: WindowsHost, clocks: Clocks) -> None:
    wrapped = counting.make_counted_key()
    made = [signatures(counting.sign_at(replica, wrapped, 5)) for replica in counting.replicas]
    assert made == [5, 5, 5]
    results = counting.sign_at(counting.replicas[0], wrapped, 9)
    assert signatures(results) == LIMIT - 15, "what the others had in advance was given back"
    refused = results[-1]
    assert isinstance(refused, Refused)
    assert refused.code == "WINDOW_EXCEEDED"
    assert "0 signatures is left" in refused.reason
    assert "there is more in" in refused.reason
    assert refused.leaf is not None
    clocks.elapsed += 2 * SECONDS
    assert signatures(counting.sign_at(counting.replicas[1], wrapped, 25)) == LIMIT


def test_what_a_lost_replica_had_counts_as_spent_until_its_window_has_passed(
    counting: WindowsHost, clocks: Clocks
) -> None:
    wrapped = counting.make_counted_key()
    assert signatures(counting.sign_at(counting.replicas[0], wrapped, 1)) == 1
    counting.silent = {counting.replicas[0]}
    results = counting.sign_at(counting.replicas[1], wrapped, LIMIT)
    assert signatures(results) == LIMIT - LIMIT // 4
    left_out = results[-1]
    assert isinstance(left_out, Refused)
    assert left_out.code == "WINDOW_LEASE_NEEDED", "somebody may have it"
    assert left_out.leaf is None
    clocks.elapsed += 2 * SECONDS
    assert signatures(counting.sign_at(counting.replicas[1], wrapped, LIMIT)) == LIMIT


@pytest.mark.parametrize("seed", range(30))
def test_no_window_has_ever_more_than_its_limit(
    counting: WindowsHost, clocks: Clocks, founders: Founders, tmp_path: Path, seed: int
) -> None:
    adversary = Adversary(counting, clocks, founders, tmp_path, seed)
    for _ in range(STEPS):
        adversary.step()
    if adversary.splits:
        return
    # Then nobody misbehaves, and what was lost has counted long enough.
    counting.silent = set()
    clocks.elapsed += 2 * SECONDS
    counting.attend()
    leased = [each for each in counting.replicas if shown(each).lease_seconds]
    assert len(leased) == 3
    made = sum(signatures(counting.sign_at(replica, adversary.wrapped, 7)) for replica in 2 * leased)
    assert made == LIMIT
