"""Who agrees on the register of keys: leases, members, and custodians who let one go on alone."""

from contextlib import suppress
from pathlib import Path

import pytest
from msgspec.structs import replace

from nsl.adapters.enclave import EnclaveRefused, NoMajority
from nsl_enclave.kme import register as register_module
from nsl_protocol.enclave.agreement import (
    Accept,
    Ack,
    Ask,
    AskLease,
    Certificate,
    Enlistment,
    GrantLease,
    Lease,
    Leased,
    Proceeded,
    Propose,
    Record,
    TakeLease,
)
from nsl_protocol.enclave.membership import Founded, ShareTaken
from nsl_protocol.enclave.messages import GetStatus, Refused, Signature, Status
from nsl_protocol.enclave.wrapped import WrappedKey
from tests.enclave.ceremonies import bootstrap, join, proceed, share
from tests.enclave.host import Host, founded, key_name, restarted, shown, unentered
from tests.enclave.replica import Founders, Replica, client

# Leases ---------------------------------------------------------------------------------------------------------------


def lease_of(replica: Replica) -> int | None:
    return replica.ask(Status, GetStatus()).lease_seconds


def test_a_lease_ends_and_a_majority_renews_it(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    made = host.make_key()
    first = host.replicas[0]
    assert host.public_key_of(first, made.wrapped) == made.public_key
    assert 3500 < (lease_of(first) or 0) <= 3600
    time = register_module.monotonic()
    monkeypatch.setattr(register_module, "monotonic", lambda: time + 3601)
    refused = host.sign(first, made.wrapped)
    assert isinstance(refused, Refused)
    assert (refused.code, lease_of(first)) == ("NO_LEASE", 0)
    host.silent = {host.replicas[1], host.replicas[2]}
    with suppress(NoMajority):
        host.attend()
    assert isinstance(host.sign(first, made.wrapped), Refused)
    host.silent = {host.replicas[1]}
    host.attend()
    assert isinstance(host.sign(first, made.wrapped), Signature)


def test_a_lease_is_for_who_asked_and_by_members_alone(host: Host, founders: Founders, tmp_path: Path) -> None:
    _, second, third = host.replicas
    newest = host.certificate
    restarted(host, founders, tmp_path, 1)
    first = host.replicas[0]
    asked = first.ask(Ask, AskLease(newest), client())
    granted = [each.ask(Lease, GrantLease(newest, asked), client()) for each in (second, third)]
    assert second.refusal(GrantLease(newest, replace(asked, mac=bytes(32))), client()).startswith("NOT_A_MEMBER")
    later = first.ask(Ask, AskLease(newest), client())
    none = first.ask(Leased, TakeLease(newest, later.nonce, tuple(granted)), client())
    assert none.seconds == 0, "they answer another ask"
    forged = replace(granted[0], speaker=replace(granted[0].speaker, member=shown(third).candidate.member))
    none = first.ask(Leased, TakeLease(newest, asked.nonce, (granted[0], granted[0], forged)), client())
    assert none.seconds == 0, "one member counts once"
    again = first.ask(Ask, AskLease(newest), client())
    granted = [each.ask(Lease, GrantLease(newest, again), client()) for each in (second, third)]
    assert first.ask(Leased, TakeLease(newest, again.nonce, tuple(granted)), client()).seconds
    assert first.ask(Leased, TakeLease(newest, again.nonce, ()), client()).seconds, "what is held is not lost by that"


def test_a_restarted_member_does_nothing_until_it_has_heard_all_who_could_know_more(
    host: Host, founders: Founders, tmp_path: Path
) -> None:
    made = host.make_key()
    restarted(host, founders, tmp_path, 1)
    first, _, third = host.replicas
    host.silent = {third}
    host.attend()
    refused = host.sign(first, made.wrapped)
    assert isinstance(refused, Refused)
    assert (refused.code, shown(first).current) == ("NO_LEASE", False)
    with pytest.raises(NoMajority):
        host.make_key(key_name(2))
    host.silent = set()
    host.attend()
    assert host.public_key_of(first, made.wrapped) == made.public_key


def test_a_member_that_hears_of_two_different_changes_gets_no_lease(
    host: Host, founders: Founders, tmp_path: Path
) -> None:
    """Only a database that was brought back leads to that."""
    newest = host.certificate
    for number, replica in enumerate(host.replicas[1:]):
        item = unentered(replica, number)
        record = replica.ask(Record, Propose(newest, item, host.path(item)), client())
        replica.ask(Ack, Accept(newest, record), client())
    restarted(host, founders, tmp_path, 1)
    first, second, third = host.replicas
    asked = first.ask(Ask, AskLease(newest), client())
    granted = tuple(each.ask(Lease, GrantLease(newest, asked), client()) for each in (second, third))
    assert first.refusal(TakeLease(newest, asked.nonce, granted), client()).startswith("OTHER_ACCEPTED")


def test_a_seal_that_is_run_twice_is_one_member(host: Host, founders: Founders, tmp_path: Path) -> None:
    first, second, third = host.replicas
    older = host.backup()
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "kme.state").write_bytes((tmp_path / "1" / "kme.state").read_bytes())
    copy = Replica(founders, tmp_path / "copy")
    Host(copy, second, third, store=older).attend()
    assert shown(copy).current
    asked = first.ask(Ask, AskLease(host.certificate), client())
    assert second.refusal(GrantLease(host.certificate, asked), client()).startswith("OTHER_RUN")
    host.silent = {third}
    with pytest.raises(NoMajority):
        host.make_key()
    Host(copy, third, store=older).make_key(key_name(2))


# Members --------------------------------------------------------------------------------------------------------------


def test_a_new_replica_takes_the_place_of_one_that_is_gone(host: Host, founders: Founders, tmp_path: Path) -> None:
    made = host.make_key()
    gone = shown(host.replicas[2]).candidate.member
    joiner = host.replicas[2] = Replica(founders, tmp_path / "4")
    join(host.replicas[0], joiner)
    host.attend()
    members = host.certificate.head.members
    assert len(members) == 3
    assert gone not in members
    assert shown(joiner).candidate.member in members
    assert host.public_key_of(joiner, made.wrapped) == made.public_key


def test_a_replica_too_many_holds_nobody_up(host: Host, founders: Founders, tmp_path: Path) -> None:
    fourth = Replica(founders, tmp_path / "4")
    join(host.replicas[0], fourth)
    host.replicas.append(fourth)
    restarted(host, founders, tmp_path, 1)
    host.attend()
    assert [bool(lease_of(each)) for each in host.replicas] == [True, True, True, False]
    host.make_key()


def test_there_are_no_more_members_than_the_manifest_says(host: Host, founders: Founders, tmp_path: Path) -> None:
    fourth = Replica(founders, tmp_path / "4")
    join(host.replicas[0], fourth)
    candidate = shown(fourth).candidate
    first, newest = host.replicas[0], host.certificate
    for enlistment, code in (
        (Enlistment(candidate, None), "CLUSTER_FULL"),
        (Enlistment(candidate, b"n" * 16), "NOT_A_CANDIDATE"),
        (Enlistment(replace(candidate, mac=bytes(32)), None), "NOT_A_CANDIDATE"),
        (Enlistment(replace(candidate, epoch=2), None), "NOT_A_CANDIDATE"),
        (Enlistment(shown(first).candidate, None), "NOT_A_CANDIDATE"),
    ):
        assert first.refusal(Propose(newest, enlistment, None), client()).startswith(code)
    forged = Certificate(replace(newest.head, number=9), bytes(32))
    assert fourth.refusal(AskLease(forged), client()).startswith("NOT_CERTIFIED")
    granted = first.refusal(GrantLease(newest, fourth.ask(Ask, AskLease(newest), client())), client())
    assert granted.startswith("NOT_A_MEMBER")


# Custodians -----------------------------------------------------------------------------------------------------------


def test_custodians_go_on_with_the_one_that_is_left(host: Host, founders: Founders) -> None:
    made = host.make_key()
    first, second, third = host.replicas
    host.silent = {first, second}
    went_on = third.ask(Proceeded, proceed(founders, third, host.certificate))
    assert (went_on.epoch, went_on.fenced_after_seconds) == (2, 3600)
    host.attend()
    assert host.certificate.head.members == (shown(third).candidate.member,)
    later = host.make_key(key_name(2))
    host.silent = set()
    host.attend()
    for stale in (first, second):
        refused = host.sign(stale, made.wrapped)
        assert isinstance(refused, Refused)
        assert (refused.code, lease_of(stale)) == ("NO_LEASE", 0)
        join(third, stale)
    host.attend()
    for replica in host.replicas:
        assert host.public_key_of(replica, later.wrapped, key_name(2)) == later.public_key
        assert lease_of(replica)


def test_custodians_accept_an_older_database_and_what_was_after_it_is_no_key_any_more(
    host: Host, founders: Founders
) -> None:
    made, older = host.make_key(), host.backup()
    lost = host.make_key(key_name(2))
    went_back = Host(host.replicas[1], store=older)
    host.replicas[1].ask(Proceeded, proceed(founders, host.replicas[1], went_back.certificate))
    went_back.attend()
    assert went_back.public_key_of(host.replicas[1], made.wrapped) == made.public_key
    with pytest.raises(EnclaveRefused, match="never entered"):
        went_back.show(host.replicas[1], WrappedKey(key_name(2), lost.wrapped))


def test_nobody_goes_on_without_custodians_who_accept_this_register(
    host: Host, founders: Founders, tmp_path: Path
) -> None:
    third, newest = host.replicas[2], host.certificate
    assert third.refusal(proceed(founders, third, newest, 1)).startswith("TOO_FEW_APPROVALS")
    request = proceed(founders, third, newest)
    host.make_key()
    assert third.refusal(replace(request, certificate=host.certificate)).startswith("TOO_FEW_APPROVALS")
    strangers = founded(Founders(tmp_path / "other"), tmp_path / "others")
    foreign = proceed(founders, third, strangers.certificate)
    assert third.refusal(foreign).startswith("NOT_CERTIFIED")
    assert third.ask(Status, GetStatus()).epoch == 1


def test_custodians_recover_with_one_register(founders: Founders, tmp_path: Path) -> None:
    lost = Replica(founders, tmp_path / "1")
    packages = bootstrap(lost, founders).packages
    host = Host(lost)
    host.attend()
    before = host.certificate
    host.make_key()
    fresh = host.replicas[0] = Replica(founders, tmp_path / "2")
    fresh.ask(ShareTaken, share(founders, fresh, packages, 0, before))
    taken = fresh.ask(ShareTaken, share(founders, fresh, packages, 1, host.certificate))
    assert taken == ShareTaken(1, 2), "shares with another register do not add up"
    unsigned = replace(share(founders, fresh, packages, 0, before), certificate=host.certificate)
    assert fresh.refusal(unsigned).startswith("NOT_APPROVED")
    found = fresh.ask(Founded, share(founders, fresh, packages, 0, host.certificate))
    assert found.certificate.head.root == host.certificate.head.root
