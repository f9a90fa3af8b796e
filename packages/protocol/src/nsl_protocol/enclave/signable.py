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


type Signable = SignMessage | SignDigest | SignN3Transaction | SignEvmTransaction | SignTypedData
