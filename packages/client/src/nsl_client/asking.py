"""What ``keys.sign`` asks the enclave for, in the enclave's words: what requesters and scorers put their names to."""

from collections.abc import Mapping
from typing import Any

import msgspec

from nsl_protocol.enclave.signable import (
    PlainSignable,
    Signable,
    SignBelow,
    SignDigest,
    SignEvmTransaction,
    SignMessage,
    SignN3Transaction,
    SignTypedData,
)


def to_sign(kind: str, payload: Mapping[str, Any], network: int | None, address_index: int | None) -> Signable:
    """As the layer makes it of the same arguments. Raises ValueError: there is no such thing to sign."""
    plain = _plain(kind, payload, network)
    return plain if address_index is None else SignBelow(address_index, plain)


def _plain(kind: str, payload: Mapping[str, Any], network: int | None) -> PlainSignable:
    if kind == "typed-data":
        return SignTypedData(msgspec.json.encode(payload))
    if kind == "message" and "text" in payload:
        return SignMessage(payload["text"].encode())
    content = bytes.fromhex(str(payload["hex"]).removeprefix("0x"))
    match kind:
        case "message":
            return SignMessage(content)
        case "digest":
            return SignDigest(content)
        case "n3-transaction" if network is not None:
            return SignN3Transaction(network, content)
        case "evm-transaction" if network is not None:
            return SignEvmTransaction(network, content)
    raise ValueError(f"There is no signing {kind}, or its network is not named.")
