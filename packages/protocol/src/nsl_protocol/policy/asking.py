"""What is asked of the enclave for each kind of signature: one code for whoever asks, scores, serves and tests."""

from nsl_protocol.enclave.signable import (
    PlainSignable,
    SignDigest,
    SignEvmTransaction,
    SignMessage,
    SignN3Transaction,
    SignTypedData,
)
from nsl_protocol.errors import CodecError
from nsl_protocol.policy.document import Kind


def to_sign(kind: Kind, content: bytes, network: int | None) -> PlainSignable:
    """
    Args:
        content: the message, digest, unsigned transaction, or the JSON of typed data.
        network: the N3 magic number or EVM chain id of a transaction.

    Raises:
        CodecError: there is no signing that; or the network is not named.
    """
    match kind:
        case Kind.MESSAGE:
            return SignMessage(content)
        case Kind.DIGEST:
            return SignDigest(content)
        case Kind.TYPED_DATA:
            return SignTypedData(content)
        case Kind.N3_TRANSACTION:
            return SignN3Transaction(_named(network), content)
        case Kind.EVM_TRANSACTION:
            return SignEvmTransaction(_named(network), content)
        case _:
            raise CodecError(f"{kind} is nothing to sign: POST it to the key's own {kind}.", field="kind")


def _named(network: int | None) -> int:
    if network is None:
        raise CodecError(
            "Name the network that the transaction is for: the N3 magic number, or the EVM chain id.", field="network"
        )
    return network
