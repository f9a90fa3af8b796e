"""What the enclave says of a key, signed inside it, and how anybody checks that: pure, and without a network.

The statement is signed by the cluster's log key (Ed25519), and comes with a quote of the enclave that made it, which
binds that key and the asker's nonce. So it is believed for two things only: a root that quotes may chain to, and which
cluster and enclaves are meant. Whoever has pinned neither is told so at every step.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import DecodeError, Meta, Raw, Struct
from msgspec.json import decode
from msgspec.json import encode as to_json
from msgspec.msgpack import encode

from nsl_protocol.attestation.binding import Purpose, report_data
from nsl_protocol.attestation.policy import Verdict, judge
from nsl_protocol.attestation.reasons import Reason, ReasonCode
from nsl_protocol.attestation.trust import PinnedTrust
from nsl_protocol.attestation.verify import Collateral, Mode
from nsl_protocol.errors import CodecError

_TAG = b"nsl-key-attestation-v1\0"

type Bytes32 = Annotated[bytes, Meta(min_length=32, max_length=32)]
type Hex = Annotated[str, Meta(pattern="^([0-9a-f]{2})*$", max_length=2048)]
type Hex32 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
type Hex64 = Annotated[str, Meta(pattern="^[0-9a-f]{128}$")]
type Word = Annotated[str, Meta(max_length=40)]
type Count = Annotated[int, Meta(ge=0, le=2**53 - 1)]


class Origin(StrEnum):
    """Where a private key was made. It stays with the key for good."""

    GENERATED = "generated"  # in the enclave: nobody else has ever had it
    IMPORTED = "imported"  # elsewhere: whoever made it may have it still


# The statement ------------------------------------------------------------------------------------------------------


class KeyStatement(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What the present edition of a key is.

    Attributes:
        epoch, register: of the cluster, and the number of the change of the register of keys that this is read at.
        public_key: of a destroyed key, that it had.
        policy: SHA-256 of its one encoding (``Policy.hash``).
        state: active, disabled, destroying or destroyed.
        measurement, mode: of the enclave that says so.
        time: of the enclave, Unix seconds.
        nonce: the asker's.
        destroyed_at: of a destroyed key, enclave time, Unix seconds; 0 of any other.
        chain_code_sha256: of the keys below it (BIP-32); empty where there are none. Who has the chain code checks it;
            who has not learns nothing of them.
    """

    cluster: Bytes32
    epoch: Count
    register: Count
    tenant: Annotated[bytes, Meta(min_length=16, max_length=16)]
    key: Annotated[bytes, Meta(min_length=16, max_length=16)]
    version: Count
    curve: Word
    public_key: Annotated[bytes, Meta(max_length=1024)]
    origin: Origin
    exportable: bool
    recipients: tuple[Bytes32, ...]
    policy: Bytes32
    state: Word
    measurement: Annotated[bytes, Meta(min_length=32, max_length=48)]
    mode: Mode
    time: Count
    nonce: Bytes32
    chain_code_sha256: Annotated[bytes, Meta(max_length=32)] = b""
    destroyed_at: Count = 0

    def signed(self, quote: bytes) -> bytes:
        """What the signature is over, with the quote that it comes with: no other signature begins so."""
        return _TAG + encode((self, hashlib.sha256(quote).digest()))


class StatementDocument(Struct, frozen=True, forbid_unknown_fields=True):
    """A ``KeyStatement`` as JSON: ids as such, bytes as lower-case hex, ``time`` in whole seconds."""

    cluster: Hex32
    epoch: Count
    register: Count
    tenant_id: UUID
    key_id: UUID
    version: Count
    curve: Word
    public_key: Hex
    origin: Origin
    exportable: bool
    export_recipients: tuple[Hex32, ...]
    policy_sha256: Hex32
    state: Word
    measurement: Hex
    mode: Mode
    time: Annotated[datetime, Meta(tz=True)]
    nonce: Hex32
    chain_code_sha256: Annotated[str, Meta(pattern="^([0-9a-f]{64})?$")] = ""
    destroyed_at: Annotated[datetime, Meta(tz=True)] | None = None

    @classmethod
    def of(cls, statement: KeyStatement) -> "StatementDocument":
        """The same in JSON's terms."""
        return cls(
            cluster=statement.cluster.hex(),
            epoch=statement.epoch,
            register=statement.register,
            tenant_id=UUID(bytes=statement.tenant),
            key_id=UUID(bytes=statement.key),
            version=statement.version,
            curve=statement.curve,
            public_key=statement.public_key.hex(),
            origin=statement.origin,
            exportable=statement.exportable,
            export_recipients=tuple(each.hex() for each in statement.recipients),
            policy_sha256=statement.policy.hex(),
            state=statement.state,
            measurement=statement.measurement.hex(),
            mode=statement.mode,
            time=datetime.fromtimestamp(statement.time, UTC),
            nonce=statement.nonce.hex(),
            chain_code_sha256=statement.chain_code_sha256.hex(),
            destroyed_at=datetime.fromtimestamp(statement.destroyed_at, UTC) if statement.destroyed_at else None,
        )

    def parsed(self) -> KeyStatement:
        """The statement. Raises CodecError: its times are not in whole seconds of this era."""
        return KeyStatement(
            bytes.fromhex(self.cluster),
            self.epoch,
            self.register,
            self.tenant_id.bytes,
            self.key_id.bytes,
            self.version,
            self.curve,
            bytes.fromhex(self.public_key),
            self.origin,
            self.exportable,
            tuple(map(bytes.fromhex, self.export_recipients)),
            bytes.fromhex(self.policy_sha256),
            self.state,
            bytes.fromhex(self.measurement),
            self.mode,
            _seconds(self.time, "time"),
            bytes.fromhex(self.nonce),
            bytes.fromhex(self.chain_code_sha256),
            0 if self.destroyed_at is None else _seconds(self.destroyed_at, "destroyed_at"),
        )


def _seconds(time: datetime, field: str) -> int:
    seconds = int(time.timestamp())
    if time.microsecond or seconds < 0:
        raise CodecError("is not in whole seconds since 1970", field=field)
    return seconds


class KeyAttestation(Struct, frozen=True, forbid_unknown_fields=True):
    """A statement with everything that it takes to check it: a file, and an answer of the API.

    Attributes:
        log_key: that signed it (Ed25519, hex), and that the quote (base64) binds, with the nonce and:
        manifest_version: by which the enclave goes.
        collateral: of the quote, as it was then.
    """

    statement: StatementDocument
    signature: Hex64
    log_key: Hex32
    manifest_version: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    quote: Annotated[str, Meta(max_length=90_000)]
    collateral: dict[str, str]


class DestructionCertificate(Struct, frozen=True, forbid_unknown_fields=True):
    """That a key was destroyed: the enclave's statement, which names when, and what the operator adds.

    Attributes:
        attestation: whose statement is of a destroyed key. Its tombstone holds over every row and database that is
            restored.
        final_at: by the operator's word, no backup with the wrapped key is kept any longer than until then.
    """

    attestation: KeyAttestation
    final_at: Annotated[datetime, Meta(tz=True)]


def read_key_attestation(document: bytes) -> KeyAttestation:
    """An attestation's file, or the attestation in a certificate of destruction. Raises CodecError."""
    try:
        found = decode(document, type=dict[str, Raw])
        return decode(found.get("attestation", document), type=KeyAttestation)
    except (DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CodecError(str(error), field="attestation") from error


# Its verification ---------------------------------------------------------------------------------------------------


class Step(StrEnum):
    """What is checked, in this order."""

    SIGNATURE = "signature"  # statement and quote are signed by the log key
    LOG_KEY = "log_key"  # which is the pinned one, where one is pinned, and the one that the quote binds
    QUOTE = "quote"  # the quote is genuine, under a pinned root
    ENCLAVE = "enclave"  # of an enclave that is pinned
    CLUSTER = "cluster"  # statement and quote are of the pinned cluster
    SPEAKER = "speaker"  # the statement names the enclave that was quoted, and how it runs
    NONCE = "nonce"  # the statement is over the verifier's nonce, where he has one


class Outcome(StrEnum):
    HOLDS = "holds"
    REFUSED = "refused"
    UNANCHORED = "unanchored"  # consistent in itself, but nothing is pinned that it hangs on


@dataclass(frozen=True, slots=True)
class Finding:
    """``detail`` is a sentence for people."""

    step: Step
    outcome: Outcome
    detail: str


@dataclass(frozen=True, slots=True)
class KeyVerdict:
    """``statement`` is None where it cannot even be read. Believe it only when the verdict is ``accepted``."""

    statement: KeyStatement | None
    findings: tuple[Finding, ...]

    @property
    def accepted(self) -> bool:
        """Every step holds."""
        return bool(self.findings) and all(each.outcome is Outcome.HOLDS for each in self.findings)


def verify_key_attestation(
    attested: KeyAttestation, trust: PinnedTrust, at: int, nonce: bytes | None = None
) -> KeyVerdict:
    """Whether an enclave that is pinned says this of the key.

    Args:
        at: Unix seconds, as of which the quote's collateral must hold.
        nonce: what the verifier has asked with; None: it is somebody else's answer, of the time that it states.
    """
    try:
        statement = attested.statement.parsed()
        quote = _canonical(attested.quote)
        collateral = Collateral(to_json(attested.collateral))
    except CodecError as error:
        detail = f"The attestation cannot be read: {error}."
        return KeyVerdict(None, tuple(Finding(step, Outcome.REFUSED, detail) for step in Step))
    cluster = statement.cluster if trust.cluster is None else bytes.fromhex(trust.cluster)
    bound = bytes.fromhex(attested.log_key), attested.manifest_version.to_bytes(4)
    expected = report_data(Purpose.EVIDENCE, cluster, statement.nonce, *bound)
    verdict = judge(quote, collateral, at, trust.anchors, trust.policy, expected)
    checks = (
        _signature(attested, statement, quote, trust),
        _log_key(attested, trust, verdict),
        _quote(trust, verdict),
        _enclave(trust, verdict),
        _cluster(statement, cluster, trust),
        _speaker(statement, verdict),
        _nonce(statement, nonce, trust),
    )
    return KeyVerdict(statement, tuple(Finding(step, *check) for step, check in zip(Step, checks, strict=True)))


def _canonical(text: str) -> bytes:
    try:
        found = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise CodecError(str(error), field="quote") from error
    if base64.b64encode(found).decode() != text:
        raise CodecError("is not in its canonical form", field="quote")
    return found


type _Check = tuple[Outcome, str]


def _held(holds: object, yes: str, no: str) -> _Check:
    return (Outcome.HOLDS, yes) if holds else (Outcome.REFUSED, no)


def _anchored(check: _Check, *, pinned: bool, what: str) -> _Check:
    """What holds counts only where something is pinned that it hangs on."""
    outcome, detail = check
    if outcome is Outcome.HOLDS and not pinned:
        return Outcome.UNANCHORED, f"{detail} But the trust file pins no {what}."
    return check


def _signature(attested: KeyAttestation, statement: KeyStatement, quote: bytes, trust: PinnedTrust) -> _Check:
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(attested.log_key))
    try:
        key.verify(bytes.fromhex(attested.signature), statement.signed(quote))
    except InvalidSignature:
        return Outcome.REFUSED, "The signature is not over this statement and quote, or not by this log key."
    check = Outcome.HOLDS, "The log key has signed the statement."
    pinned = bool(trust.roots) or trust.log_key is not None
    return _anchored(check, pinned=pinned, what="log key, and no root that a quote of it could chain to")


def _log_key(attested: KeyAttestation, trust: PinnedTrust, verdict: Verdict) -> _Check:
    if trust.log_key is not None and not hmac.compare_digest(trust.log_key, attested.log_key):
        return Outcome.REFUSED, "It is another log key than the pinned one."
    if verdict.claims is None:
        return _nothing_proven(trust)
    return _held(
        not _codes(verdict.reasons) & {ReasonCode.REPORT_DATA},
        "The quote binds the log key, the cluster and the nonce.",
        "The quote is bound to another log key, cluster, nonce or manifest.",
    )


def _quote(trust: PinnedTrust, verdict: Verdict) -> _Check:
    if not trust.roots:
        return Outcome.UNANCHORED, "The trust file pins no root that a quote could chain to."
    own = {ReasonCode.REPORT_DATA, ReasonCode.MEASUREMENT, ReasonCode.SECURITY_VERSION}
    against = [each.detail for each in verdict.reasons if each.code not in own]
    return _held(not against, "The quote is genuine, under a pinned root.", " ".join(against))


def _enclave(trust: PinnedTrust, verdict: Verdict) -> _Check:
    if not trust.measurements:
        return Outcome.UNANCHORED, "The trust file pins no measurement of an enclave."
    if verdict.claims is None:
        return _nothing_proven(trust)
    against = [each.detail for each in verdict.reasons if each.code is ReasonCode.MEASUREMENT]
    return _held(not against, "The enclave is a pinned one.", " ".join(against))


def _cluster(statement: KeyStatement, cluster: bytes, trust: PinnedTrust) -> _Check:
    same = hmac.compare_digest(statement.cluster, cluster)
    check = _held(same, f"The statement is of cluster {cluster.hex()}.", "The statement is of another cluster.")
    return _anchored(check, pinned=trust.cluster is not None, what="cluster")


def _speaker(statement: KeyStatement, verdict: Verdict) -> _Check:
    if verdict.quote is None:
        return Outcome.REFUSED, "There is no quote of who says it."
    measured = hmac.compare_digest(statement.measurement, verdict.quote.measurement)
    if not measured:
        return Outcome.REFUSED, "The statement names another enclave than the one that was quoted."
    if verdict.claims is None:
        return Outcome.UNANCHORED, "The statement names the enclave of the quote, which is not proven."
    same = statement.mode is verdict.claims.mode
    return _held(
        same, f"The quoted enclave says it, in mode {statement.mode}.", "The mode is another than the quote's."
    )


def _nonce(statement: KeyStatement, nonce: bytes | None, trust: PinnedTrust) -> _Check:
    if nonce is None:
        check: _Check = Outcome.HOLDS, "No nonce was asked for: it counts as of the time that it states."
    else:
        same = hmac.compare_digest(statement.nonce, nonce)
        check = _held(same, "It answers the nonce.", "It answers another nonce.")
    return _anchored(check, pinned=bool(trust.roots), what="root that a quote could chain to")


def _nothing_proven(trust: PinnedTrust) -> _Check:
    if not trust.roots:
        return Outcome.UNANCHORED, "Without a pinned root, nothing in the quote is proven."
    return Outcome.REFUSED, "The quote does not verify, so nothing in it is proven."


def _codes(reasons: Sequence[Reason]) -> set[ReasonCode]:
    return {each.code for each in reasons}
