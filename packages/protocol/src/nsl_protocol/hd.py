"""Keys below a key (BIP-32; SLIP-0010 for secp256r1): the parts that need no private key. Pure.

The layer's addresses below a key are those at ``m/0/index``, as a wallet shows them that knows the account's extended
public key. Whoever has that finds them all himself, and so need not believe the layer which address is whose.
"""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Final, Self

import base58
from coincurve import PublicKey

from nsl_protocol.enclave.messages import Curve
from nsl_protocol.enclave.signable import ADDRESS_INDEX_MAX
from nsl_protocol.errors import CodecError

#: of a key's curve, below which keys can be derived
DERIVING_CURVES: Final = (Curve.SECP256R1, Curve.SECP256K1)
#: m/0: the chain of addresses that are given to others (BIP-44, ``external``)
EXTERNAL: Final = 0
CHAIN_CODE_BYTES: Final = 32
_XPUB: Final = bytes.fromhex("0488b21e")
_XPUB_BYTES: Final = 78


def tweak(chain_code: bytes, public_key: bytes, index: int) -> tuple[bytes, bytes]:
    """What is added to a parent, and the chain code of its child: HMAC-SHA512, cut in two (BIP-32, CKD)."""
    digest = hmac.digest(chain_code, public_key + index.to_bytes(4), hashlib.sha512)
    return digest[:CHAIN_CODE_BYTES], digest[CHAIN_CODE_BYTES:]


@dataclass(frozen=True, slots=True)
class ExtendedPublicKey:
    """Of secp256k1: a public key (compressed SEC1) with its chain code, and where it stands below its master."""

    public_key: bytes
    chain_code: bytes
    depth: int = 0
    parent: bytes = bytes(4)
    number: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """From ``xpub…``. Raises CodecError."""
        try:
            raw = base58.b58decode_check(text)
            if len(raw) != _XPUB_BYTES or not raw.startswith(_XPUB):
                raise CodecError("is no xpub of BIP-32", field="extended_public_key")
            PublicKey(raw[45:])
        except ValueError as error:
            raise CodecError("is no xpub of BIP-32", field="extended_public_key") from error
        return cls(raw[45:], raw[13:45], raw[4], raw[5:9], int.from_bytes(raw[9:13]))

    def __str__(self) -> str:
        """``xpub…`` (BIP-32, serialization format)."""
        place = bytes((self.depth,)) + self.parent + self.number.to_bytes(4)
        return base58.b58encode_check(_XPUB + place + self.chain_code + self.public_key).decode()

    def child(self, index: int) -> Self:
        """The public key below, not hardened. Raises CodecError: there is none there (BIP-32: take the next)."""
        if not 0 <= index <= ADDRESS_INDEX_MAX:
            raise CodecError(f"{index} is none of 0 to {ADDRESS_INDEX_MAX}", field="index")
        added, chain_code = tweak(self.chain_code, self.public_key, index)
        try:
            made = PublicKey(self.public_key).add(added).format(compressed=True)
        except ValueError as error:
            raise CodecError(f"{index} has no key", field="index") from error
        fingerprint = hashlib.new("ripemd160", hashlib.sha256(self.public_key).digest()).digest()[:4]
        return type(self)(made, chain_code, self.depth + 1, fingerprint, index)

    def address_key(self, index: int) -> bytes:
        """The public key at ``m/0/index`` below an account."""
        return self.child(EXTERNAL).child(index).public_key
