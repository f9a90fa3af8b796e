"""The life of a transaction, pure: what the table allows, what it refuses, and where every path can end."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsl.ledger.model import GAS_N3, ChainName
from nsl.transactions.errors import IllegalTransition
from nsl.transactions.model import (
    FINAL,
    TRANSITIONS,
    Event,
    Failed,
    Kind,
    Mined,
    Overdue,
    Prepared,
    Rejected,
    Sent,
    Signed,
    State,
    Transaction,
    Unmined,
    public_history,
    transition,
)

AT = datetime(2026, 1, 1, tzinfo=UTC)
FAILURE = Failed("EXECUTION_FAULT", "it faulted")
NEW = Transaction(
    id=UUID(int=1),
    tenant=UUID(int=2),
    chain=ChainName.NEO_N3,
    kind=Kind.TRANSFER,
    state=State.ACCEPTED,
    from_key=UUID(int=3),
    key_version=1,
    sender="sender",
    asset=GAS_N3,
    to="recipient",
    amount=5,
    valid_for_seconds=900,
    created_at=AT,
    updated_at=AT,
)
EVENTS: tuple[Event, ...] = (
    Prepared(7, b"unsigned", 10, 100),
    Signed(b"raw", "0xhash"),
    Sent(taken=True),
    Sent(taken=False),
    Sent(taken=False, nonce_used_height=9),
    Rejected(FAILURE),
    Mined(50, 8, None),
    Mined(50, 8, FAILURE),
    Unmined(),
    Overdue(),
)


def _walk(events: list[Event]) -> list[Transaction]:
    """The transactions that a sequence of events makes; those that the table refuses are left out."""
    passed = [NEW]
    for number, event in enumerate(events):
        present = passed[-1]
        known = (present.state, type(event)) in TRANSITIONS
        if known and not (isinstance(event, Unmined) and present.block_height is None):
            passed.append(transition(present, event, AT + timedelta(seconds=number)))
    return passed


@given(st.lists(st.sampled_from(EVENTS), max_size=30))
def test_bytes_once_made_never_change_and_money_facts_never_move(events: list[Event]) -> None:
    passed = _walk(events)
    for before, after in pairwise(passed):
        assert (after.amount, after.to, after.sender, after.asset) == (
            before.amount,
            before.to,
            before.sender,
            before.asset,
        )
        assert before.unsigned in (None, after.unsigned)
        assert before.raw in (None, after.raw)
        assert before.hash in (None, after.hash)
        assert (after.state is State.FAILED) == (after.failure is not None)


@given(st.lists(st.sampled_from(EVENTS), max_size=30))
def test_nothing_is_sent_that_was_not_signed_and_nothing_signed_that_was_not_prepared(events: list[Event]) -> None:
    for each in _walk(events):
        if each.state in (State.SIGNED, State.SUBMITTED, State.CONFIRMED):
            assert each.raw is not None
        if each.raw is not None:
            assert each.unsigned is not None
        if each.next_send_at is not None:
            assert each.state in (State.SIGNED, State.SUBMITTED)
            assert each.raw is not None


def test_every_state_has_a_way_to_an_end() -> None:
    ends = set(FINAL)
    grown = True
    while grown:
        more = {state for (state, _), following in TRANSITIONS.items() if following in ends} - ends
        ends, grown = ends | more, bool(more)
    assert ends == set(State) - {State.REVERTED}


@pytest.mark.parametrize("state", [state for state in State if state is not State.REVERTED])
@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_what_the_table_does_not_name_is_refused(state: State, event: Event) -> None:
    present = replace(NEW, state=state, block_height=50)
    if (state, type(event)) in TRANSITIONS:
        assert transition(present, event, AT).state in State
        return
    with pytest.raises(IllegalTransition):
        transition(present, event, AT)


def test_a_failure_before_any_block_cannot_be_taken_back() -> None:
    failed = transition(NEW, Rejected(FAILURE), AT)
    with pytest.raises(IllegalTransition, match="never mined"):
        transition(failed, Unmined(), AT)


def test_the_same_bytes_are_sent_ever_more_slowly() -> None:
    present = replace(NEW, state=State.SIGNED, unsigned=b"u", raw=b"r", hash="0x")
    waits = []
    for _ in range(8):
        present = transition(present, Sent(taken=True), AT)
        assert present.next_send_at is not None
        waits.append((present.next_send_at - AT).total_seconds())
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (5, 60)


def test_a_used_nonce_counts_from_its_first_answer_and_only_while_no_other_answer_comes() -> None:
    present = replace(NEW, state=State.SUBMITTED, unsigned=b"u", raw=b"r", hash="0x")
    heights = []
    for event in (9, 11, None, 12):
        present = transition(present, Sent(taken=False, nonce_used_height=event), AT)
        heights.append(present.nonce_used_height)
    assert heights == [9, 9, None, 12]
    assert transition(present, Sent(taken=True), AT).nonce_used_height is None


def test_history_shows_a_reorganisation_and_hides_what_no_client_can_see() -> None:
    assert public_history(State.ACCEPTED, State.PREPARED) == ()
    assert public_history(State.PREPARED, State.SIGNED) == (State.SIGNED,)
    assert public_history(State.SUBMITTED, State.SUBMITTED) == ()
    assert public_history(State.CONFIRMED, State.SUBMITTED) == (State.REVERTED, State.SUBMITTED)
