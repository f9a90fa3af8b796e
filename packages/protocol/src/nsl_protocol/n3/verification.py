"""Verification scripts (what an account's hash is made of) and invocation scripts (the signatures it is given)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nsl_protocol.errors import CodecError, LimitError
from nsl_protocol.n3.address import ScriptHash
from nsl_protocol.n3.keys import COMPRESSED_BYTES, PublicKey
from nsl_protocol.n3.script import Op, push_bytes, push_int, syscall
from nsl_protocol.n3.wire import Reader, exactly

SIGNATURE_BYTES = 64
# A witness holds at most 1024 bytes of verification script: m, 29 keys of 35 bytes, n and the syscall fit.
MULTISIG_KEYS_MAX = 29
_CHECK_SIG = syscall("System.Crypto.CheckSig")
_CHECK_MULTISIG = syscall("System.Crypto.CheckMultisig")


@dataclass(frozen=True, slots=True)
class Verification:
    """Who must sign: ``threshold`` of ``keys``, in the order of the script. One of one may be written both ways."""

    threshold: int
    keys: tuple[PublicKey, ...]
    multisig: bool


def single(key: PublicKey) -> bytes:
    """The verification script of one key: push it, CheckSig."""
    return push_bytes(key.raw) + _CHECK_SIG


def multi(threshold: int, keys: Sequence[PublicKey]) -> bytes:
    """The verification script of m of n keys, which are put in order by X, then Y.

    Raises:
        CodecError: the threshold is not from 1 to the number of keys, or a key is there twice.
        LimitError: more keys than a witness can hold.
    """
    if len(keys) > MULTISIG_KEYS_MAX:
        raise LimitError(f"{len(keys)} keys are above the limit of {MULTISIG_KEYS_MAX}", field="keys")
    if not 1 <= threshold <= len(keys):
        raise CodecError(f"must be from 1 to the {len(keys)} keys, not {threshold}", field="threshold")
    if len(set(keys)) != len(keys):
        raise CodecError("the same key twice", field="keys")
    pushes = (push_bytes(key.raw) for key in sorted(keys, key=lambda key: key.order))
    return b"".join((push_int(threshold), *pushes, push_int(len(keys)), _CHECK_MULTISIG))


def parse(script: bytes) -> Verification | None:
    """What ``single`` or ``multi`` made, or None for every other script."""
    try:
        found = _read(Reader(script))
        built = multi(found.threshold, found.keys) if found.multisig else single(found.keys[0])
    except CodecError:
        return None
    return found if built == script else None


def account(key: PublicKey) -> ScriptHash:
    """The account of one key."""
    return ScriptHash.of(single(key))


def invocation(*signatures: bytes) -> bytes:
    """The invocation script that gives signatures (r and s, 64 bytes each), in the order of their keys."""
    return b"".join(push_bytes(exactly(signature, SIGNATURE_BYTES, "signature")) for signature in signatures)


def multi_invocation(script: bytes, signatures: Mapping[PublicKey, bytes]) -> bytes:
    """The invocation script for a multi-signature script: the first ``threshold`` signatures in its key order.

    Raises:
        CodecError: no multi-signature script, or too few of its keys have signed.
    """
    wanted = parse(script)
    if wanted is None or not wanted.multisig:
        raise CodecError("not a multi-signature script", field="verification")
    signed = [signatures[key] for key in wanted.keys if key in signatures]
    if len(signed) < wanted.threshold:
        raise CodecError(f"{len(signed)} of the {wanted.threshold} signatures needed", field="signatures")
    return invocation(*signed[: wanted.threshold])


def _read(reader: Reader) -> Verification:
    code = reader.uint(1, "opcode")
    if code == Op.PUSHDATA1:
        reader.uint(1, "length")
        return Verification(1, (PublicKey(reader.take(COMPRESSED_BYTES, "key")),), multisig=False)
    threshold = _small_int(code, reader)
    keys: list[PublicKey] = []
    while (code := reader.uint(1, "opcode")) == Op.PUSHDATA1:
        reader.uint(1, "length")
        keys.append(PublicKey(reader.take(COMPRESSED_BYTES, "key")))
    return Verification(threshold, tuple(keys), multisig=True)


def _small_int(code: int, reader: Reader) -> int:
    return reader.uint(1, "integer") if code == Op.PUSHINT8 else code - Op.PUSH0
