"""What can be signed."""

from typing import Annotated

from msgspec import Meta

from nsl_protocol.enclave.fields import Bytes32, Message, Payload


class SignMessage(Message, frozen=True):
    """A message, always domain-separated by the enclave (EIP-191, the N3 wallets' salted envelope, a fixed prefix)."""

    data: Payload


class SignDigest(Message, frozen=True):
    """A bare digest: only for a key that was created with ``blind_signing``."""

    digest: Bytes32


class SignN3Transaction(Message, frozen=True):
    """The unsigned bytes of a Neo N3 transaction, for the network with that magic number."""

    network: Annotated[int, Meta(ge=0, le=2**32 - 1)]
    unsigned: Payload


class SignEvmTransaction(Message, frozen=True):
    """The unsigned bytes of an EVM transaction (typed, or legacy with EIP-155), which must carry this chain id."""

    chain_id: Annotated[int, Meta(ge=1, le=2**53 - 1)]
    unsigned: Payload


class SignTypedData(Message, frozen=True):
    """EIP-712 typed data as its JSON document."""

    document: Payload


type PlainSignable = SignMessage | SignDigest | SignN3Transaction | SignEvmTransaction | SignTypedData

#: BIP-32: those below are derived without the private key above them
ADDRESS_INDEX_MAX = 2**31 - 1

type AddressIndex = Annotated[int, Meta(ge=0, le=ADDRESS_INDEX_MAX)]


class SignBelow(Message, frozen=True):
    """The same by the key at ``m/0/index`` below the one that is named (BIP-32; SLIP-0010 for secp256r1).

    It stands in what is signed, so whatever is over the request is over the address too: leaves, approvals, receipts.
    """

    index: AddressIndex
    what: PlainSignable


type Signable = PlainSignable | SignBelow


def plain(what: Signable) -> PlainSignable:
    """What is signed, whichever key below signs it."""
    return what.what if isinstance(what, SignBelow) else what
