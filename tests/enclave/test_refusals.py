"""Refusals that the service keeps a user from, or does something about: they explain themselves too.

The others are provoked over HTTP, in `tests/service/keys/test_refusals.py`.
"""

from collections.abc import Callable
from uuid import uuid4

import pytest
from msgspec.structs import replace

from nsl_protocol.enclave.lifecycle import WAIT_SECONDS_MIN, ChangeKey, KeyChange, KeyChanged
from nsl_protocol.enclave.messages import CreateKey, Curve, KeyCreated, Refused, Request, Sign, Signed, SignOrder
from nsl_protocol.enclave.policies import PolicyChanged, SettlePolicy
from nsl_protocol.enclave.signable import Signable, SignDigest, SignEvmTransaction, SignMessage
from nsl_protocol.enclave.wrapped import WrappedKey
from nsl_protocol.policy.approvers import ChangeRule
from nsl_protocol.policy.document import Policy, Rate
from tests.enclave.host import NAME, Host, key_name
from tests.enclave.replica import client
from tests.enclave.test_governing import POLICY, WIDER, Key

ID = uuid4().bytes


def answer(host: Host, request: Request) -> Refused:
    return host.replicas[0].ask(Refused, request, client())


def signed(host: Host, wrapped: bytes, what: Signable, id_: bytes = ID, number: int | None = None) -> Refused:
    name = NAME if number is None else key_name(number)
    result = host.replicas[0].ask(Signed, Sign((SignOrder(name, wrapped, what, id_),)), client()).results[0]
    assert isinstance(result, Refused)
    return result


def entered(host: Host, policy: Policy | None = None) -> bytes:
    """A key of ed25519 that the first replica was shown."""
    made = host.replicas[0].ask(KeyCreated, CreateKey(NAME, Curve.ED25519, (policy or Policy()).canonical), client())
    host.enter(WrappedKey(NAME, made.wrapped))
    host.show(host.replicas[0], WrappedKey(NAME, made.wrapped))
    return made.wrapped


def destroying(host: Host) -> bytes:
    order = ChangeKey(NAME, entered(host), KeyChange.DESTROY_LATER, WAIT_SECONDS_MIN)
    return host.replicas[0].ask(KeyChanged, order, client()).wrapped


def waits(host: Host) -> Refused:
    key = Key(host, replace(POLICY, change=ChangeRule(2, 3600)))
    assert isinstance(key.change(key.order(WIDER, "ann", "bob")), PolicyChanged)
    return answer(host, SettlePolicy(NAME, key.wrapped, withdrawn=False))


def reused(host: Host) -> Refused:
    wrapped = entered(host)
    host.replicas[0].ask(Signed, Sign((SignOrder(NAME, wrapped, SignMessage(b"a"), ID),)), client())
    return signed(host, wrapped, SignMessage(b"b"))


def under_a_root_to_come(host: Host) -> Refused:
    wrapped = entered(host)
    return signed(host, wrapped[:1] + (9).to_bytes(4) + wrapped[5:], SignMessage(b"m"))


CASES: dict[str, tuple[Callable[[Host], Refused], tuple[str, ...]]] = {
    "KEY_STATE_CONFLICT": (
        lambda host: answer(host, ChangeKey(NAME, entered(host), KeyChange.ENABLE, 0)),
        ("The key is active, which enable does not follow", "disable, destroy_later, freeze, rotate does"),
    ),
    "DESTRUCTION_WAITS": (
        lambda host: answer(host, ChangeKey(NAME, destroying(host), KeyChange.DESTROY, 0)),
        (f"in {WAIT_SECONDS_MIN} seconds, not before", "enabling it undoes that"),
    ),
    "WAIT_TOO_SHORT": (
        lambda host: answer(host, ChangeKey(NAME, entered(host), KeyChange.DESTROY_LATER, 5)),
        (f"waits {WAIT_SECONDS_MIN} seconds or longer", "asked were 5"),
    ),
    "POLICY_WAITS": (waits, ("holds in 3600 seconds, not before", "it can be withdrawn")),
    "POLICY_UNREADABLE": (
        lambda host: answer(host, CreateKey(NAME, Curve.ED25519, b'{"rule": []}')),
        ("The policy cannot be read", "unknown field `rule`"),
    ),
    "REQUEST_ID_REUSED": (reused, ("Something else was signed under this request's id", "one of its own")),
    "WRONG_CURVE": (
        lambda host: signed(host, entered(host), SignEvmTransaction(5, b"\x02")),
        ("signed by secp256k1 keys", "this one is ed25519"),
    ),
    "WINDOW_LEASE_NEEDED": (
        lambda host: signed(host, entered(host, Policy(rate=(Rate(60, 2),))), SignMessage(b"m")),
        ("window rate/60", "repeat this"),
    ),
    "KEY_NOT_AUTHENTIC": (
        lambda host: signed(host, entered(host), SignMessage(b"m"), number=2),
        ("was not wrapped here for this tenant, key and version",),
    ),
    "NOT_SHOWN": (
        lambda host: signed(host, host.make_key().wrapped, SignDigest(bytes(32))),
        ("Show this key and its path in the register first",),
    ),
    "ROOT_UNKNOWN": (under_a_root_to_come, ("under root 9; the latest here is 1",)),
}


@pytest.mark.parametrize("code", CASES)
def test_a_refusal_explains_itself(host: Host, code: str) -> None:
    provoke, says = CASES[code]
    refused = provoke(host)
    assert refused.code == code, refused
    assert not [each for each in says if each not in refused.reason], refused.reason
    assert refused.reason.endswith("."), refused.reason
