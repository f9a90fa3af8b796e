"""A receipt: everything that shows what an enclave signed, why, and that it stands in the log. Checked offline.

Each step says what it rests on. Where the one who checks has pinned nothing for it, the step is ``unanchored``: the
receipt agrees with itself, which anyone's would.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta, Struct

from nsl_protocol.attestation.binding import NONCE_BYTES, Purpose, report_data
from nsl_protocol.attestation.policy import judge
from nsl_protocol.attestation.trust import PinnedTrust
from nsl_protocol.attestation.verify import Collateral
from nsl_protocol.audit.heads import SignedHead, Witness, origin, parse_signed_head, verify_log_line
from nsl_protocol.audit.leaves import EnclaveLeaf, HexHash, commits, read_leaf
from nsl_protocol.audit.merkle import leaf_hash
from nsl_protocol.audit.proofs import PROOF_HASHES_MAX, verify_inclusion
from nsl_protocol.enclave.messages import Curve
from nsl_protocol.enclave.signable import Signable
from nsl_protocol.enclave.signed import read_signable, signed_data, transaction_of, verify_signature
from nsl_protocol.errors import CodecError
from nsl_protocol.policy.document import read_policy

VERSION = 1
RECEIPT_BYTES_MAX = 1 << 21
TIME_BYTES = 8
#: evidence is no further from when a witness saw the head: as long as collateral of Intel's holds
EVIDENCE_SECONDS_MAX = 30 * 86_400
_EVIDENCE_TAG = b"nsl-receipt-evidence-v1"

type Hex = Annotated[str, Meta(pattern="^([0-9a-f]{2})*$", max_length=600_000)]
type Base64 = Annotated[str, Meta(pattern="^[A-Za-z0-9+/]*={0,2}$", max_length=200_000)]
type Count = Annotated[int, Meta(ge=0, le=2**53 - 1)]


class SignatureOf(Struct, frozen=True, forbid_unknown_fields=True):
    """``value``: r‖s, or Ed25519's, as the enclave made it; ``public_key`` as the key has it. Hex."""

    curve: Curve
    public_key: Hex
    value: Hex


class TransactionOf(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the signed thing is a transaction: its chain and hash, as the chain writes it."""

    chain: str
    hash: str


class EvidenceOf(Struct, frozen=True, forbid_unknown_fields=True):
    """A quote that binds cluster, log key and manifest version, with the collateral of when it was taken.

    The last 8 bytes of the nonce are that time, Unix seconds; see ``evidence_nonce``.
    """

    nonce: HexHash
    manifest_version: Annotated[int, Meta(ge=0, le=2**32 - 1)]
    log_key: HexHash
    quote: Base64
    collateral: dict[str, str]

    @property
    def unix_seconds(self) -> int:
        """When it was taken, as the one who asked for it says."""
        return int.from_bytes(bytes.fromhex(self.nonce)[-TIME_BYTES:])


def evidence_nonce(certificates: bytes, collateral: Mapping[str, str], unix_seconds: int) -> bytes:
    """A nonce for evidence that receipts show: over what no signature covers of it, and the time.

    So the quote binds all of its evidence. That it is fresh shows by nothing but the time and the witnesses.

    Args:
        certificates: of the platform, as a quote has them at its end.
    """
    digest = hashlib.sha256()
    for part in (_EVIDENCE_TAG, certificates, msgspec.json.encode(collateral, order="sorted")):
        digest.update(len(part).to_bytes(4) + part)
    return digest.digest()[: NONCE_BYTES - TIME_BYTES] + unix_seconds.to_bytes(TIME_BYTES)


class Receipt(Struct, frozen=True, forbid_unknown_fields=True):
    """
    Attributes:
        cluster: id, hex.
        request: msgpack of what the enclave was asked to sign, hex (``enclave.messages.Signable``).
        decoded: what it understood, JSON text; ``salt``: of the leaf's commitment to that.
        leaf: its exact text in the log; at ``index``, with the ``inclusion`` proof in the tree of the ``checkpoint``.
        transaction: null for what is none.
        policy: the document that the key was used by, as its hash is made; null where the leaf names none.
    """

    version: int
    id: str
    cluster: HexHash
    request: Hex
    decoded: str
    salt: Hex
    signature: SignatureOf
    leaf: str
    index: Count
    inclusion: Annotated[tuple[HexHash, ...], Meta(max_length=PROOF_HASHES_MAX)]
    checkpoint: str
    evidence: EvidenceOf
    transaction: TransactionOf | None
    policy: str | None = None


class Verdict(StrEnum):
    OK = "ok"
    FAILED = "failed"
    UNANCHORED = "unanchored"  # it agrees with the rest, and you have pinned nothing to hold against it
    ABSENT = "absent"  # there is nothing to check


class Step(NamedTuple):
    """One check: its name, what came of it, and on what it rests or why it failed."""

    name: str
    verdict: Verdict
    detail: str


class _Unanchored(Exception):
    """Nothing is pinned."""


class _Absent(Exception):
    """Nothing is there."""


def read_receipt(data: bytes) -> Receipt:
    """Raises CodecError."""
    return _read(data, Receipt, "receipt")


def verify_receipt(receipt: Receipt, trust: PinnedTrust) -> tuple[Step, ...]:
    """Every step; the receipt holds when each is ``ok``, or ``absent``: see ``holds``."""
    return tuple(_Check(receipt, trust).steps())


def holds(steps: tuple[Step, ...]) -> bool:
    """Whether nothing failed and nothing was left unanchored."""
    return all(each.verdict in (Verdict.OK, Verdict.ABSENT) for each in steps)


class _Check:
    def __init__(self, receipt: Receipt, trust: PinnedTrust) -> None:
        self._receipt = receipt
        self._trust = trust

    def steps(self) -> Iterator[Step]:
        checks: tuple[tuple[str, Callable[[], str]], ...] = (
            ("cluster", self._of_cluster),
            ("evidence", self._evidence),
            ("head", self._head_signed),
            ("witnesses", self._cosigned),
            ("inclusion", self._included),
            ("identity", self._named),
            ("request", self._requested),
            ("meaning", self._meant),
            ("policy", self._decided),
            ("outcome", self._came_out),
            ("signature", self._signed),
            ("transaction", self._in_transaction),
        )
        for name, check in checks:
            try:
                yield Step(name, Verdict.OK, check())
            except _Unanchored as why:
                yield Step(name, Verdict.UNANCHORED, str(why))
            except _Absent as why:
                yield Step(name, Verdict.ABSENT, str(why))
            except CodecError as error:
                yield Step(name, Verdict.FAILED, str(error))

    @cached_property
    def _head(self) -> SignedHead:
        return parse_signed_head(self._receipt.checkpoint)

    @cached_property
    def _leaf(self) -> EnclaveLeaf:
        leaf = read_leaf(self._receipt.leaf.encode())
        if not isinstance(leaf, EnclaveLeaf) or leaf.act != "signature":
            raise CodecError("is no signature of an enclave", field="leaf")
        return leaf

    @cached_property
    def _what(self) -> Signable:
        return read_signable(bytes.fromhex(self._receipt.request))

    @cached_property
    def _decoded(self) -> dict[str, Any]:
        try:
            return msgspec.json.decode(self._receipt.decoded, type=dict[str, Any])
        except (msgspec.DecodeError, RecursionError) as error:
            raise CodecError(str(error), field="decoded") from error

    def _of_cluster(self) -> str:
        wanted = origin(bytes.fromhex(self._receipt.cluster))
        if self._head.head.origin != wanted:
            raise CodecError(f"is of {self._head.head.origin}, not of {wanted}", field="checkpoint")
        if self._trust.cluster is None:
            raise _Unanchored(f"Pin `cluster`: the receipt says {self._receipt.cluster}.")
        if self._trust.cluster != self._receipt.cluster:
            raise CodecError(f"is {self._receipt.cluster}; you trust {self._trust.cluster}", field="cluster")
        return f"of the cluster {self._receipt.cluster}"

    def _evidence(self) -> str:
        evidence, trust = self._receipt.evidence, self._trust
        keys = bytes.fromhex(evidence.log_key), evidence.manifest_version.to_bytes(4)
        cluster, nonce = bytes.fromhex(self._receipt.cluster), bytes.fromhex(evidence.nonce)
        expected = report_data(Purpose.EVIDENCE, cluster, nonce, *keys)
        if not trust.roots or not trust.measurements:
            raise _Unanchored("Pin `roots` and `measurements`: without them any enclave of anybody's would do.")
        quote = _base64(evidence.quote, "quote")
        verdict = judge(
            quote, Collateral.of(evidence.collateral), evidence.unix_seconds, trust.anchors, trust.policy, expected
        )
        if verdict.quote is None or verdict.claims is None or not verdict.accepted:
            raise CodecError(" ".join(f"{each.code}: {each.detail}" for each in verdict.reasons), field="evidence")
        if evidence_nonce(verdict.quote.certificates, evidence.collateral, evidence.unix_seconds) != nonce:
            raise CodecError("is not what the quote's nonce is over: certificates or collateral", field="evidence")
        mode = verdict.claims.mode
        return f"{mode} enclave {verdict.quote.measurement.hex()} has the log key {evidence.log_key}"

    def _head_signed(self) -> str:
        log_key = self._receipt.evidence.log_key
        verify_log_line(self._head, bytes.fromhex(log_key))
        if self._trust.log_key is not None and self._trust.log_key != log_key:
            raise CodecError(f"is {log_key}; you trust {self._trust.log_key}", field="log_key")
        if self._trust.log_key is None and not (self._trust.roots and self._trust.measurements):
            raise _Unanchored(f"Pin `log_key`, or what the evidence needs: the log key is {log_key}.")
        return f"the log key has signed the tree of {self._head.head.size} leaves"

    def _cosigned(self) -> str:
        if not self._trust.witnesses_needed:
            raise _Absent("You want none: when the head was there is the word of whoever made the receipt.")
        if not self._trust.witnesses:
            raise _Unanchored("Pin `witnesses`; or say with `witnesses_needed` 0 that you go without.")
        witnesses = list(map(Witness.parse, self._trust.witnesses))
        times = {each.name: time for each in witnesses if (time := each.cosigned_at(self._head)) is not None}
        if len(times) < self._trust.witnesses_needed:
            raise CodecError(
                f"{len(times)} of {self._trust.witnesses_needed} cosignatures are there", field="witnesses"
            )
        if not any(abs(time - self._receipt.evidence.unix_seconds) <= EVIDENCE_SECONDS_MAX for time in times.values()):
            raise CodecError(
                f"is of {self._receipt.evidence.unix_seconds}, months from when the witnesses saw the head",
                field="evidence",
            )
        return ", ".join(f"{name} at {time}" for name, time in times.items())

    def _included(self) -> str:
        head, receipt = self._head.head, self._receipt
        proof = [bytes.fromhex(each) for each in receipt.inclusion]
        verify_inclusion(leaf_hash(receipt.leaf.encode()), receipt.index, head.size, proof, head.root)
        return f"leaf {receipt.index} of {head.size}"

    def _named(self) -> str:
        if self._receipt.version != VERSION:
            raise CodecError(f"is {self._receipt.version}; this program reads {VERSION}", field="version")
        if str(self._leaf.id) != self._receipt.id:
            raise CodecError("is not the one that the leaf names", field="id")
        return f"request {self._receipt.id}"

    def _requested(self) -> str:
        digest = hashlib.sha256(bytes.fromhex(self._receipt.request)).hexdigest()
        _insist(self._leaf.request, digest, "request")
        return f"{type(self._what).__name__}, SHA-256 {digest}"

    def _meant(self) -> str:
        committed = self._leaf.commitment
        if committed is None or not commits(
            committed, bytes.fromhex(self._receipt.salt), self._receipt.decoded.encode()
        ):
            raise CodecError("is not what the leaf commits to", field="decoded")
        return str(self._decoded.get("summary", self._decoded.get("kind")))

    def _decided(self) -> str:
        leaf, document = self._leaf, self._receipt.policy
        if leaf.policy is None and document is None:
            raise _Absent("No policy was asked.")
        if document is None:
            raise CodecError(f"is not there; the leaf names {leaf.policy}", field="policy")
        digest = hashlib.sha256(document.encode()).hexdigest()
        _insist(leaf.policy, digest, "policy")
        read_policy(document.encode())
        return f"{digest}, by {', '.join(leaf.rules) or 'no rule of it'}"

    def _came_out(self) -> str:
        made = self._receipt.signature
        digest = hashlib.sha256(bytes.fromhex(made.public_key + made.value)).hexdigest()
        _insist(self._leaf.outcome, digest, "signature")
        return f"key {self._leaf.key}, version {self._leaf.version}"

    def _signed(self) -> str:
        made = self._receipt.signature
        data = signed_data(self._what, made.curve, str(self._decoded.get("salt", "")))
        verify_signature(made.curve, bytes.fromhex(made.public_key), data, bytes.fromhex(made.value))
        return f"{made.curve}, by {made.public_key}"

    def _in_transaction(self) -> str:
        made, stated = self._receipt.signature, self._receipt.transaction
        found = transaction_of(self._what, bytes.fromhex(made.public_key), bytes.fromhex(made.value))
        if found is None and stated is None:
            raise _Absent("It is no transaction.")
        if found is None or stated is None or found != (stated.chain, stated.hash):
            raise CodecError("is not that of what was signed", field="transaction")
        return f"{stated.chain} {stated.hash}"


def _insist(stated: str | None, found: str, field: str) -> None:
    if stated is None or not hmac.compare_digest(stated, found):
        raise CodecError("is not what the leaf states", field=field)


def _read[T](data: bytes, kind: type[T], field: str) -> T:
    if len(data) > RECEIPT_BYTES_MAX:
        raise CodecError(f"more than {RECEIPT_BYTES_MAX} bytes", field=field)
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CodecError(str(error), field=field) from error


def _base64(text: str, field: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise CodecError("is not base64", field=field) from error
    if base64.b64encode(raw).decode() != text:
        raise CodecError("is not in the one form that base64 has", field=field)
    return raw
