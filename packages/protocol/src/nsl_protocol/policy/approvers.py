"""Whose signatures a policy counts, what takes their approval, and how many it takes to change it."""

from collections.abc import Collection, Mapping
from enum import StrEnum
from functools import partial
from typing import Annotated

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from msgspec import Meta, Struct

from nsl_protocol.errors import CodecError
from nsl_protocol.policy.amounts import Amount
from nsl_protocol.policy.passkeys import Passkey, asserted

_ED25519_DIGITS = 64
_HALF_BYTES = 32

type Name = Annotated[str, Meta(pattern="^[a-z0-9](-?[a-z0-9]){0,62}$")]


class ApproverAlgorithm(StrEnum):
    ED25519 = "ed25519"
    SECP256R1 = "secp256r1"  # ECDSA over SHA-256


class Approver(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """``public_key``: hex of 32 bytes of Ed25519, or of a compressed point. ``passkey``: where it is used."""

    algorithm: ApproverAlgorithm
    public_key: Annotated[str, Meta(pattern="^([0-9a-f]{64}|0[23][0-9a-f]{64})$")]
    passkey: Passkey | None = None


class ApprovalRule(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which signatures take the approval of so many.

    Attributes:
        of: whose; None: all approvers'.
        rules: of the policy, what is allowed by which; None: everything that is signed.
        above: by asset, what is moved or approved without it: up to so much in one transaction. It speaks of nothing
            else: calls and messages go without. None: it takes approval whatever it is.
    """

    threshold: Annotated[int, Meta(ge=1, le=16)]
    of: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=16)] | None = None
    rules: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=32)] | None = None
    above: Annotated[dict[str, Amount], Meta(max_length=64)] | None = None


class ChangeRule(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How this policy is changed: by so many of its approvers, and not before so many seconds have passed."""

    threshold: Annotated[int, Meta(ge=1, le=16)]
    time_lock_seconds: Annotated[int, Meta(ge=0, le=90 * 86_400)] = 0


def insist_on_approvers(approvers: Mapping[str, Approver], change: ChangeRule | None) -> None:
    """Raises CodecError: what they say can never be."""
    keys = [each.public_key for each in approvers.values()]
    if len(set(keys)) != len(keys):
        raise CodecError("two approvers have one key: one person counts once", field="policy.approvers")
    insist_on_keys(approvers, "policy.approvers")
    insist_on_passkeys(approvers, "policy.approvers")
    if change is not None and change.threshold > len(approvers):
        raise CodecError(
            f"{change.threshold} of {len(approvers)} approvers can never sign: name more, or ask fewer",
            field="policy.change",
        )


def insist_on_requesters(requesters: Mapping[str, Approver], approvers: Mapping[str, Approver]) -> None:
    """Raises CodecError: a key is none, or who asks would approve as well."""
    where = "policy.requesters"
    insist_on_keys(requesters, where)
    insist_on_programs(requesters, where)
    insist_on_apart(requesters, approvers.values(), where)
    for name in requesters:
        if name in approvers:
            raise CodecError(f"{name} asks and approves: give each a name of its own", field=where)


def insist_on_apart(named: Mapping[str, Approver], others: Collection[Approver], where: str) -> None:
    """Raises CodecError: one of them has a key that another one has, of these or the others."""
    taken = {each.public_key for each in others}
    for name, each in named.items():
        if each.public_key in taken:
            raise CodecError(f"{name} has a key that another one has: give each a key of its own", field=where)
        taken.add(each.public_key)


def insist_on_programs(named: Mapping[str, Approver], where: str) -> None:
    """Raises CodecError: one of them would need a person."""
    for name, each in named.items():
        if each.passkey is not None:
            raise CodecError(f"{name}: a passkey takes a person; name a program's own key", field=where)


def insist_on_passkeys(named: Mapping[str, Approver], where: str) -> None:
    """Raises CodecError: one of them could never approve, and what waits for it would wait for good."""
    for name, each in named.items():
        if each.passkey is None:
            continue
        if each.algorithm is not ApproverAlgorithm.SECP256R1:
            raise CodecError(f"{name}: a passkey is of ES256: make it with alg -7, name secp256r1", field=where)
        if not each.passkey.reachable:
            raise CodecError(
                f"{name}: no browser asserts {each.passkey.rp_id} on {each.passkey.origin}: name a page of the domain"
                " or below it, as location.origin gives it (no default port)",
                field=where,
            )


def insist_on_keys(named: Mapping[str, Approver], where: str) -> None:
    """Raises CodecError: one of them is no key."""
    for name, each in named.items():
        if (len(each.public_key) == _ED25519_DIGITS) != (each.algorithm is ApproverAlgorithm.ED25519):
            raise CodecError(f"{name}: that is no key of {each.algorithm}", field=where)
        if each.algorithm is ApproverAlgorithm.SECP256R1:
            try:
                ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), bytes.fromhex(each.public_key))
            except ValueError as error:
                raise CodecError(f"{name}: no point of the curve, so nobody has its key", field=where) from error


def holds(approver: Approver, content: bytes, proof: bytes) -> bool:
    """Whether the approver has signed it: Ed25519, ECDSA over SHA-256 with r‖s, or an assertion of a passkey."""
    if approver.passkey is not None:
        return asserted(approver.passkey, content, proof, partial(_verified, approver))
    if len(proof) != 2 * _HALF_BYTES:
        return False
    if approver.algorithm is ApproverAlgorithm.SECP256R1:
        proof = encode_dss_signature(int.from_bytes(proof[:_HALF_BYTES]), int.from_bytes(proof[_HALF_BYTES:]))
    return _verified(approver, content, proof)


def _verified(approver: Approver, content: bytes, signature: bytes) -> bool:
    """``signature``: of Ed25519, or ECDSA in DER."""
    public_key = bytes.fromhex(approver.public_key)
    try:
        if approver.algorithm is ApproverAlgorithm.ED25519:
            Ed25519PublicKey.from_public_bytes(public_key).verify(signature, content)
        else:
            key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public_key)
            key.verify(signature, content, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True
