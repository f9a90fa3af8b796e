"""What custodians and operators do with replicas inside the test's own process, as the CLI does it."""

import hashlib

from nsl_protocol.attestation.binding import Purpose
from nsl_protocol.cluster.custody import Act, with_register
from nsl_protocol.cluster.packages import SharePackage
from nsl_protocol.enclave.agreement import Certificate, Proceed
from nsl_protocol.enclave.membership import (
    Admit,
    Admitted,
    Bootstrap,
    Founded,
    GetQuote,
    Join,
    Joined,
    JoinPrepared,
    PrepareJoin,
    Quoted,
    SubmitShare,
)
from tests.enclave.replica import Founders, Replica

NONCE = b"n" * 32


def approved(founders: Founders, act: Act, digest: bytes, signers: int = 2) -> dict[str, bytes]:
    cluster = founders.constitution.cluster
    return {each.name: each.approve(act, cluster, digest) for each in founders.custodians[:signers]}


def bootstrap(replica: Replica, founders: Founders) -> Founded:
    quote = replica.ask(Quoted, GetQuote(Purpose.BOOTSTRAP, NONCE)).quote
    digest = hashlib.sha256(quote).digest()
    return replica.ask(Founded, Bootstrap(digest, approved(founders, Act.BOOTSTRAP, digest)))


def prepared(member: Replica, joiner: Replica) -> Admit:
    challenge = member.ask(Quoted, GetQuote(Purpose.ENROL_SERVER, NONCE)).challenge
    asked = joiner.ask(JoinPrepared, PrepareJoin(challenge))
    assert asked.collateral is not None
    return Admit(asked.quote, asked.collateral, asked.recipient_key, asked.manifest_version, asked.challenge)


def join(member: Replica, joiner: Replica) -> Joined:
    given = member.ask(Admitted, prepared(member, joiner))
    assert given.collateral is not None
    return joiner.ask(Joined, Join(given.quote, given.collateral, given.package))


def share(
    founders: Founders,
    replica: Replica,
    packages: dict[str, bytes],
    number: int,
    register: Certificate | None = None,
) -> SubmitShare:
    """What a custodian's CLI sends."""
    keys, cluster = founders.custodians[number], founders.constitution.cluster
    quoted = replica.ask(Quoted, GetQuote(Purpose.RECOVERY, NONCE))
    digest = hashlib.sha256(quoted.quote).digest()
    package = SharePackage.opened_by_custodian(packages[keys.name], cluster, keys.recipient)
    sealed = package.for_enclave(cluster, quoted.keys[0])
    signed = with_register(digest, None if register is None else register.head.digest)
    return SubmitShare(digest, keys.name, sealed, register, keys.approve(Act.RECOVER, cluster, signed))


def proceed(founders: Founders, replica: Replica, register: Certificate, signers: int = 2) -> Proceed:
    """What the CLI sends."""
    digest = hashlib.sha256(replica.ask(Quoted, GetQuote(Purpose.PROCEED, NONCE)).quote).digest()
    signed = with_register(digest, register.head.digest)
    return Proceed(digest, register, approved(founders, Act.PROCEED, signed, signers))
