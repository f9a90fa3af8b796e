"""What secret keys do: encrypt, decrypt, authenticate. Each by its key's policy, and with its leaf."""

import hashlib
import hmac
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag

from nsl_enclave.kernel.clock import random_bytes
from nsl_enclave.kernel.errors import Refusal
from nsl_enclave.kme import xaes
from nsl_enclave.kme.keyring import Keyring
from nsl_enclave.kme.leaves import Leaves
from nsl_protocol.enclave.messages import Curve, Refused, Used
from nsl_protocol.enclave.symmetric import (
    DATA_KEY_BYTES,
    FORMAT,
    NONCE_BYTES,
    Authenticate,
    CheckMac,
    Decrypt,
    Encrypt,
    GenerateDataKey,
    Product,
    Task,
    Use,
    UseOrder,
    version_of,
)
from nsl_protocol.enclave.wrapped import KeyName
from nsl_protocol.errors import CodecError
from nsl_protocol.policy.document import Kind

_VERSION_BYTES = 4
_KINDS: dict[type[Task], Kind] = {
    Encrypt: Kind.ENCRYPT,
    Decrypt: Kind.DECRYPT,
    GenerateDataKey: Kind.DATA_KEY,
    Authenticate: Kind.MAC,
    CheckMac: Kind.VERIFY_MAC,
}
_CURVES = {
    Kind.ENCRYPT: Curve.AES_256_GCM,
    Kind.DECRYPT: Curve.AES_256_GCM,
    Kind.DATA_KEY: Curve.AES_256_GCM,
    Kind.MAC: Curve.HMAC_SHA256,
    Kind.VERIFY_MAC: Curve.HMAC_SHA256,
}


class Symmetric:
    """Of one replica. ``keyring`` has the keys that the register was shown to have."""

    def __init__(self, keyring: Keyring, leaves: Leaves) -> None:
        self._keyring = keyring
        self._leaves = leaves

    def use(self, request: Use) -> Used:
        """Each order by itself: one refusal leaves the others standing."""
        return Used(tuple(map(self._use, request.orders)))

    def _use(self, order: UseOrder) -> Product | Refused:
        kind = _KINDS[type(order.what)]
        admitted = self._keyring.admit(order, kind, _CURVES[kind])
        if isinstance(admitted, Refused):
            return admitted
        try:
            value, data_key = _done(order.name, admitted.secrets, order.what)
        except Refusal as refusal:
            leaf = self._leaves.refused(order, order.id, refusal.code, policy=admitted.policy_hash)
            return Refused(refusal.code, refusal.reason, leaf)
        # No digest of a plaintext stands in a leaf: whoever guesses a short one would find it there.
        leaf = self._leaves.used(f"key.{kind.replace('-', '_')}", order, policy=admitted.policy_hash)
        return Product(value, data_key, leaf)


def _done(name: KeyName, secrets: Sequence[bytes], what: Task) -> tuple[bytes, bytes | None]:
    """``secrets``: by version, from 1 on."""
    match what:
        case Encrypt():
            return _encrypted(name, secrets, what.plaintext, what.context), None
        case Decrypt():
            return _decrypted(name, secrets, what), None
        case GenerateDataKey():
            made = random_bytes(DATA_KEY_BYTES)
            return _encrypted(name, secrets, made, what.context), made if what.shown else None
        case Authenticate():
            return hmac.digest(secrets[-1], what.data, hashlib.sha256), None
        case CheckMac():
            # Each is looked at, so that the time does not tell by which version it was made.
            held = [hmac.compare_digest(hmac.digest(each, what.data, hashlib.sha256), what.mac) for each in secrets]
            return bytes((any(held),)), None


def _encrypted(name: KeyName, secrets: Sequence[bytes], plaintext: bytes, context: bytes) -> bytes:
    version, nonce = len(secrets), random_bytes(NONCE_BYTES)
    sealed = xaes.encrypt(secrets[-1], nonce, plaintext, _about(name, version, context))
    return FORMAT + version.to_bytes(_VERSION_BYTES) + nonce + sealed


def _decrypted(name: KeyName, secrets: Sequence[bytes], what: Decrypt) -> bytes:
    """Raises Refusal: ``CIPHERTEXT_NOT_AUTHENTIC``."""
    begin = len(FORMAT) + _VERSION_BYTES
    nonce, ciphertext = what.ciphertext[begin : begin + NONCE_BYTES], what.ciphertext[begin + NONCE_BYTES :]
    try:
        version = version_of(what.ciphertext)
        if 0 < version <= len(secrets):
            return xaes.decrypt(secrets[version - 1], nonce, ciphertext, _about(name, version, what.context))
    except (CodecError, InvalidTag):
        pass
    raise Refusal(
        "CIPHERTEXT_NOT_AUTHENTIC",
        "It was not encrypted by this key with this context, or was changed since: bring exactly what encrypt gave, "
        "and the context that it was given.",
    )


def _about(name: KeyName, version: int, context: bytes) -> bytes:
    return KeyName(name.tenant, name.key, version).about + context
