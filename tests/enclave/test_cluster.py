"""How a root comes into a cluster, and who does not get it: each refusal with a reason of its own."""

import hashlib
from pathlib import Path

import pytest
from msgspec.structs import replace

from nsl_enclave.kernel.errors import ManifestError
from nsl_enclave.platform.provisioning import Standing
from nsl_protocol.attestation.binding import Purpose
from nsl_protocol.attestation.policy import EnclaveRule
from nsl_protocol.cluster.custody import Act, with_register
from nsl_protocol.cluster.manifest import Program
from nsl_protocol.cluster.packages import SharePackage
from nsl_protocol.enclave.membership import (
    Admitted,
    ApplyManifest,
    Bootstrap,
    Founded,
    GetPackages,
    GetQuote,
    Join,
    ManifestApplied,
    Quoted,
    ShareTaken,
    SubmitShare,
)
from nsl_protocol.enclave.messages import GetStatus, Status
from tests.enclave.ceremonies import NONCE, approved, bootstrap, join, prepared, share
from tests.enclave.host import Host
from tests.enclave.replica import BentPlatform, Founders, Replica

# Bootstrap ---------------------------------------------------------------------------------------------------------


def test_replicas_share_a_root_that_custodians_approved(founders: Founders, tmp_path: Path) -> None:
    first, second = Replica(founders, tmp_path / "1"), Replica(founders, tmp_path / "2")
    assert bootstrap(first, founders).epoch == 1
    assert join(first, second).epoch == 1
    host = Host(first, second)
    host.attend()
    key = host.make_key()
    assert host.public_key_of(second, key.wrapped) == key.public_key
    again = host.replicas[1] = Replica(founders, tmp_path / "2")
    host.attend()
    assert host.public_key_of(again, key.wrapped) == key.public_key


def test_too_few_custodians_make_no_root(founders: Founders, tmp_path: Path) -> None:
    replica = Replica(founders, tmp_path / "1")
    digest = hashlib.sha256(replica.ask(Quoted, GetQuote(Purpose.BOOTSTRAP, NONCE)).quote).digest()
    one = approved(founders, Act.BOOTSTRAP, digest, 1)
    strangers = Founders(tmp_path / "other")
    for signatures in ({}, one, one | {"c2": one["c1"]}, one | approved(strangers, Act.BOOTSTRAP, digest)):
        assert replica.refusal(Bootstrap(digest, signatures)).startswith("TOO_FEW_APPROVALS")
    assert replica.refusal(Bootstrap(digest, approved(founders, Act.RECOVER, digest))).startswith("TOO_FEW")
    assert replica.ask(Status, GetStatus()).phase == "starting"


def test_what_was_signed_for_one_start_counts_in_no_other(founders: Founders, tmp_path: Path) -> None:
    replica = Replica(founders, tmp_path / "1")
    digest = hashlib.sha256(replica.ask(Quoted, GetQuote(Purpose.BOOTSTRAP, NONCE)).quote).digest()
    signatures = approved(founders, Act.BOOTSTRAP, digest)
    assert Replica(founders, tmp_path / "2").refusal(Bootstrap(digest, signatures)).startswith("QUOTE_UNKNOWN")
    recovery = hashlib.sha256(replica.ask(Quoted, GetQuote(Purpose.RECOVERY, NONCE)).quote).digest()
    assert replica.refusal(Bootstrap(recovery, approved(founders, Act.BOOTSTRAP, recovery))).startswith("QUOTE_UNKNOWN")


def test_the_packages_can_be_asked_for_again(founders: Founders, tmp_path: Path) -> None:
    """Whoever bootstrapped may have been cut off before the answer."""
    replica = Replica(founders, tmp_path / "1")
    made = bootstrap(replica, founders)
    assert Replica(founders, tmp_path / "1").ask(Founded, GetPackages()) == made
    assert set(made.packages) == {"c1", "c2", "c3"}


# Joining ------------------------------------------------------------------------------------------------------------


def other_measurement() -> BentPlatform:
    return BentPlatform(mrenclave=b"x" * 32)


REFUSED = {
    "another measurement": (lambda: BentPlatform(mrenclave=b"x" * 32), "measurement"),
    "a debug enclave": (lambda: BentPlatform(debug=True), "debug"),
    "an outdated platform": (lambda: BentPlatform(standing=Standing("OutOfDate")), "tcb_status"),
    "an advisory": (lambda: BentPlatform(standing=Standing(advisories=("INTEL-SA-00001",))), "advisory"),
    "a revoked platform": (lambda: BentPlatform(standing=Standing(revoked=True)), "revoked"),
}


@pytest.mark.parametrize("what", sorted(REFUSED))
def test_an_enclave_that_the_manifest_does_not_take_gets_no_root(founders: Founders, tmp_path: Path, what: str) -> None:
    platform, reason = REFUSED[what]
    member = Replica(founders, tmp_path / "1")
    bootstrap(member, founders)
    refusal = member.refusal(prepared(member, Replica(founders, tmp_path / "2", platform())))
    assert refusal.startswith(f"NOT_ADMITTED: {reason}: ")


def test_the_same_enclave_of_another_cluster_gets_no_root(founders: Founders, tmp_path: Path) -> None:
    member, others = Replica(founders, tmp_path / "1"), Founders(tmp_path / "other")
    bootstrap(member, founders)
    stranger = Replica(others, tmp_path / "2")
    assert member.refusal(prepared(member, stranger)).startswith("NOT_ADMITTED: report_data: ")


def test_a_replayed_join_gets_no_root(founders: Founders, tmp_path: Path) -> None:
    member, joiner = Replica(founders, tmp_path / "1"), Replica(founders, tmp_path / "2")
    bootstrap(member, founders)
    request = prepared(member, joiner)
    member.ask(Admitted, request)
    assert member.refusal(request) == "NOT_ADMITTED: Ask for a quote first: the join must be over its challenge."
    member.ask(Quoted, GetQuote(Purpose.ENROL_SERVER, NONCE))
    assert member.refusal(request).startswith("NOT_ADMITTED: report_data: ")


def test_a_quote_for_another_purpose_or_key_gets_no_root(founders: Founders, tmp_path: Path) -> None:
    member, joiner = Replica(founders, tmp_path / "1"), Replica(founders, tmp_path / "2")
    bootstrap(member, founders)
    request = prepared(member, joiner)
    assert member.refusal(replace(request, recipient_key=b"r" * 32)).startswith("NOT_ADMITTED: report_data: ")
    for purpose in (Purpose.RECOVERY, Purpose.ENROL_SERVER, Purpose.BOOTSTRAP):
        challenge = member.ask(Quoted, GetQuote(Purpose.ENROL_SERVER, NONCE)).challenge
        quote = joiner.ask(Quoted, GetQuote(purpose, challenge)).quote
        assert member.refusal(replace(request, quote=quote)).startswith("NOT_ADMITTED: report_data: ")


def test_a_replica_with_another_manifest_gets_no_root(founders: Founders, tmp_path: Path) -> None:
    member, old = Replica(founders, tmp_path / "1"), Replica(founders, tmp_path / "2")
    bootstrap(member, founders)
    member.ask(ManifestApplied, ApplyManifest(founders.update(lease_seconds=60)))
    request = prepared(member, old)
    assert member.refusal(request).startswith("OLD_MANIFEST: The replica goes by manifest 1; 2 holds here.")
    request = prepared(member, old)
    assert member.refusal(replace(request, manifest_version=2)).startswith("NOT_ADMITTED: report_data: ")


def test_older_collateral_than_was_admitted_before_is_refused(founders: Founders, tmp_path: Path) -> None:
    newer = BentPlatform(standing=Standing(evaluation_number=7, root_crl_number=3, pck_crl_number=3))
    member = Replica(founders, tmp_path / "1")
    bootstrap(member, founders)
    join(member, Replica(founders, tmp_path / "2", newer))
    refusal = member.refusal(prepared(member, Replica(founders, tmp_path / "3")))
    assert refusal.startswith("NOT_ADMITTED: floor: ")
    restarted = Replica(founders, tmp_path / "1")
    refusal = restarted.refusal(prepared(restarted, Replica(founders, tmp_path / "3")))
    assert refusal.startswith("NOT_ADMITTED: floor: "), "floors outlive a restart"


def test_a_replica_takes_a_root_from_a_listed_enclave_alone(founders: Founders, tmp_path: Path) -> None:
    impostor = Replica(founders, tmp_path / "1", other_measurement())
    bootstrap(impostor, founders)
    honest = Replica(founders, tmp_path / "2")
    bootstrap(honest, founders)
    joiner = Replica(founders, tmp_path / "3")
    given = impostor.ask(Admitted, prepared(impostor, joiner))
    assert given.collateral is not None
    wrong = Join(given.quote, given.collateral, given.package)
    assert joiner.refusal(wrong).startswith("NOT_ADMITTED: measurement: ")
    assert joiner.refusal(wrong).startswith("NOT_ADMITTED: Nothing was asked for")
    genuine = honest.ask(Admitted, prepared(honest, joiner))
    assert genuine.collateral is not None
    mixed = Join(genuine.quote, genuine.collateral, given.package)
    assert joiner.refusal(mixed).startswith("NOT_ADMITTED: report_data: ")
    assert joiner.ask(Status, GetStatus()).phase == "starting"


# Recovery -----------------------------------------------------------------------------------------------------------


def test_when_all_are_gone_custodians_bring_the_root_back_in_a_new_epoch(founders: Founders, tmp_path: Path) -> None:
    lost = Replica(founders, tmp_path / "1")
    packages = bootstrap(lost, founders).packages
    host = Host(lost)
    host.attend()
    key = host.make_key()
    register = host.certificate
    fresh = host.replicas[0] = Replica(founders, tmp_path / "2")
    assert fresh.ask(ShareTaken, share(founders, fresh, packages, 2, register)) == ShareTaken(1, 2)
    found = fresh.ask(Founded, share(founders, fresh, packages, 0, register))
    assert found.epoch == 2
    host.attend()
    assert host.public_key_of(fresh, key.wrapped) == key.public_key
    # The packages of before are of another set now, and those that came with the recovery work.
    another = Replica(founders, tmp_path / "3")
    another.ask(ShareTaken, share(founders, another, found.packages, 1))
    refusal = another.refusal(share(founders, another, packages, 0))
    assert refusal == "BAD_SHARE: The share of c1 is not of the others' set."
    assert another.ask(Founded, share(founders, another, found.packages, 0)).epoch == 3


def test_a_bad_share_is_named_and_spoils_nothing(founders: Founders, tmp_path: Path) -> None:
    packages = bootstrap(Replica(founders, tmp_path / "1"), founders).packages
    fresh, cluster = Replica(founders, tmp_path / "2"), founders.constitution.cluster
    fresh.ask(ShareTaken, share(founders, fresh, packages, 0))
    keys = founders.custodians[1]
    honest = SharePackage.opened_by_custodian(packages["c2"], cluster, keys.recipient)
    quoted = fresh.ask(Quoted, GetQuote(Purpose.RECOVERY, NONCE))
    digest = hashlib.sha256(quoted.quote).digest()
    approval = keys.approve(Act.RECOVER, cluster, with_register(digest, None))
    for bad in (bytes(33), b"\2" + bytes(32), b"\3" + honest.share[1:]):
        sealed = replace(honest, share=bad).for_enclave(cluster, quoted.keys[0])
        assert "c2" in fresh.refusal(SubmitShare(digest, "c2", sealed, None, approval))
    assert fresh.refusal(SubmitShare(digest, "c2", packages["c2"], None, approval)).startswith(
        "BAD_SHARE: The share of c2 "
    )
    assert fresh.ask(Founded, share(founders, fresh, packages, 1)).epoch == 2


def test_a_share_without_its_custodians_word_is_not_taken(founders: Founders, tmp_path: Path) -> None:
    packages = bootstrap(Replica(founders, tmp_path / "1"), founders).packages
    fresh = Replica(founders, tmp_path / "2")
    request = share(founders, fresh, packages, 0)
    assert fresh.refusal(replace(request, custodian="c2")).startswith("NOT_APPROVED")
    assert fresh.refusal(replace(request, custodian="nobody")).startswith("NOT_APPROVED")
    assert fresh.refusal(replace(request, approval=bytes(64))).startswith("NOT_APPROVED")
    assert Replica(founders, tmp_path / "3").refusal(request).startswith("QUOTE_UNKNOWN")


# The manifest -------------------------------------------------------------------------------------------------------


def test_a_manifest_is_applied_once_and_never_taken_back(founders: Founders, tmp_path: Path) -> None:
    replica = Replica(founders, tmp_path / "1")
    bootstrap(replica, founders)
    authority = replica.cluster.authority.certificate
    first = founders.update(lease_seconds=60)
    assert replica.ask(ManifestApplied, ApplyManifest(first)).version == 2
    assert replica.cluster.authority.certificate.public_key() != authority.public_key()
    assert replica.refusal(ApplyManifest(first)).startswith("MANIFEST_REFUSED: The manifest is version 2; ")
    assert Replica(founders, tmp_path / "1").ask(Status, GetStatus()).manifest_version == 2
    (founders.directory / "manifest.json").unlink()
    with pytest.raises(ManifestError, match="this replica has seen version 2"):
        Replica(founders, tmp_path / "1")


def test_a_manifest_that_may_not_follow_is_refused(founders: Founders, tmp_path: Path) -> None:
    replica = Replica(founders, tmp_path / "1")
    bootstrap(replica, founders)
    too_few = founders.update(signers=1)
    (founders.directory / "manifest.json").unlink()
    assert "is signed by 1 custodians; it takes 2" in replica.refusal(ApplyManifest(too_few))
    assert "is of another cluster" in replica.refusal(ApplyManifest(founders.update(cluster="00" * 32)))
    (founders.directory / "manifest.json").unlink()
    assert "MANIFEST_REFUSED" in replica.refusal(ApplyManifest(b"{}"))
    assert replica.ask(Status, GetStatus()).manifest_version == 1


def test_an_enclave_that_a_manifest_no_longer_lists_cannot_join(founders: Founders, tmp_path: Path) -> None:
    member = Replica(founders, tmp_path / "1")
    bootstrap(member, founders)
    listed = {Program.KME: (EnclaveRule(mrenclave=(b"x" * 32).hex()),)}
    member.ask(ManifestApplied, ApplyManifest(founders.update(programs=listed)))
    refusal = member.refusal(prepared(member, Replica(founders, tmp_path / "2")))
    assert refusal.startswith("NOT_ADMITTED: measurement: ")


def test_another_clusters_seal_is_refused(founders: Founders, tmp_path: Path) -> None:
    bootstrap(Replica(founders, tmp_path / "1"), founders)
    with pytest.raises(ManifestError, match="The seal is of cluster"):
        Replica(Founders(tmp_path / "other"), tmp_path / "1")
