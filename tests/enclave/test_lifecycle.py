"""The life of a key: the table by itself, and three replicas that keep to it whatever a host brings back."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsl.adapters.enclave import DatabaseOlder, EnclaveRefused
from nsl_enclave.kernel.errors import Refusal
from nsl_enclave.kme.lifecycle import TRANSITIONS, changed, usable
from nsl_enclave.kme.wrapping import KeySecret, Wrapping
from nsl_protocol.enclave.lifecycle import (
    DAY_SECONDS,
    WAIT_SECONDS_MAX,
    WAIT_SECONDS_MIN,
    ChangeKey,
    KeyChange,
    KeyChanged,
    KeyState,
)
from nsl_protocol.enclave.messages import CreateKey, Curve, KeyCreated, Refused
from nsl_protocol.enclave.wrapped import KeyName, WrappedKey
from nsl_protocol.policy.document import Policy
from tests.enclave.host import NAME, Host, key_name, restarted
from tests.enclave.replica import Founders, client

SECRET = b"s" * 32
FRESH = KeySecret(Curve.ED25519, b"{}", SECRET)
STEP = st.tuples(st.sampled_from(KeyChange), st.integers(0, WAIT_SECONDS_MAX), st.integers(0, 60 * DAY_SECONDS))

# The table ------------------------------------------------------------------------------------------------------------


def refusal_of(key: KeySecret, change: KeyChange, wait: int, now: int) -> str | None:
    """As the specification has it, in another form than the table."""
    match change:
        case KeyChange.DESTROY if key.state is KeyState.DESTROYING:
            return "DESTRUCTION_WAITS" if now < key.destroys_at else None
        case KeyChange.DESTROY_LATER if key.state in (KeyState.ACTIVE, KeyState.DISABLED):
            return "WAIT_TOO_SHORT" if wait < WAIT_SECONDS_MIN else None
        case KeyChange.ENABLE if key.state in (KeyState.DISABLED, KeyState.DESTROYING):
            return None
        case KeyChange.DISABLE if key.state in (KeyState.ACTIVE, KeyState.DESTROYING):
            return None
        case KeyChange.FREEZE if key.state not in (KeyState.FROZEN, KeyState.DESTROYED):
            return None
        case KeyChange.UNFREEZE if key.state is KeyState.FROZEN:
            return None
        case KeyChange.ROTATE if key.state is KeyState.ACTIVE:
            return None
        case _:
            return "KEY_STATE_CONFLICT"


@given(st.lists(STEP, max_size=30))
def test_whatever_is_asked_a_key_is_in_one_state_and_its_secret_goes_only_when_due(
    steps: list[tuple[KeyChange, int, int]],
) -> None:
    key, now, due, signed_before, frozen = FRESH, 1_800_000_000, 0, True, 0
    for change, wait, passed in steps:
        now += passed
        code, before = refusal_of(key, change, wait, now), key
        if code is not None:
            with pytest.raises(Refusal) as caught:
                changed(before, change, wait, now)
            assert caught.value.code == code
            assert code != "KEY_STATE_CONFLICT" or f"The key is {before.state}" in caught.value.reason
            continue
        key = changed(before, change, wait, now)
        if change is KeyChange.UNFREEZE:
            assert key.state is (KeyState.ACTIVE if signed_before else KeyState.DISABLED)
        else:
            assert key.state is TRANSITIONS[before.state, change]
        if change is KeyChange.FREEZE:
            assert key.frozen_at > frozen, "no approval of another freeze holds for it"
            signed_before, frozen = before.state is KeyState.ACTIVE, key.frozen_at
        due = now + wait if key.state is KeyState.DESTROYING else due
        assert key.destroys_at == (due if key.state is KeyState.DESTROYING else 0)
        assert key.secret == (None if key.state is KeyState.DESTROYED else SECRET)
        assert key.state is not KeyState.DESTROYED or now >= due
        assert (key.curve, key.policy) == (FRESH.curve, FRESH.policy)


@pytest.mark.parametrize("state", KeyState)
def test_only_an_active_key_has_a_use(state: KeyState) -> None:
    key = KeySecret(Curve.ED25519, False, None if state is KeyState.DESTROYED else SECRET, state, 0)
    if state is KeyState.ACTIVE:
        assert usable(key) == SECRET
        return
    frozen = state is KeyState.FROZEN
    why = "The key is frozen and does nothing" if frozen else f"The key is {state}; only an active key is used"
    with pytest.raises(Refusal, match=why):
        usable(key)


def test_nothing_leads_out_of_destroyed_and_every_state_is_reached() -> None:
    assert not [change for state, change in TRANSITIONS if state is KeyState.DESTROYED]
    assert {*TRANSITIONS.values()} == {*KeyState}


# Three replicas -------------------------------------------------------------------------------------------------------


def refused(host: Host, wrapped: bytes, name: KeyName = NAME) -> set[str]:
    """Why each replica will not sign, after it was shown what is brought."""
    codes = set()
    for replica in host.replicas:
        answer = host.sign(replica, wrapped, name)
        assert isinstance(answer, Refused), "it signs"
        with pytest.raises(EnclaveRefused) as caught:
            host.show(replica, WrappedKey(name, wrapped))
        codes |= {answer.code, caught.value.code}
    return codes


def later(host: Host, days: int) -> None:
    """So much time passes at every replica."""
    for replica in host.replicas:
        replica.cluster.agree(replica.cluster.now() + days * DAY_SECONDS)


def destroyed(host: Host, wrapped: bytes) -> tuple[bytes, bytes]:
    """The edition that waits, and the tombstone."""
    waiting = host.change_key(wrapped, KeyChange.DESTROY_LATER, wait_seconds=7 * DAY_SECONDS)
    later(host, 8)
    gone = host.change_key(waiting.wrapped, KeyChange.DESTROY)
    assert (gone.state, gone.destroys_at) == (KeyState.DESTROYED, 0)
    return waiting.wrapped, gone.wrapped


def test_a_disabled_key_signs_nowhere_not_even_where_it_was_open(host: Host) -> None:
    made = host.make_key()
    for replica in host.replicas:
        assert host.public_key_of(replica, made.wrapped) == made.public_key
    disabled = host.change_key(made.wrapped, KeyChange.DISABLE)
    assert refused(host, made.wrapped) == {"NOT_SHOWN", "NOT_REGISTERED"}
    assert refused(host, disabled.wrapped) == {"NOT_SHOWN", "KEY_NOT_ACTIVE"}
    enabled = host.change_key(disabled.wrapped, KeyChange.ENABLE)
    for replica in host.replicas:
        assert host.public_key_of(replica, enabled.wrapped) == made.public_key
    assert refused(host, disabled.wrapped) == {"NOT_SHOWN", "NOT_REGISTERED"}


def test_a_change_that_is_only_made_changes_nothing(host: Host) -> None:
    made = host.make_key()
    host.replicas[0].call(ChangeKey(NAME, made.wrapped, KeyChange.DISABLE, 0), client())
    assert host.public_key_of(host.replicas[0], made.wrapped) == made.public_key


def test_of_two_changes_of_one_edition_one_holds(host: Host) -> None:
    made = host.make_key()
    other = host.replicas[1].ask(KeyChanged, ChangeKey(NAME, made.wrapped, KeyChange.DISABLE, 0), client())
    first = host.change_key(made.wrapped, KeyChange.DESTROY_LATER, wait_seconds=WAIT_SECONDS_MIN)
    with pytest.raises(EnclaveRefused, match="takes the place of another edition"):
        host.enter(WrappedKey(NAME, other.wrapped))
    host.enter(WrappedKey(NAME, first.wrapped))  # entered already: that is well


def test_a_destruction_waits_and_can_be_undone(host: Host) -> None:
    made = host.make_key()
    short = ChangeKey(NAME, made.wrapped, KeyChange.DESTROY_LATER, WAIT_SECONDS_MIN - 1)
    assert host.replicas[0].refusal(short, client()).startswith("WAIT_TOO_SHORT")
    waiting = host.change_key(made.wrapped, KeyChange.DESTROY_LATER, wait_seconds=WAIT_SECONDS_MIN)
    assert refused(host, waiting.wrapped) == {"NOT_SHOWN", "KEY_NOT_ACTIVE"}
    now = ChangeKey(NAME, waiting.wrapped, KeyChange.DESTROY, 0)
    later(host, 6)
    for replica in host.replicas:
        assert replica.refusal(now, client()).startswith("DESTRUCTION_WAITS: The key is destroyed in")
    enabled = host.change_key(waiting.wrapped, KeyChange.ENABLE)
    assert host.public_key_of(host.replicas[2], enabled.wrapped) == made.public_key
    later(host, 2)
    early = host.replicas[0].ask(KeyChanged, now, client())
    with pytest.raises(EnclaveRefused, match="takes the place of another edition"):
        host.enter(WrappedKey(NAME, early.wrapped))


def test_a_tombstone_has_no_secret_and_nothing_leads_out_of_it(host: Host) -> None:
    made = host.make_key()
    waiting, tombstone = destroyed(host, made.wrapped)
    first = host.replicas[0]
    opened = Wrapping(first.cluster.needed_root()).open_key(NAME, tombstone).secret
    assert (opened.state, opened.secret) == (KeyState.DESTROYED, None)
    for change in KeyChange:
        wait = WAIT_SECONDS_MIN if change is KeyChange.DESTROY_LATER else 0
        refusal = first.refusal(ChangeKey(NAME, tombstone, change, wait), client())
        assert refusal.startswith("KEY_STATE_CONFLICT: The key is destroyed")
    again = first.ask(KeyCreated, CreateKey(NAME, Curve.ED25519, Policy().canonical), client())
    undone = first.ask(KeyChanged, ChangeKey(NAME, waiting, KeyChange.ENABLE, 0), client())
    for brought in (made.wrapped, waiting, again.wrapped, undone.wrapped):
        assert refused(host, brought) == {"NOT_SHOWN", "NOT_REGISTERED"}
        with pytest.raises(EnclaveRefused, match="takes the place of another edition"):
            host.enter(WrappedKey(NAME, brought))
    assert refused(host, tombstone) == {"NOT_SHOWN", "KEY_NOT_ACTIVE"}


@pytest.mark.parametrize("restart", [(), (1,), (1, 2, 3)], ids=["running", "one restarted", "all restarted"])
@pytest.mark.parametrize("end", ["disabled", "frozen", "destroyed"])
def test_neither_the_old_row_nor_an_older_database_signs(
    host: Host, founders: Founders, tmp_path: Path, restart: tuple[int, ...], end: str
) -> None:
    made, older = host.make_key(), host.backup()
    if end == "destroyed":
        destroyed(host, made.wrapped)
    else:
        host.change_key(made.wrapped, KeyChange.DISABLE if end == "disabled" else KeyChange.FREEZE)
    restarted(host, founders, tmp_path, *restart)
    with_older = Host(*host.replicas, store=older)
    with pytest.raises(DatabaseOlder):
        with_older.attend()
    for replica in host.replicas:
        with pytest.raises(DatabaseOlder):
            with_older.show(replica, WrappedKey(NAME, made.wrapped))
        assert isinstance(with_older.sign(replica, made.wrapped), Refused)
    host.attend()
    assert refused(host, made.wrapped) == {"NOT_SHOWN", "NOT_REGISTERED"}


@pytest.mark.parametrize("change", [KeyChange.DISABLE, KeyChange.FREEZE])
def test_a_replica_that_was_cut_off_signs_no_more_once_it_is_reached(host: Host, change: KeyChange) -> None:
    made, third = host.make_key(), host.replicas[2]
    assert host.public_key_of(third, made.wrapped) == made.public_key
    host.silent = {third}
    host.change_key(made.wrapped, change)
    assert host.public_key_of(third, made.wrapped) == made.public_key, "until its lease ends, as the threat model says"
    host.silent = set()
    host.make_key(key_name(2))
    assert refused(host, made.wrapped) == {"NOT_SHOWN", "NOT_REGISTERED"}
