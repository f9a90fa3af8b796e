"""The root is replaced: what was wrapped before opens until it is wrapped anew, and nobody is taken back."""

import hashlib
from pathlib import Path

import pytest

from nsl.adapters.enclave import EnclaveDown
from nsl.cli.rotation import settle_epoch
from nsl_protocol.attestation.binding import Purpose
from nsl_protocol.cluster.custody import Act
from nsl_protocol.enclave.agreement import Certificate, Head
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
from nsl_protocol.enclave.messages import GetStatus, Refused, Rewrap, Rewrapped, Status
from nsl_protocol.enclave.wrapped import KeyName, WrappedKey, WrappedSecret, WrappedTokenKey
from tests.enclave.ceremonies import NONCE, approved, bootstrap, join, prepared, share
from tests.enclave.host import NAME, Host, key_name
from tests.enclave.replica import Founders, Replica, client
from tests.support.register import MemoryRegister

LATER = key_name(2)


def acted(founders: Founders, host: Host, purpose: Purpose, act: Act) -> Founded:
    """By the first replica."""
    replica, newest = host.replicas[0], host.certificate
    digest = hashlib.sha256(replica.ask(Quoted, GetQuote(purpose, NONCE)).quote).digest()
    signatures = approved(founders, act, digest)
    kind = RotateRoot if act is Act.ROTATE else RetireRoots
    assert replica.refusal(kind(newest, digest, {})).startswith("TOO_FEW_APPROVALS")
    found = replica.ask(Founded, kind(newest, digest, signatures))
    again = kind(found.certificate, digest, signatures)
    assert replica.refusal(again).startswith("QUOTE_UNKNOWN"), "a signature counts once"
    host.attend()
    assert host.certificate == found.certificate
    return found


def test_a_root_is_replaced_and_what_was_wrapped_before_is_wrapped_anew(founders: Founders, tmp_path: Path) -> None:
    first, second = Replica(founders, tmp_path / "1"), Replica(founders, tmp_path / "2")
    bootstrap(first, founders)
    join(first, second)
    host = Host(first, second)
    host.attend()
    old = host.make_key()
    assert acted(founders, host, Purpose.ROTATION, Act.ROTATE).epoch == 2
    assert host.public_key_of(first, old.wrapped) == old.public_key, "roots of before still open"
    new = host.make_key(LATER)
    with pytest.raises(EnclaveDown, match="of a root not known here"):
        host.show(second, WrappedKey(LATER, new.wrapped))
    assert join(first, second).epoch == 2
    host.attend()
    assert host.public_key_of(second, new.wrapped, LATER) == new.public_key
    (anew,) = first.ask(Rewrapped, Rewrap((WrappedKey(NAME, old.wrapped),)), client()).results
    assert isinstance(anew, bytes)
    retired = acted(founders, host, Purpose.RETIREMENT, Act.RETIRE)
    assert (retired.epoch, first.ask(Status, GetStatus()).generation) == (3, 2)
    assert host.public_key_of(first, anew) == old.public_key
    gone = host.sign(first, old.wrapped)
    assert isinstance(gone, Refused)
    assert gone.code == "ROOT_UNKNOWN"
    host.replicas[:] = [Replica(founders, tmp_path / "1")]
    assert host.public_key_of(host.replicas[0], anew) == old.public_key, "after a restart"
    fresh, newest = Replica(founders, tmp_path / "3"), host.certificate
    fresh.ask(ShareTaken, share(founders, fresh, retired.packages, 0, newest))
    assert fresh.ask(Founded, share(founders, fresh, retired.packages, 1, newest)).epoch == 4
    host.replicas[:] = [fresh]
    host.attend()
    assert host.public_key_of(fresh, anew) == old.public_key, "after a recovery"


def test_all_is_lost_in_the_middle_of_a_rotation_and_recovered(founders: Founders, tmp_path: Path) -> None:
    first = Replica(founders, tmp_path / "1")
    bootstrap(first, founders)
    host = Host(first)
    host.attend()
    old = host.make_key()
    packages = acted(founders, host, Purpose.ROTATION, Act.ROTATE).packages
    new = host.make_key(LATER)
    fresh, newest = Replica(founders, tmp_path / "2"), host.certificate
    fresh.ask(ShareTaken, share(founders, fresh, packages, 0, newest))
    fresh.ask(Founded, share(founders, fresh, packages, 1, newest))
    host.replicas[:] = [fresh]
    host.attend()
    assert host.public_key_of(fresh, old.wrapped) == old.public_key
    assert host.public_key_of(fresh, new.wrapped, LATER) == new.public_key


def test_a_member_is_never_taken_back_to_an_epoch_that_is_over(founders: Founders, tmp_path: Path) -> None:
    first, second = Replica(founders, tmp_path / "1"), Replica(founders, tmp_path / "2")
    bootstrap(first, founders)
    host = Host(first)
    host.attend()
    join(first, second)
    acted(founders, host, Purpose.ROTATION, Act.ROTATE)
    given = second.ask(Admitted, prepared(second, first))
    assert given.collateral is not None
    refusal = first.refusal(Join(given.quote, given.collateral, given.package))
    assert refusal == "NOT_NEWER: The member is of epoch 1, this replica of 2."


def test_what_is_not_authentic_is_not_wrapped_anew(founders: Founders, tmp_path: Path) -> None:
    replica = Replica(founders, tmp_path / "1")
    bootstrap(replica, founders)
    host = Host(replica)
    host.attend()
    key = host.make_key()
    other = KeyName(b"o" * 16, NAME.key, 1)
    items = (WrappedKey(other, key.wrapped), WrappedTokenKey("kid", key.wrapped), WrappedSecret("totp:1", key.wrapped))
    results = replica.ask(Rewrapped, Rewrap(items), client()).results
    assert [each.code for each in results if isinstance(each, Refused)] == ["KEY_NOT_AUTHENTIC"] * 3


async def test_who_has_gone_on_in_the_new_epoch_is_not_set_back() -> None:
    """A host that attends the replicas may find the epoch, and change something in it, before that is written down."""
    members = (b"m" * 16,)
    former, begun, later = (
        Certificate(Head(epoch, number, bytes([number]) * 32, members), bytes(32))
        for epoch, number in ((1, 7), (2, 8), (2, 9))
    )
    for present, expected in ((None, begun), (former, begun), (begun, begun), (later, later)):
        store = MemoryRegister()
        if present is not None:
            async with store.changing() as change:
                await change.settle(present, ())
        await settle_epoch(store, begun)
        assert store.certificate == expected
