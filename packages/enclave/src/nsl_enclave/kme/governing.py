"""Policies that are changed: by whom they name themselves, and not before they say."""

from collections.abc import Callable
from uuid import UUID

from msgspec.structs import replace

from nsl_enclave.kernel.errors import Refusal
from nsl_enclave.kme.approvals import insist_on_unexpired
from nsl_enclave.kme.leaves import Leaves
from nsl_enclave.kme.portable import policy_in
from nsl_enclave.kme.wrapping import KeySecret, Opened, Wrapping
from nsl_protocol.enclave.fields import WRAPPED_BYTES_MAX
from nsl_protocol.enclave.lifecycle import KeyState
from nsl_protocol.enclave.policies import ChangePolicy, PolicyChanged, SettlePolicy
from nsl_protocol.enclave.wrapped import KeyName
from nsl_protocol.policy.changing import PolicyChange, approved_by
from nsl_protocol.policy.document import Policy

_NO_POLICY = b""


class Governing:
    """
    Args:
        cluster: its identifier.
        now: enclave time, Unix seconds.
    """

    def __init__(self, wrapping: Wrapping, leaves: Leaves, cluster: bytes, now: Callable[[], float]) -> None:
        self._wrapping = wrapping
        self._leaves = leaves
        self._cluster = cluster.hex()
        self._now = now

    def change(self, request: ChangePolicy) -> PolicyChanged:
        """The edition that the change leads to.

        Raises:
            Refusal: ``POLICY_FIXED``: it names nobody who may change it; ``TOO_FEW_APPROVALS``; ``APPROVALS_EXPIRED``;
                ``POLICY_UNREADABLE``; ``POLICIES_TOO_LONG``; ``KEY_NOT_ACTIVE``.
        """
        present = self._opened(request.name, request.wrapped)
        key, now = present.secret, int(self._now())
        policy, following = policy_in(key.policy), policy_in(request.policy)
        if policy.change is None:
            raise Refusal(
                "POLICY_FIXED",
                "This key's policy names nobody who may change it, so it stays as it is: make another key, with "
                "approvers and change in its policy.",
            )
        insist_on_unexpired(request.expires_at, now)
        signed = PolicyChange(
            cluster=self._cluster,
            tenant=UUID(bytes=request.name.tenant),
            key=UUID(bytes=request.name.key),
            number=key.policy_number,
            from_=policy.hash,
            to=following.hash,
            expires_at=request.expires_at,
        )
        by = approved_by(policy, signed, request.approvals)
        if len(by) < policy.change.threshold:
            raise Refusal("TOO_FEW_APPROVALS", _too_few(policy, by))
        if policy.change.time_lock_seconds:
            waits = now + policy.change.time_lock_seconds
            made = replace(key, following=following.canonical, following_at=waits)
            return self._made("key.policy_announced", request.name, present, made)
        return self._made("key.policy_changed", request.name, present, _taken(key, following.canonical))

    def settle(self, request: SettlePolicy) -> PolicyChanged:
        """The edition in which what waits holds, or is withdrawn.

        Raises:
            Refusal: ``NO_POLICY_WAITS``, ``POLICY_WAITS``: not yet; ``KEY_NOT_ACTIVE``.
        """
        present = self._opened(request.name, request.wrapped)
        key = present.secret
        if key.following == _NO_POLICY:
            raise Refusal(
                "NO_POLICY_WAITS",
                "No other policy waits for this key: there is nothing to withdraw, or to put in place.",
            )
        if request.withdrawn:
            made = replace(key, following=_NO_POLICY, following_at=0)
            return self._made("key.policy_withdrawn", request.name, present, made)
        left = key.following_at - int(self._now())
        if left > 0:
            raise Refusal(
                "POLICY_WAITS", f"The policy that waits holds in {left} seconds, not before; it can be withdrawn."
            )
        return self._made("key.policy_changed", request.name, present, _taken(key, key.following))

    def _opened(self, name: KeyName, wrapped: bytes) -> Opened[KeySecret]:
        opened = self._wrapping.open_key(name, wrapped)
        if opened.secret.state not in (KeyState.ACTIVE, KeyState.DISABLED):
            raise Refusal("KEY_NOT_ACTIVE", f"The key is {opened.secret.state}: its policy is not changed any more.")
        return opened

    def _made(self, act: str, name: KeyName, former: Opened[KeySecret], key: KeySecret) -> PolicyChanged:
        wrapped = self._wrapping.wrap_key(name, key, replaces=former.edition)
        if len(wrapped) > WRAPPED_BYTES_MAX:
            raise Refusal(
                "POLICIES_TOO_LONG",
                "The policy that holds and the one that waits are too long together: shorten the next one by "
                f"{len(wrapped) - WRAPPED_BYTES_MAX} bytes.",
            )
        leaf = self._leaves.made(act, name, key.following or key.policy)
        following = key.following or None
        return PolicyChanged(wrapped, key.policy_number, key.policy, following, key.following_at, leaf)


def _taken(key: KeySecret, policy: bytes) -> KeySecret:
    return replace(key, policy=policy, policy_number=key.policy_number + 1, following=_NO_POLICY, following_at=0)


def _too_few(policy: Policy, by: frozenset[str]) -> str:
    missing = ", ".join(sorted(set(policy.approvers) - by))
    needed = 0 if policy.change is None else policy.change.threshold
    signed = ", ".join(sorted(by)) or "nobody"
    return f"It takes the signatures of {needed} approvers over exactly this change; signed: {signed}; not: {missing}."
