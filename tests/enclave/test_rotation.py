"""The root is replaced: what was wrapped before opens until it is wrapped anew, and nobody is taken back."""

import hashlib
from pathlib import Path

from nsl_protocol.attestation.binding import Purpose
from nsl_protocol.cluster.custody import Act
from nsl_protocol.enclave.membership import (
    Admitted,
    Founded,
    GetQuote,
    Join,
    Quoted,
    RetireRoots,
    RotateRoot,
    ShareTaken,
)
from nsl_protocol.enclave.messages import (
    GetStatus,
    KeyName,
    Refused,
    Rewrap,
    Rewrapped,
    Sign,
    Signed,
    SignMessage,
    SignOrder,
    Status,
    WrappedKey,
    WrappedSecret,
    WrappedTokenKey,
)
from tests.enclave.replica import Founders, Replica, client
from tests.enclave.test_cluster import (
    NAME,
    NONCE,
    approved,
    bootstrap,
    founders,
    join,
    made_key,
    prepared,
    public_key_of,
    share,
)

__all__ = ["founders"]


def acted(founders: Founders, replica: Replica, purpose: Purpose, act: Act) -> Founded:
    digest = hashlib.sha256(replica.ask(Quoted, GetQuote(purpose, NONCE)).quote).digest()
    signatures = approved(founders, act, digest)
    kind = RotateRoot if act is Act.ROTATE else RetireRoots
    assert replica.refusal(kind(digest, {})).startswith("TOO_FEW_APPROVALS")
    found = replica.ask(Founded, kind(digest, signatures))
    assert replica.refusal(kind(digest, signatures)).startswith("QUOTE_UNKNOWN"), "a signature counts once"
    return found


def test_a_root_is_replaced_and_what_was_wrapped_before_is_wrapped_anew(founders: Founders, tmp_path: Path) -> None:
    first, second = Replica(founders, tmp_path / "1"), Replica(founders, tmp_path / "2")
    bootstrap(first, founders)
    join(first, second)
    old = made_key(first)
    assert acted(founders, first, Purpose.ROTATION, Act.ROTATE).epoch == 2
    assert public_key_of(first, old.wrapped) == old.public_key, "roots of before still open"
    new = made_key(first)
    order = Sign((SignOrder(NAME, new.wrapped, SignMessage(b"m")),))
    refused = second.ask(Signed, order, client()).results[0]
    assert isinstance(refused, Refused)
    assert join(first, second).epoch == 2
    assert public_key_of(second, new.wrapped) == new.public_key
    (anew,) = first.ask(Rewrapped, Rewrap((WrappedKey(NAME, old.wrapped),)), client()).results
    assert isinstance(anew, bytes)
    retired = acted(founders, first, Purpose.RETIREMENT, Act.RETIRE)
    assert (retired.epoch, first.ask(Status, GetStatus()).generation) == (3, 2)
    assert public_key_of(first, anew) == old.public_key
    gone = first.ask(Signed, Sign((SignOrder(NAME, old.wrapped, SignMessage(b"m")),)), client()).results[0]
    assert isinstance(gone, Refused)
    assert public_key_of(Replica(founders, tmp_path / "1"), anew) == old.public_key, "after a restart"
    fresh = Replica(founders, tmp_path / "3")
    fresh.ask(ShareTaken, share(founders, fresh, retired.packages, 0))
    assert fresh.ask(Founded, share(founders, fresh, retired.packages, 1)).epoch == 4
    assert public_key_of(fresh, anew) == old.public_key, "after a recovery"


def test_all_is_lost_in_the_middle_of_a_rotation_and_recovered(founders: Founders, tmp_path: Path) -> None:
    first = Replica(founders, tmp_path / "1")
    bootstrap(first, founders)
    old = made_key(first)
    packages = acted(founders, first, Purpose.ROTATION, Act.ROTATE).packages
    new = made_key(first)
    fresh = Replica(founders, tmp_path / "2")
    fresh.ask(ShareTaken, share(founders, fresh, packages, 0))
    fresh.ask(Founded, share(founders, fresh, packages, 1))
    assert [public_key_of(fresh, each.wrapped) for each in (old, new)] == [old.public_key, new.public_key]


def test_a_member_is_never_taken_back_to_an_epoch_that_is_over(founders: Founders, tmp_path: Path) -> None:
    first, second = Replica(founders, tmp_path / "1"), Replica(founders, tmp_path / "2")
    bootstrap(first, founders)
    join(first, second)
    acted(founders, first, Purpose.ROTATION, Act.ROTATE)
    given = second.ask(Admitted, prepared(second, first))
    assert given.collateral is not None
    refusal = first.refusal(Join(given.quote, given.collateral, given.package))
    assert refusal == "NOT_NEWER: The member is of epoch 1, this replica of 2."


def test_what_is_not_authentic_is_not_wrapped_anew(founders: Founders, tmp_path: Path) -> None:
    replica = Replica(founders, tmp_path / "1")
    bootstrap(replica, founders)
    key = made_key(replica)
    other = KeyName(b"o" * 16, NAME.key, 1)
    items = (WrappedKey(other, key.wrapped), WrappedTokenKey("kid", key.wrapped), WrappedSecret("totp:1", key.wrapped))
    results = replica.ask(Rewrapped, Rewrap(items), client()).results
    assert [each.code for each in results if isinstance(each, Refused)] == ["KEY_NOT_AUTHENTIC"] * 3
