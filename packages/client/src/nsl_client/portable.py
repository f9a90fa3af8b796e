"""Private keys on their way into the enclave and out of it, on your own machine: nothing in between can read them.

    nonce = fresh_nonce()
    parameters = nsl.keys.import_parameters(nonce)
    order = encrypt_key(secret, parameters, nonce, trust, tenant_id, NewKey("treasury", "secp256r1"))
    key = nsl.keys.import_key(order)

``tenant_id`` and ``trust`` must be what you know yourself: an answer of the layer would be the layer's word.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_private_key

from nsl_client.clock import unix_seconds
from nsl_client.errors import AnswerUnreadable, EvidenceRefused, KeyNotOpened
from nsl_client.model import ExportedKey, ImportOrder, ImportParameters
from nsl_protocol.attestation.binding import Purpose, report_data
from nsl_protocol.attestation.policy import judge
from nsl_protocol.attestation.trust import PinnedTrust
from nsl_protocol.attestation.verify import Collateral
from nsl_protocol.enclave.key_transport import open_exported, seal_import
from nsl_protocol.enclave.messages import CreateKey, Curve
from nsl_protocol.enclave.wrapped import KeyName
from nsl_protocol.errors import CodecError
from nsl_protocol.policy.document import read_policy

_CURVES = {Curve.SECP256R1: ec.SECP256R1(), Curve.SECP256K1: ec.SECP256K1()}


@dataclass(frozen=True)
class NewKey:
    """What a key is to be in the layer. The enclave keeps to curve, recipients and ``policy``.

    ``export_recipients``: X25519 public keys in hex; none: it never leaves again.
    """

    name: str
    curve: str
    policy: Mapping[str, Any] | None = None
    rotation_days: int | None = None
    export_recipients: tuple[str, ...] = ()


def encrypt_key(
    secret: bytes,
    parameters: ImportParameters,
    nonce: bytes,
    trust: PinnedTrust,
    tenant_id: str,
    new: NewKey,
    at: int | None = None,
) -> ImportOrder:
    """Verify whose key ``parameters`` brings, and only then encrypt ``secret`` to it: 32 bytes, or PKCS #8 DER of RSA.

    Args:
        nonce: what you asked for the parameters with.
        trust: cluster, measurements and roots; without any of them nothing is encrypted.
        tenant_id: your own, not what the layer says it is.
        at: Unix seconds. None: now.

    Raises:
        EvidenceRefused: the key is not proven to be that of an enclave that you trust.
        AnswerUnreadable: the parameters are not in their form.
        CodecError: the policy is none.
    """
    if trust.cluster is None:
        raise EvidenceRefused("The trust names no cluster: nothing is encrypted to whoever answers.")
    cluster = bytes.fromhex(trust.cluster)
    try:
        wrapping_key = bytes.fromhex(parameters.wrapping_key)
        quote = base64.b64decode(parameters.quote, validate=True)
        collateral = Collateral.of(parameters.collateral)
        name = KeyName(UUID(tenant_id).bytes, UUID(parameters.key_id).bytes, 1)
    except (ValueError, CodecError) as error:
        raise AnswerUnreadable(f"The import parameters cannot be read: {error}") from error
    expected = report_data(Purpose.IMPORT, cluster, nonce, wrapping_key)
    verdict = judge(quote, collateral, unix_seconds() if at is None else at, trust.anchors, trust.policy, expected)
    if not verdict.accepted:
        reasons = " ".join(f"{each.code}: {each.detail}" for each in verdict.reasons)
        raise EvidenceRefused(f"What would open the key is not proven to be a trusted enclave. {reasons}")
    policy = read_policy(json.dumps(new.policy or {}).encode())
    recipients = tuple(map(bytes.fromhex, new.export_recipients))
    terms = CreateKey(name, Curve(new.curve), policy.canonical, recipients)
    encrypted = seal_import(secret, wrapping_key, cluster, new.name, terms)
    return ImportOrder(
        id=parameters.key_id,
        name=new.name,
        curve=new.curve,
        wrapping_key=parameters.wrapping_key,
        encrypted_key=encrypted.hex(),
        policy=None if new.policy is None else dict(new.policy),
        rotation_days=new.rotation_days,
        exportable=bool(recipients),
        export_recipients=list(new.export_recipients),
    )


@dataclass(frozen=True)
class Recipient:
    """Somebody whom keys may be exported to: an X25519 key pair. Keep ``private_key`` where you would keep the keys."""

    private_key: bytes

    def __repr__(self) -> str:
        return f"Recipient({self.public_key})"

    @classmethod
    def new(cls) -> Self:
        """A fresh one."""
        return cls(X25519PrivateKey.generate().private_bytes_raw())

    @property
    def public_key(self) -> str:
        """In hex: what ``export_recipients`` takes."""
        return X25519PrivateKey.from_private_bytes(self.private_key).public_key().public_bytes_raw().hex()

    def open(self, exported: ExportedKey, *, public_key: str) -> bytes:
        """The private key: 32 bytes, or PKCS #8 DER of RSA. Needs no network.

        Args:
            public_key: of the key that you expect, from where you know it. Whoever sends it could else send another.

        Raises:
            KeyNotOpened: it is for another recipient, was changed, or is not the key of that public key.
        """
        try:
            curve, cluster = Curve(exported.curve), bytes.fromhex(exported.cluster)
            name = KeyName(UUID(exported.tenant_id).bytes, UUID(exported.key_id).bytes, exported.version)
            key, encrypted = (
                X25519PrivateKey.from_private_bytes(self.private_key),
                bytes.fromhex(exported.encrypted_key),
            )
            secret = open_exported(encrypted, key, cluster, name, curve)
            found = public_key_of(secret, curve)
        except ValueError as error:
            raise KeyNotOpened(f"The export does not open: {error}.") from error
        if found.hex() != public_key:
            raise KeyNotOpened(f"What was sent is the private key of {found.hex()}, not of {public_key}.")
        return secret


def public_key_of(secret: bytes, curve: Curve) -> bytes:
    """Compressed SEC1, 32 bytes of Ed25519, or SubjectPublicKeyInfo DER of RSA.

    Raises:
        ValueError: the bytes are no private key of that curve.
    """
    if curve is Curve.RSA_3072:
        public = load_der_private_key(secret, None).public_key()
        return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if curve is Curve.ED25519:
        return Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()
    key = ec.derive_private_key(int.from_bytes(secret), _CURVES[curve])
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
