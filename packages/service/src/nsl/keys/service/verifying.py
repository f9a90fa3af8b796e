"""Signatures checked against a key: pure, by the public key, without the enclave."""

from nsl.keys.errors import PayloadUnreadable
from nsl.keys.model import Key
from nsl.keys.service.asking import ToSign, signable
from nsl_protocol.enclave.signed import signed_data, verify_signature
from nsl_protocol.errors import CodecError

_RECOVERABLE_BYTES = 65
#: v of Ethereum's signatures, which stands behind r‖s
_RECOVERY = (27, 28)


def verifies(key: Key, item: ToSign, signature: bytes, salt: str = "", *, public_key: bytes | None = None) -> bool:
    """Whether the signature is this key's over exactly that.

    Args:
        signature: as the key's curve has it; with or without v.
        salt: of the N3 message envelope, hex text.
        public_key: of the key below that is said to have signed; None: the key itself.

    Raises:
        KindUnsuitable: a key of this curve does not sign that.
        PayloadUnreadable: what is said to be signed does not parse.
    """
    what = signable(key, item)
    try:
        data = signed_data(what, key.curve, salt)
    except CodecError as error:
        raise PayloadUnreadable(f"The payload is not {item.kind}: {error}.", field="payload") from error
    if len(signature) == _RECOVERABLE_BYTES:
        if signature[-1] not in _RECOVERY:
            return False
        signature = signature[:-1]
    try:
        verify_signature(key.curve, public_key or key.public_key, data, signature)
    except CodecError:
        return False
    return True
