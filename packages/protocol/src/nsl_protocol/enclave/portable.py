"""How a key comes into the enclave, leaves it, and is spoken for: what a host asks, and what it is answered.

Export and attestation bring the same as ``Show``: the newest certificate, the wrapped key and its path, so that only
the present edition is given out or spoken of. ``ImportKey`` stands beside ``CreateKey``, whose terms it carries.
"""

from typing import Annotated

from msgspec import Meta

from nsl_protocol.attestation.keys import KeyStatement
from nsl_protocol.cluster.register import Path
from nsl_protocol.enclave.agreement import Certificate
from nsl_protocol.enclave.fields import Bytes32, MarkedLeaf, Message
from nsl_protocol.enclave.wrapped import WrappedKey

RECIPIENTS_MAX = 8

#: X25519 public keys that a key may be exported to, fixed when it is made; none: it never leaves
type Recipients = Annotated[tuple[Bytes32, ...], Meta(max_length=RECIPIENTS_MAX)]


class ExportKey(Message, frozen=True):
    """Encrypt the private key to one of its recipients. Answered by ``KeyExported``."""

    certificate: Certificate
    item: WrappedKey
    path: Path
    recipient: Bytes32


class AttestKey(Message, frozen=True):
    """Say what the present edition of a key is, over the asker's nonce. Answered by ``KeyAttested``."""

    certificate: Certificate
    item: WrappedKey
    path: Path
    nonce: Bytes32


class KeyExported(Message, frozen=True):
    """``encrypted``: as ``key_transport.open_exported`` opens it. ``leaf``: to be durable before that leaves."""

    encrypted: bytes
    leaf: MarkedLeaf


class KeyAttested(Message, frozen=True):
    """A statement and a quote of this enclave that binds log key and nonce, both signed by the log key (Ed25519).

    Attributes:
        manifest_version: is bound by the quote too.
        collateral: JSON, where the platform brings its own (SIM); else ask a PCCS.
    """

    statement: KeyStatement
    signature: bytes
    log_key: bytes
    manifest_version: int
    quote: bytes
    collateral: bytes | None
