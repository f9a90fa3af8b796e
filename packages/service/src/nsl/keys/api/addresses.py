"""Deposit addresses over HTTP: one key, an address for each payer."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter, SkipValidation
from litestar.status_codes import HTTP_200_OK
from msgspec import Meta

from nsl.identity.model import Caller, Requires, Scope
from nsl.keys.model import AddressFilter
from nsl.keys.service import Addresses, DepositAddresses
from nsl.kit.errors import Malformed
from nsl_protocol.enclave.below import DERIVED_AT_ONCE_MAX
from nsl_protocol.enclave.messages import Curve
from nsl_protocol.enclave.signable import ADDRESS_INDEX_MAX
from nsl_protocol.errors import CodecError
from nsl_protocol.evm.address import EvmAddress
from nsl_protocol.hd import ExtendedPublicKey

AddressesOf = NamedDependency[SkipValidation[DepositAddresses]]

Reference = Annotated[
    str,
    Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$(?!\n)", description="Whose it is, in your words"),
]


class MakeAddresses(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``references``: an address for each; the one that it has already, where one was made for it before.

    ``count``: so many without a reference. One of both.
    """

    references: Annotated[list[Reference], Meta(max_length=DERIVED_AT_ONCE_MAX)] = []
    count: Annotated[int, Meta(ge=1, le=DERIVED_AT_ONCE_MAX)] | None = None


class AddressView(msgspec.Struct, frozen=True):
    """``index``: it is at ``m/0/index`` below the key; name it to sign or send from here. ``public_key``: hex."""

    index: int
    address: str
    public_key: str
    reference: str | None
    created_at: datetime


class AddressPage(msgspec.Struct, frozen=True):
    """``chain_code`` (hex) with the key's public key finds every address, and nobody can send with it.

    ``extended_public_key``: both as ``xpub…``, for secp256k1. Keep them to yourself: they show which addresses are
    yours. `GET /v1/keys/{id}/attestation` has the enclave's word for them.
    """

    items: list[AddressView]
    next_cursor: str | None
    chain_code: str | None
    extended_public_key: str | None


@post(
    "/v1/keys/{key_id:uuid}/addresses",
    operation_id="makeAddresses",
    summary="Make deposit addresses below a key; its policy, windows and freeze hold for them",
    tags=["keys"],
    status_code=HTTP_200_OK,
)
async def make_addresses(
    caller: Annotated[Caller, Requires(Scope.KEYS_CREATE, resource="key_id")],
    addresses: AddressesOf,
    key_id: FromPath[UUID],
    data: JSONBody[MakeAddresses],
) -> AddressPage:
    if bool(data.references) == (data.count is not None):
        raise Malformed("Say for whom (references), or how many (count): one of both.", field="count")
    return _page(await addresses.make(caller, key_id, data.references or [None] * (data.count or 0)))


@get(
    "/v1/keys/{key_id:uuid}/addresses",
    operation_id="listAddresses",
    summary="The deposit addresses below a key, in order",
    tags=["keys"],
)
async def list_addresses(
    caller: Annotated[Caller, Requires(Scope.KEYS_READ, resource="key_id")],
    addresses: AddressesOf,
    key_id: FromPath[UUID],
    reference: Annotated[str | None, QueryParameter(max_length=200, description="that of one payer")] = None,
    address: Annotated[str | None, QueryParameter(max_length=64, description="this one")] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=DERIVED_AT_ONCE_MAX)] = 200,
    cursor: Annotated[
        int, QueryParameter(ge=-1, le=ADDRESS_INDEX_MAX, description="next_cursor of the page before")
    ] = -1,
) -> AddressPage:
    only = AddressFilter(reference, None if address is None else _canonical(address))
    found, following = await addresses.page(caller.tenant, key_id, only, after=cursor, limit=limit)
    return _page(found, None if following is None else str(following))


#: what ``nsl.http`` mounts
HANDLERS = (make_addresses, list_addresses)


def _canonical(address: str) -> str:
    """As addresses are kept: those of Neo X with their checksum (EIP-55)."""
    try:
        return str(EvmAddress.parse(address)) if address.startswith("0x") else address
    except CodecError as error:
        raise Malformed(f"This is no address: {error}.", field="address") from error


def _page(found: Addresses, following: str | None = None) -> AddressPage:
    key, chain_code = found.key, found.chain_code
    extended = None
    if chain_code is not None and key.curve is Curve.SECP256K1:
        extended = str(ExtendedPublicKey(key.public_key, chain_code))
    return AddressPage(
        items=[
            AddressView(each.index, each.address, each.public_key.hex(), each.reference, each.created_at)
            for each in found.items
        ],
        next_cursor=following,
        chain_code=None if chain_code is None else chain_code.hex(),
        extended_public_key=extended,
    )
