"""Deposit addresses: below one key, an address for each payer. Who has the ``xpub`` need not believe whose is which."""

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import quote

import msgspec
from coincurve import PublicKey

from nsl_client.calls import Call, without_none
from nsl_client.model import Page
from nsl_protocol.errors import CodecError
from nsl_protocol.evm.address import EvmAddress
from nsl_protocol.hd import ExtendedPublicKey


class DepositAddress(msgspec.Struct, frozen=True):
    """At ``m/0/index`` below the key (BIP-32). ``reference``: whose it is, in your words. ``public_key``: hex."""

    index: int
    address: str
    public_key: str
    reference: str | None
    created_at: datetime


class DepositAddresses(Page[DepositAddress], frozen=True):
    """``chain_code`` (hex) and, for secp256k1, ``extended_public_key``: None before the first address is made."""

    chain_code: str | None = None
    extended_public_key: str | None = None


def make_addresses(key_id: str, *, references: Sequence[str] = (), count: int | None = None) -> Call[DepositAddresses]:
    """An address for each reference, the one that it has already where there is one; or ``count`` without any."""
    body = without_none(references=list(references) or None, count=count)
    return Call("POST", _path(key_id), DepositAddresses, body, repeats=bool(references))


def list_addresses(
    key_id: str,
    *,
    reference: str | None = None,
    address: str | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Call[DepositAddresses]:
    """A page of the addresses below a key, in order."""
    query = without_none(reference=reference, address=address, limit=limit, cursor=cursor)
    return Call("GET", _path(key_id), DepositAddresses, query=query)


def neox_address(extended_public_key: str, index: int) -> str:
    """The Neo X address at an index, computed here: hold what the layer says against it.

    Raises:
        ValueError: it is no xpub, or no index.
    """
    try:
        public_key = ExtendedPublicKey.parse(extended_public_key).address_key(index)
    except CodecError as error:
        raise ValueError(str(error)) from error
    return str(EvmAddress.from_public_key(PublicKey(public_key).format(compressed=False)))


def _path(key_id: str) -> str:
    return f"/v1/keys/{quote(key_id, safe='')}/addresses"
