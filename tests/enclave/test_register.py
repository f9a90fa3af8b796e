"""The register of keys on three replicas: what a majority has agreed on holds, whatever the host does."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from nsl.adapters.enclave import DatabaseOlder, EnclaveRefused, NoMajority
from nsl_enclave.kme.macs import Macs
from nsl_protocol.cluster.register import Leaf, entered
from nsl_protocol.enclave.agreement import (
    Accept,
    Ack,
    Certificate,
    Conclude,
    Propose,
    Record,
    Show,
)
from nsl_protocol.enclave.messages import CreateKey, Curve, KeyCreated, Refused
from nsl_protocol.enclave.wrapped import WrappedKey
from nsl_protocol.policy.document import Policy
from tests.enclave.ceremonies import bootstrap
from tests.enclave.host import NAME, Host, key_name, restarted, shown, unentered
from tests.enclave.replica import Founders, Replica, client

# Keys -----------------------------------------------------------------------------------------------------------------


def test_a_key_that_the_register_has_is_used_by_every_member(host: Host) -> None:
    made = [host.make_key(key_name(number)) for number in range(5)]
    for replica in host.replicas:
        for number, each in enumerate(made):
            assert host.public_key_of(replica, each.wrapped, key_name(number)) == each.public_key
    assert {shown(each).certificate for each in host.replicas} == {host.certificate}


def test_a_key_that_was_not_shown_or_never_entered_signs_nothing(host: Host) -> None:
    first, second = host.replicas[:2]
    host.make_key()
    item = unentered(first, 2)
    for replica in (first, second):
        refused = host.sign(replica, item.wrapped, item.name)
        assert isinstance(refused, Refused)
        assert refused.code == "NOT_SHOWN"
        with pytest.raises(EnclaveRefused, match="never entered into the register"):
            host.show(replica, item)


def test_another_key_of_the_same_name_is_not_taken(host: Host) -> None:
    made = host.make_key()
    other = host.replicas[1].ask(KeyCreated, CreateKey(NAME, Curve.ED25519, Policy().canonical), client())
    with pytest.raises(EnclaveRefused, match="takes the place of another edition"):
        host.enter(WrappedKey(NAME, other.wrapped))
    with pytest.raises(EnclaveRefused, match="not the present edition"):
        host.show(host.replicas[2], WrappedKey(NAME, other.wrapped))
    assert host.public_key_of(host.replicas[2], made.wrapped) == made.public_key


def test_a_path_of_another_moment_or_key_is_refused(host: Host) -> None:
    item = WrappedKey(NAME, host.make_key().wrapped)
    former, path = host.certificate, host.path(item)
    other = host.path(unentered(host.replicas[0], 7))
    host.make_key(key_name(2))
    replica = host.replicas[1]
    for each in (path, other):
        assert replica.refusal(Show(host.certificate, item, each), client()).startswith("PATH_WRONG")
    assert replica.refusal(Show(former, item, path), client()).startswith("DATABASE_OLDER")


# Majorities -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("silent", [0, 1, 2])
def test_two_of_three_are_enough(host: Host, silent: int) -> None:
    host.silent = {host.replicas[silent]}
    made = host.make_key()
    host.silent = set()
    for replica in host.replicas:
        assert host.public_key_of(replica, made.wrapped) == made.public_key


@pytest.mark.parametrize("survivor", [0, 1, 2])
def test_one_alone_signs_and_changes_nothing_until_another_is_back(host: Host, survivor: int) -> None:
    made = host.make_key()
    replica = host.replicas[survivor]
    host.silent = {each for each in host.replicas if each is not replica}
    assert host.public_key_of(replica, made.wrapped) == made.public_key
    with pytest.raises(NoMajority, match="signing goes on"):
        host.make_key(key_name(2))
    assert host.public_key_of(replica, made.wrapped) == made.public_key
    host.silent.pop()
    later = host.make_key(key_name(3))
    assert host.public_key_of(replica, later.wrapped, key_name(3)) == later.public_key


def test_no_two_changes_of_one_number_hold(host: Host) -> None:
    """Two hosts with two databases reach different majorities."""
    other = Host(*host.replicas, store=host.backup())
    host.silent, other.silent = {host.replicas[2]}, {host.replicas[0]}
    host.make_key(key_name(1))
    with pytest.raises((DatabaseOlder, NoMajority)):
        other.make_key(key_name(2))
    host.silent = set()
    made = host.make_key(key_name(3))
    for replica in host.replicas:
        host.show(replica, WrappedKey(key_name(3), made.wrapped))
        assert shown(replica).certificate == host.certificate


def signed(macs: Macs, ack: Ack) -> Ack:
    """As a replica would."""
    return replace(ack, mac=macs.make("ack", ack.content))


def test_a_majority_is_of_members_who_have_accepted_exactly_this(host: Host) -> None:
    first, second, third = host.replicas
    item = unentered(first, 1)
    newest, path = host.certificate, host.path(item)
    record = first.ask(Record, Propose(newest, item, path), client())
    ack = second.ask(Ack, Accept(newest, record), client())
    macs = Macs(first.cluster.needed_root())
    stranger = signed(macs, replace(ack, speaker=replace(ack.speaker, member=b"s" * 16)))
    other_head = signed(macs, replace(ack, head=b"h" * 32))
    own = third.ask(Ack, Accept(newest, record), client())
    for acks in ((), (own, own), (stranger,), (other_head,), (replace(ack, mac=bytes(32)),)):
        assert third.refusal(Conclude(newest, record, acks), client()).startswith("NO_MAJORITY: 1 of 3")
    forged = replace(record, head=replace(record.head, root=b"r" * 32))
    assert third.refusal(Accept(newest, forged), client()).startswith("NOT_CERTIFIED")
    assert third.refusal(Conclude(newest, forged, (ack,)), client()).startswith("NOT_CERTIFIED")
    held = third.ask(Certificate, Conclude(newest, record, (ack,)), client())
    assert held.head == record.head
    assert third.ask(Certificate, Conclude(newest, record, ()), client()) == held, "asked again, it says the same"


def test_a_member_accepts_one_change_of_a_number(host: Host) -> None:
    first, second, third = host.replicas
    newest = host.certificate
    records = []
    for number, maker in ((1, first), (2, third)):
        item = unentered(maker, number)
        path = host.path(item)
        records.append(maker.ask(Record, Propose(newest, item, path), client()))
    second.ask(Ack, Accept(newest, records[0]), client())
    assert second.ask(Ack, Accept(newest, records[0]), client()).speaker.member == shown(second).candidate.member
    assert second.refusal(Accept(newest, records[1]), client()).startswith("OTHER_ACCEPTED")


def test_a_change_that_is_under_way_is_not_signed_by_the_former_edition(host: Host) -> None:
    """It may hold already, for all that this member knows."""
    made = host.make_key()
    first = host.replicas[0]
    assert host.public_key_of(first, made.wrapped) == made.public_key
    item = WrappedKey(NAME, made.wrapped)
    newest, path = host.certificate, host.path(item)
    macs = Macs(first.cluster.needed_root())
    leaf = Leaf(item.index, b"n" * 16)
    head = replace(newest.head, number=newest.head.number + 1, root=entered(leaf, path)[-1].hash)
    unsigned = Record(newest.head.digest, head, item, leaf, b"")
    record = replace(unsigned, mac=macs.make("record", unsigned.content))
    first.ask(Ack, Accept(newest, record), client())
    refused = host.sign(first, made.wrapped)
    assert isinstance(refused, Refused)
    assert refused.code == "NOT_SHOWN"
    assert first.refusal(Show(newest, item, path), client()).startswith("PATH_WRONG: The stored key is being")


# The database ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("restart", [(), (1,), (1, 2, 3)], ids=["running", "one restarted", "all restarted"])
def test_an_older_database_is_refused(host: Host, founders: Founders, tmp_path: Path, restart: tuple[int, ...]) -> None:
    made, older = host.make_key(), host.backup()
    host.make_key(key_name(2))
    restarted(host, founders, tmp_path, *restart)
    with_older = Host(*host.replicas, store=older)
    for work in (
        with_older.attend,
        lambda: with_older.show(host.replicas[0], WrappedKey(NAME, made.wrapped)),
        lambda: with_older.make_key(key_name(3)),
    ):
        with pytest.raises(DatabaseOlder):
            work()
    host.attend()
    assert host.public_key_of(host.replicas[0], made.wrapped) == made.public_key


@pytest.mark.parametrize("accepting", [3, 2])
def test_a_database_that_lost_a_change_that_may_hold_is_refused(host: Host, accepting: int) -> None:
    older, item = host.backup(), unentered(host.replicas[0], 1)
    record = host.replicas[0].ask(Record, Propose(host.certificate, item, host.path(item)), client())
    for replica in host.replicas[:accepting]:
        replica.ask(Ack, Accept(host.certificate, record), client())
    with pytest.raises(DatabaseOlder, match="was accepted by key enclaves"):
        Host(*host.replicas, store=older).attend()


def test_a_change_that_one_alone_has_accepted_holds_nobody_up(host: Host) -> None:
    first, item = host.replicas[0], unentered(host.replicas[0], 1)
    record = first.ask(Record, Propose(host.certificate, item, host.path(item)), client())
    first.ask(Ack, Accept(host.certificate, record), client())
    made = host.make_key(key_name(2))
    assert host.public_key_of(first, made.wrapped, key_name(2)) == made.public_key


def test_a_member_whose_seal_was_brought_back_misses_nothing(host: Host, founders: Founders, tmp_path: Path) -> None:
    """Its seal and the database are of before; the others know better."""
    backup, seal = host.backup(), (tmp_path / "1" / "kme.state").read_bytes()
    host.silent = {host.replicas[1]}
    made = host.make_key()
    (tmp_path / "1" / "kme.state").write_bytes(seal)
    restarted(host, founders, tmp_path, 1)
    host.silent = set()
    with pytest.raises(DatabaseOlder):
        Host(*host.replicas, store=backup).attend()
    assert shown(host.replicas[0]).lease_seconds == 0
    host.attend()
    assert host.public_key_of(host.replicas[0], made.wrapped) == made.public_key


def test_a_single_replica_notices_an_older_database_but_not_with_its_own_seal_of_then(
    founders: Founders, tmp_path: Path
) -> None:
    """What the threat model says that one replica cannot do."""
    host = Host(Replica(founders, tmp_path / "1"))
    bootstrap(host.replicas[0], founders)
    host.attend()
    made, older = host.make_key(), host.backup()
    seal = (tmp_path / "1" / "kme.state").read_bytes()
    host.make_key(key_name(2))
    restarted(host, founders, tmp_path, 1)
    with pytest.raises(DatabaseOlder):
        Host(*host.replicas, store=older).attend()
    (tmp_path / "1" / "kme.state").write_bytes(seal)
    restarted(host, founders, tmp_path, 1)
    brought_back = Host(*host.replicas, store=older)
    brought_back.attend()
    assert brought_back.public_key_of(host.replicas[0], made.wrapped) == made.public_key
