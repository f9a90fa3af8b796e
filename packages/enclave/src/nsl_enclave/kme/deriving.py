"""Private keys below a private key: BIP-32 for secp256k1, SLIP-0010 for secp256r1, never hardened.

The chain code follows from the private key, so a backup of that is one of every key below it. No private key below ever
leaves: with one of them and the chain code, the key above could be computed.
"""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Final

from nsl_enclave.kernel.errors import Refusal
from nsl_enclave.kme.signing import P256_ORDER, SECP256K1_ORDER, PrivateHalf, private_half
from nsl_protocol.enclave.messages import Curve
from nsl_protocol.enclave.signable import ADDRESS_INDEX_MAX
from nsl_protocol.hd import EXTERNAL, tweak

_LABEL: Final = b"nsl-bip32-chain-code-v1"
_ORDERS: Final = {Curve.SECP256R1: P256_ORDER, Curve.SECP256K1: SECP256K1_ORDER}
_WORD_BYTES: Final = 32


def chain_code_of(curve: Curve, secret: bytes) -> bytes:
    """Of the key itself; empty for a curve below whose keys there are none."""
    return hmac.digest(secret, _LABEL, hashlib.sha256) if curve in _ORDERS else b""


@dataclass(frozen=True, slots=True, repr=False)
class Node:
    """A private key and its chain code."""

    curve: Curve
    secret: bytes
    chain_code: bytes

    @property
    def half(self) -> PrivateHalf:
        """To sign with."""
        return private_half(self.curve, self.secret)

    def child(self, index: int) -> "Node":
        """The one below."""
        order, tail = _ORDERS[self.curve], self.half.public_key
        while True:
            added, chain_code = tweak(self.chain_code, tail, index)
            secret = (int.from_bytes(added) + int.from_bytes(self.secret)) % order
            if int.from_bytes(added) < order and secret:
                return Node(self.curve, secret.to_bytes(_WORD_BYTES), chain_code)
            # SLIP-0010: once more, over what came out. BIP-32 has no key there, which is one index in 2**127.
            tail = b"\1" + chain_code


class Below:
    """The keys below a key: ``m/0/index``."""

    def __init__(self, curve: Curve, secret: bytes) -> None:
        if curve not in _ORDERS:
            raise Refusal("WRONG_CURVE", f"There are no addresses below a key of {curve}: take a secp256 one.")
        self._external = Node(curve, secret, chain_code_of(curve, secret)).child(EXTERNAL)

    def at(self, index: int) -> PrivateHalf:
        """One of them."""
        return self._external.child(index).half

    def from_(self, first: int, count: int) -> tuple[bytes, ...]:
        """Public keys of some, as far as there are indices."""
        return tuple(self.at(index).public_key for index in range(first, min(first + count, ADDRESS_INDEX_MAX + 1)))
