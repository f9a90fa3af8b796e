"""Which leaves come into the log next: in any order that they come out of the database, each run's by its numbers."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from nsl.audit.model import Gap, Leaf, LogPlace, batch, taken_of_runs

RUNS = [bytes([number]) * 16 for number in range(3)]


def leaf(sequence: int, run: int | None, number: int | None, size: int = 8) -> Leaf:
    name = None if run is None else RUNS[run]
    return Leaf(UUID(int=sequence), b"x" * size, None if run is None else b"m" * 32, name, number, 1, sequence)


def place(cursor: tuple[int, int] = (0, 0), held: tuple[UUID, ...] = ()) -> LogPlace:
    return LogPlace(None, 0, cursor, held, None, None)


@given(st.lists(st.tuples(st.none() | st.integers(0, 2)), max_size=40), st.randoms(), st.integers(1, 7))
def test_everything_comes_once_and_in_order(written: list[tuple[int | None]], random: object, step: int) -> None:
    numbers = dict.fromkeys(range(3), 0)
    leaves = []
    for sequence, (run,) in enumerate(written):
        leaves.append(leaf(sequence, run, None if run is None else numbers[run]))
        if run is not None:
            numbers[run] += 1
    shuffled = list(leaves)
    random.shuffle(shuffled)
    arrived = [Leaf(each.id, each.content, each.mac, each.run, each.number, 1, place_) for place_, each in
               enumerate(shuffled)]  # fmt: skip
    following: dict[bytes, int] = {}
    taken: list[Leaf] = []
    held: dict[UUID, Leaf] = {}
    for first in range(0, len(arrived), step):
        part = arrived[first : first + step]
        found = batch(list(held.values()), part, following, place((1, first - 1), tuple(held)))
        known = held | {each.id: each for each in part}
        held = {each: known[each] for each in found.held}
        taken += found.leaves
        following |= taken_of_runs(found.leaves)
        assert found.cursor == part[-1].order
        assert not {each.id for each in found.leaves} & set(found.held)
    assert not held
    assert sorted(each.id for each in taken) == sorted(each.id for each in leaves)
    for run in RUNS:
        assert [each.number for each in taken if each.run == run] == list(range(numbers[RUNS.index(run)]))


def test_a_gap_is_named_and_what_follows_it_waits() -> None:
    written = [leaf(1, 0, 0), leaf(2, 0, 3), leaf(3, None, None), leaf(4, 0, 2)]
    found = batch([], written, {}, place())
    assert [each.id.int for each in found.leaves] == [1, 3]
    assert {each.int for each in found.held} == {2, 4}
    assert found.gaps == (Gap(RUNS[0], 1, 1),)


def test_what_was_taken_before_does_not_wait_again() -> None:
    found = batch([leaf(1, 0, 0), leaf(2, 0, 4)], [leaf(3, 0, 0), leaf(4, 0, 3)], {RUNS[0]: 3}, place())
    assert [each.id.int for each in found.leaves] == [4, 2]
    assert found.held == ()


def test_what_one_message_does_not_hold_is_held_for_the_next() -> None:
    """A gap of a run closes, and everything that waited behind it could come at once."""
    waited = [leaf(each, 0, each) for each in range(1, 2000)]
    found = batch([*waited, leaf(2000, 0, 0)], [], {}, place())
    assert [each.number for each in found.leaves] == list(range(960))
    assert len(found.leaves) + len(found.held) == 2000
    assert found.gaps == ()


def test_no_more_is_taken_than_a_message_holds() -> None:
    found = batch([], [leaf(each, None, None, size=4000) for each in range(1, 400)], {}, place())
    assert 150 < len(found.leaves) < 180
    assert found.cursor == (1, len(found.leaves))
