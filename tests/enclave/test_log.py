"""What the enclave appends to the log, by the rules alone: no leaf twice, whatever a host says to be lost."""

import hmac

import pytest

from nsl_enclave.kernel.errors import Refusal
from nsl_enclave.kme.log import RUNS_KEPT, LogState, appended
from nsl_protocol.audit.leaves import EnclaveLeaf, encode_leaf
from nsl_protocol.enclave.log import Lost, ToAppend

HOUR_MS = 3_600_000


class Macs:
    """Of one cluster."""

    def holds(self, content: bytes, mac: bytes) -> bool:
        return hmac.compare_digest(mac, hmac.digest(b"k", content, "sha256"))


def run(number: int) -> bytes:
    return number.to_bytes(16)


def leaf(of: int, number: int, unix_ms: int | None = None) -> ToAppend:
    """Of a run that began in the hour of its number."""
    at = HOUR_MS * of + number if unix_ms is None else unix_ms
    content = encode_leaf(EnclaveLeaf(run(of).hex(), number, at, "signature"))
    return ToAppend(content, hmac.digest(b"k", content, "sha256"))


def add(state: LogState, *items: ToAppend | Lost) -> LogState:
    return appended(state, items, Macs(), HOUR_MS * 1000)[0]  # type: ignore[arg-type]  # all that is asked of it


def refusal(state: LogState, *items: ToAppend | Lost) -> str:
    with pytest.raises(Refusal) as caught:
        add(state, *items)
    return caught.value.code


@pytest.fixture(scope="module")
def many() -> LogState:
    """After so many runs that the first is no longer kept: each had three leaves."""
    state = LogState()
    for number in range(RUNS_KEPT + 1):
        state = add(state, *(leaf(number, each) for each in range(3)))
    assert run(0) not in state.runs
    return state


def test_a_run_that_is_not_kept_any_more_comes_not_again(many: LogState) -> None:
    for number in range(3):
        assert refusal(many, leaf(0, number)) == "LEAF_REPEATED"


def test_nor_does_it_when_the_host_says_that_its_beginning_is_lost(many: LogState) -> None:
    """A host that could have it begin anew would append the rest of it a second time."""
    assert refusal(many, Lost(run(0), 0), leaf(0, 1)) == "LEAF_REPEATED"
    smeared = add(many, Lost(run(0), 1))
    assert refusal(smeared, leaf(0, 2)) == "LEAF_REPEATED"


def test_a_run_of_later_whose_beginning_is_lost_goes_on(many: LogState) -> None:
    later = RUNS_KEPT + 5
    state = add(many, Lost(run(later), 1), leaf(later, 2), leaf(later, 3))
    assert state.runs[run(later)].following == 4


def test_leaves_of_one_moment_go_on(many: LogState) -> None:
    """Also those of the moment in which the oldest run ended that is no longer kept."""
    state = add(LogState(), leaf(1, 0, 500), leaf(2, 0, 500))
    for number in range(3, RUNS_KEPT + 2):
        state = add(state, leaf(number, 0, HOUR_MS))
    kept = next(of for of in (1, 2) if run(of) in state.runs)
    assert state.forgotten_unix_ms == 501
    assert add(state, leaf(kept, 1, 500)).runs[run(kept)].following == 2
