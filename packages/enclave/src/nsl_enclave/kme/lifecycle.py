"""The life of a key, as a table: what each change makes of it. Pure: the time is an argument.

    active ──disable──▶ disabled ──enable──▶ active
    active | disabled ──destroy_later──▶ destroying ──destroy, after the wait──▶ destroyed
    destroying ──enable | disable──▶ active | disabled
    active ──rotate──▶ active, for a secret key
    active | disabled | destroying ──freeze──▶ frozen ──unfreeze──▶ active, or disabled where it did not sign before

Nothing leads out of destroyed: that edition has no secret any more, and the register knows it to be the present one,
so an earlier one that is brought back is refused.
"""

from collections.abc import Mapping

from msgspec.structs import replace

from nsl_enclave.kernel.errors import Refusal
from nsl_enclave.kme.signing import SECRET_CURVES, private_half
from nsl_enclave.kme.wrapping import EARLIER_MAX, KeySecret
from nsl_protocol.enclave.lifecycle import WAIT_SECONDS_MIN, KeyChange, KeyState, inactive

TRANSITIONS: Mapping[tuple[KeyState, KeyChange], KeyState] = {
    (KeyState.ACTIVE, KeyChange.DISABLE): KeyState.DISABLED,
    (KeyState.DISABLED, KeyChange.ENABLE): KeyState.ACTIVE,
    (KeyState.ACTIVE, KeyChange.DESTROY_LATER): KeyState.DESTROYING,
    (KeyState.DISABLED, KeyChange.DESTROY_LATER): KeyState.DESTROYING,
    (KeyState.DESTROYING, KeyChange.ENABLE): KeyState.ACTIVE,
    (KeyState.DESTROYING, KeyChange.DISABLE): KeyState.DISABLED,
    (KeyState.DESTROYING, KeyChange.DESTROY): KeyState.DESTROYED,
    (KeyState.ACTIVE, KeyChange.FREEZE): KeyState.FROZEN,
    (KeyState.DISABLED, KeyChange.FREEZE): KeyState.FROZEN,
    (KeyState.DESTROYING, KeyChange.FREEZE): KeyState.FROZEN,
    (KeyState.FROZEN, KeyChange.UNFREEZE): KeyState.ACTIVE,
    (KeyState.ACTIVE, KeyChange.ROTATE): KeyState.ACTIVE,
}


def changed(key: KeySecret, change: KeyChange, wait_seconds: int, now: int) -> KeySecret:
    """The key after the change.

    Args:
        wait_seconds: for ``DESTROY_LATER``, at least ``WAIT_SECONDS_MIN``: whoever asks in another's name is noticed.
        now: enclave time, Unix seconds.

    Raises:
        Refusal: ``KEY_STATE_CONFLICT``: it does not follow; ``DESTRUCTION_WAITS``: not yet; ``WAIT_TOO_SHORT``.
    """
    state = TRANSITIONS.get((key.state, change))
    if state is None:
        follow = ", ".join(after for before, after in TRANSITIONS if before is key.state) or "nothing"
        raise Refusal("KEY_STATE_CONFLICT", f"The key is {key.state}, which {change} does not follow; {follow} does.")
    if change is KeyChange.DESTROY and now < key.destroys_at:
        raise Refusal(
            "DESTRUCTION_WAITS",
            f"The key is destroyed in {key.destroys_at - now} seconds, not before; enabling it undoes that until then.",
        )
    if change is KeyChange.DESTROY_LATER and wait_seconds < WAIT_SECONDS_MIN:
        raise Refusal(
            "WAIT_TOO_SHORT", f"A destruction waits {WAIT_SECONDS_MIN} seconds or longer; asked were {wait_seconds}."
        )
    if state is KeyState.DESTROYED and key.secret is not None:
        public_key = private_half(key.curve, key.secrets[0]).public_key
        return replace(
            key, secret=None, earlier=(), state=state, destroys_at=0, public_key=public_key, destroyed_at=now
        )
    if change is KeyChange.UNFREEZE and key.disabled:
        state = KeyState.DISABLED
    freezes = change is KeyChange.FREEZE
    return replace(
        key,
        frozen_at=max(now, key.frozen_at + 1) if freezes else key.frozen_at,
        disabled=freezes and key.state is not KeyState.ACTIVE,
        state=state,
        destroys_at=now + wait_seconds if state is KeyState.DESTROYING else 0,
    )


def rotated(key: KeySecret, fresh: bytes) -> KeySecret:
    """The key with another secret in the place of its own, which is kept for what it was used for.

    Raises:
        Refusal: ``ROTATION_UNSUITABLE``: others know it by its public key; ``ROTATIONS_EXHAUSTED``.
    """
    if key.curve not in SECRET_CURVES or key.secret is None:
        raise Refusal(
            "ROTATION_UNSUITABLE",
            f"Others know a key of {key.curve} by its public key or address, so it is not rotated: make another key, "
            "move what its addresses hold, let whoever verifies know, and destroy this one.",
        )
    if len(key.earlier) >= EARLIER_MAX:
        raise Refusal(
            "ROTATIONS_EXHAUSTED",
            f"The key has had {EARLIER_MAX + 1} secrets, and no more fit: make another key, and encrypt anew by it.",
        )
    return replace(key, secret=fresh, version=key.version + 1, earlier=(*key.earlier, key.secret))


def usable(key: KeySecret) -> bytes:
    """The secret of an active key.

    Raises:
        Refusal: ``KEY_NOT_ACTIVE``; ``KEY_FROZEN``.
    """
    if key.state is KeyState.FROZEN:
        raise Refusal(
            "KEY_FROZEN",
            "The key is frozen and does nothing. Whoever has the scope keys:unfreeze lifts it (`nsl keys unfreeze`); "
            "where its policy names who changes it, with their signatures (`nsl keys approve-unfreeze`).",
        )
    if key.state is not KeyState.ACTIVE or key.secret is None:
        raise Refusal("KEY_NOT_ACTIVE", inactive(key.state))
    return key.secret
