"""What goes to the private key for each kind of request, and the check of what came of it.

One derivation for whoever signs and whoever verifies: a digest for the secp curves, the message itself for ed25519.
"""

import hashlib

import msgspec
from coincurve import PublicKey as Secp256k1PublicKey
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_der_public_key

from nsl_protocol.enclave.messages import Curve
from nsl_protocol.enclave.signable import (
    Signable,
    SignDigest,
    SignEvmTransaction,
    SignMessage,
    SignN3Transaction,
    SignTypedData,
    plain,
)
from nsl_protocol.errors import CodecError
from nsl_protocol.evm.messages import message_hash
from nsl_protocol.evm.transaction import EvmSignature, parse_unsigned, transaction_hash
from nsl_protocol.evm.typed_data import parse_typed_data
from nsl_protocol.n3.transaction import Transaction, sign_data
from nsl_protocol.n3.wire import var_bytes

ED25519_PREFIX = b"Neo Service Layer Signed Message:\n"
RSA_PREFIX = b"Neo Service Layer Signed Message (RSA):\n"
RSA_BITS = 3072
RSA_EXPONENT = 65537
RSA_PSS = padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=32)
_SIGNATURE_BYTES = {Curve.SECP256R1: 64, Curve.SECP256K1: 64, Curve.ED25519: 64, Curve.RSA_3072: 384}
_PUBLIC_KEY_BYTES = {Curve.SECP256R1: 33, Curve.SECP256K1: 33, Curve.ED25519: 32, Curve.RSA_3072: 422}
_signables: msgspec.msgpack.Decoder[Signable] = msgspec.msgpack.Decoder(Signable)
_PREHASHED_SHA256 = ec.ECDSA(Prehashed(hashes.SHA256()))


def read_signable(encoded: bytes) -> Signable:
    """What was asked, from its msgpack. Raises CodecError."""
    try:
        return _signables.decode(encoded)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CodecError(str(error), field="request") from error


def message_data(curve: Curve, message: bytes, salt: str = "") -> bytes:
    """Always inside an envelope that is no transaction, no sign data and no token of anybody's.

    EIP-191 for secp256k1, the N3 wallets' salted envelope for secp256r1, a fixed prefix for ed25519 and RSA.
    """
    if curve is Curve.SECP256K1:
        return message_hash(message)
    if curve is Curve.ED25519:
        return ED25519_PREFIX + str(len(message)).encode() + b"\n" + message
    if curve is Curve.RSA_3072:
        return hashlib.sha256(RSA_PREFIX + str(len(message)).encode() + b"\n" + message).digest()
    return hashlib.sha256(n3_envelope(salt, message)).digest()


def n3_envelope(salt: str, message: bytes) -> bytes:
    """The N3 wallets' message envelope: it reads as a transaction of version 1, which no node takes."""
    return b"\x01\x00\x01\xf0" + var_bytes(salt.encode() + message) + b"\x00\x00"


def signed_data(what: Signable, curve: Curve, salt: str = "") -> bytes:
    """What was signed. Raises CodecError: it does not parse."""
    match plain(what):
        case SignMessage(data):
            return message_data(curve, data, salt)
        case SignDigest(digest):
            return digest
        case SignN3Transaction(network, unsigned):
            return hashlib.sha256(sign_data(network, Transaction.from_unsigned_bytes(unsigned))).digest()
        case SignEvmTransaction(_, unsigned):
            return parse_unsigned(unsigned).signing_hash()
        case SignTypedData(document):
            return parse_typed_data(document).signing_hash()


def transaction_of(what: Signable, public_key: bytes, signature: bytes) -> tuple[str, str] | None:
    """Chain and hash of the signed transaction, as the chain writes it; None for what is no transaction.

    Raises:
        CodecError: it does not parse, or the signature is not by that key.
    """
    match plain(what):
        case SignN3Transaction(_, unsigned):
            return "neo-n3", Transaction.from_unsigned_bytes(unsigned).hash
        case SignEvmTransaction(_, unsigned):
            transaction = parse_unsigned(unsigned)
            parity = _parity(transaction.signing_hash(), public_key, signature)
            r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
            return "neo-x", transaction_hash(transaction.signed_bytes(EvmSignature(parity, r, s)))
    return None


def _parity(digest: bytes, public_key: bytes, signature: bytes) -> int:
    """Which of the two keys that an r‖s signature may be of is this one."""
    for parity in (0, 1):
        try:
            found = Secp256k1PublicKey.from_signature_and_message(signature + bytes((parity,)), digest, hasher=None)
        except ValueError:
            continue
        if found.format(compressed=True) == public_key:
            return parity
    raise CodecError("is not by this key over this", field="signature")


def verify_signature(curve: Curve, public_key: bytes, data: bytes, signature: bytes) -> None:
    """Check a signature over ``signed_data``: r‖s, Ed25519's 64 bytes, or RSASSA-PSS. Raises CodecError."""
    if len(signature) != _SIGNATURE_BYTES[curve]:
        raise CodecError(f"{len(signature)} bytes, a signature is {_SIGNATURE_BYTES[curve]}", field="signature")
    if len(public_key) != _PUBLIC_KEY_BYTES[curve]:
        raise CodecError(f"a {curve} key is {_PUBLIC_KEY_BYTES[curve]} bytes", field="public_key")
    try:
        holds = _holds(curve, public_key, data, signature)
    except (InvalidSignature, ValueError):
        holds = False
    if not holds:
        raise CodecError("is not by this key over this", field="signature")


def _holds(curve: Curve, public_key: bytes, data: bytes, signature: bytes) -> bool:
    """Raises InvalidSignature, or ValueError for what is no key."""
    if curve is Curve.RSA_3072:
        rsa_key = load_der_public_key(public_key)
        if not isinstance(rsa_key, rsa.RSAPublicKey) or rsa_key.key_size != RSA_BITS:
            return False
        rsa_key.verify(signature, data, RSA_PSS, Prehashed(hashes.SHA256()))
        return True
    der = encode_dss_signature(int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))
    match curve:
        case Curve.ED25519:
            Ed25519PublicKey.from_public_bytes(public_key).verify(signature, data)
        case Curve.SECP256R1:
            key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public_key)
            key.verify(der, data, _PREHASHED_SHA256)
        case Curve.SECP256K1:
            return Secp256k1PublicKey(public_key).verify(der, data, hasher=None)
    return True
