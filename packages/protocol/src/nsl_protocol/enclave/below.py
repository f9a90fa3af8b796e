"""Messages about keys below a key: the addresses that a deposit is sent to, without a wrapped key for each."""

from typing import Annotated

from msgspec import Meta

from nsl_protocol.enclave.fields import Message, Wrapped
from nsl_protocol.enclave.signable import AddressIndex
from nsl_protocol.enclave.wrapped import KeyName

DERIVED_AT_ONCE_MAX = 1000


class DeriveKeys(Message, frozen=True):
    """Say the public keys at ``m/0/first`` and after it, below this key. Answered by ``KeysDerived``."""

    name: KeyName
    wrapped: Wrapped
    first: AddressIndex
    count: Annotated[int, Meta(ge=0, le=DERIVED_AT_ONCE_MAX)]


class KeysDerived(Message, frozen=True):
    """``chain_code``: of ``m``, the key itself; ``public_keys``: compressed SEC1, in order."""

    chain_code: bytes
    public_keys: tuple[bytes, ...]
