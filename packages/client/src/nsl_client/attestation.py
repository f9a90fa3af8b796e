"""Check yourself what the enclave says of a key: offline, against what you have pinned.

nonce = fresh_nonce()
attested = nsl.keys.attestation(key_id, nonce)
verdict = verify_key_attestation(attested, trust, nonce)
"""

from nsl_client.clock import unix_seconds
from nsl_protocol.attestation import keys
from nsl_protocol.attestation.keys import KeyAttestation, KeyVerdict
from nsl_protocol.attestation.trust import PinnedTrust


def verify_key_attestation(
    attested: KeyAttestation, trust: PinnedTrust, nonce: bytes | None = None, at: int | None = None
) -> KeyVerdict:
    """Whether an enclave that you trust says this of the key, each step with its outcome.

    Args:
        nonce: what you asked with; None: it is somebody else's answer, of the time that it states.
        at: Unix seconds, when the quote's collateral must hold. None: now.
    """
    return keys.verify_key_attestation(attested, trust, unix_seconds() if at is None else at, nonce)
