"""What the owner of a key does on his own machine, and what a host that carries it may try."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from msgspec.structs import replace

from nsl_protocol.attestation.binding import Purpose
from nsl_protocol.enclave.key_transport import seal_import
from nsl_protocol.enclave.membership import GetQuote, Quoted
from nsl_protocol.enclave.messages import CreateKey, Curve, ImportKey, KeyCreated
from nsl_protocol.enclave.portable import AttestKey, ExportKey, KeyAttested, KeyExported
from nsl_protocol.enclave.wrapped import KeyName, WrappedKey
from nsl_protocol.policy.document import Policy
from tests.enclave.host import NAME, Host
from tests.enclave.replica import Replica, client

NONCE = b"n" * 32
SECRET = bytes(range(1, 33))
PUBLIC = Ed25519PrivateKey.from_private_bytes(SECRET).public_key().public_bytes_raw()
#: as PKCS #8
RSA_SECRET = rsa.generate_private_key(65537, 3072).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
TERMS = CreateKey(NAME, Curve.ED25519, Policy().canonical)
LABEL = "treasury"


@dataclass(frozen=True)
class Recipient:
    """Somebody who may be given a key."""

    private: X25519PrivateKey

    @classmethod
    def new(cls) -> "Recipient":
        return cls(X25519PrivateKey.generate())

    @property
    def public(self) -> bytes:
        return self.private.public_key().public_bytes_raw()


def wrapping_key(replica: Replica) -> bytes:
    """As a quote of it binds it."""
    return replica.ask(Quoted, GetQuote(Purpose.IMPORT, NONCE)).keys[0]


def order(replica: Replica, terms: CreateKey = TERMS, secret: bytes = SECRET, label: str = LABEL) -> ImportKey:
    """What its owner sends."""
    key, cluster = wrapping_key(replica), replica.cluster.identifier
    return ImportKey(terms, label, key, seal_import(secret, key, cluster, label, terms))


def imported(host: Host, replica: Replica, sent: ImportKey) -> WrappedKey:
    """Taken by that replica, and entered."""
    made = replica.ask(KeyCreated, sent, client())
    item = WrappedKey(sent.terms.name, made.wrapped)
    host.enter(item)
    return item


def exportable(host: Host, recipients: Sequence[Recipient], name: KeyName = NAME) -> WrappedKey:
    """Made in the enclave, for these recipients, and entered."""
    terms = CreateKey(name, Curve.ED25519, Policy().canonical, tuple(each.public for each in recipients))
    made = host.replicas[0].ask(KeyCreated, terms, client())
    item = WrappedKey(name, made.wrapped)
    host.enter(item)
    return item


def to_export(host: Host, item: WrappedKey, recipient: bytes) -> ExportKey:
    """What the host asks."""
    return ExportKey(host.certificate, item, host.path(item), recipient)


def exported(host: Host, item: WrappedKey, recipient: bytes, number: int = 0) -> KeyExported:
    """By that replica."""
    return host.replicas[number].ask(KeyExported, to_export(host, item, recipient), client())


def to_attest(host: Host, item: WrappedKey, nonce: bytes = NONCE) -> AttestKey:
    """What the host asks."""
    return AttestKey(host.certificate, item, host.path(item), nonce)


def attested(host: Host, item: WrappedKey, number: int = 0, nonce: bytes = NONCE) -> KeyAttested:
    """By that replica."""
    return host.replicas[number].ask(KeyAttested, to_attest(host, item, nonce), client())


def renamed(terms: CreateKey, **changes: Any) -> CreateKey:
    """Of another tenant, key or version."""
    return replace(terms, name=replace(terms.name, **changes))
