"""What the key enclave wraps and the host keeps, by the name that is bound into it."""

import hashlib
from typing import Annotated

from msgspec import Meta

from nsl_protocol.enclave.fields import Id16, Message, Wrapped

#: the associated data of the audit log
ABOUT_LOG = b"nsl-kme-log-v1"

type Kid = Annotated[str, Meta(min_length=1, max_length=64)]
type SecretPurpose = Annotated[str, Meta(min_length=1, max_length=200)]


class KeyName(Message, frozen=True):
    """Which key: tenant and key id (UUID bytes) and version from 1. Bound into the wrapping as associated data."""

    tenant: Id16
    key: Id16
    version: Annotated[int, Meta(ge=1, le=2**31 - 1)]

    @property
    def about(self) -> bytes:
        """The associated data."""
        return b"nsl-kme-key-v1" + self.tenant + self.key + self.version.to_bytes(4)


class WrappedKey(Message, frozen=True):
    name: KeyName
    wrapped: Wrapped

    @property
    def index(self) -> bytes:
        """Where it stands in the register: SHA-256 of what it is about."""
        return hashlib.sha256(self.name.about).digest()


class WrappedTokenKey(Message, frozen=True):
    kid: Kid
    wrapped: Wrapped

    @property
    def index(self) -> bytes:
        """Where it stands in the register: SHA-256 of what it is about."""
        return hashlib.sha256(about_token_key(self.kid)).digest()


class WrappedLog(Message, frozen=True):
    """The state of the audit log, of which there is one."""

    wrapped: Wrapped

    @property
    def index(self) -> bytes:
        """Where it stands in the register: SHA-256 of what it is about."""
        return hashlib.sha256(ABOUT_LOG).digest()


class WrappedLedger(Message, frozen=True):
    """What a key has spent of its policy's windows, over all its versions."""

    tenant: Id16
    key: Id16
    wrapped: Wrapped

    @property
    def about(self) -> bytes:
        """The associated data."""
        return about_ledger(self.tenant, self.key)

    @property
    def index(self) -> bytes:
        """Where it stands in the register: SHA-256 of what it is about."""
        return hashlib.sha256(self.about).digest()


class WrappedSecret(Message, frozen=True):
    purpose: SecretPurpose
    wrapped: Wrapped


def about_token_key(kid: str) -> bytes:
    """The associated data of a token key."""
    return b"nsl-kme-token-v1" + kid.encode()


def about_secret(purpose: str) -> bytes:
    """The associated data of a secret of the service."""
    return b"nsl-kme-secret-v1" + purpose.encode()


def about_ledger(tenant: bytes, key: bytes) -> bytes:
    """The associated data of a key's ledger."""
    return b"nsl-kme-ledger-v1" + tenant + key
