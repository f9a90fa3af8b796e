"""Verify an enclave yourself: offline, with what you trust, and by the code that the enclaves verify each other with.

nonce = fresh_nonce()
evidence = nsl.enclaves.evidence("kme", nonce)
verdict = verify_evidence(evidence, nonce, cluster, policy, [INTEL])
"""

import base64
import binascii
from collections.abc import Sequence

from nsl_client.clock import random_bytes, unix_seconds
from nsl_client.errors import AnswerUnreadable
from nsl_client.model import Evidence
from nsl_protocol.attestation.binding import NONCE_BYTES, Purpose, report_data
from nsl_protocol.attestation.policy import Policy, Verdict, judge
from nsl_protocol.attestation.verify import Collateral, TrustAnchor
from nsl_protocol.errors import CodecError


def fresh_nonce() -> bytes:
    """32 random bytes: a quote over them was made after they were."""
    return random_bytes(NONCE_BYTES)


def verify_evidence(
    evidence: Evidence,
    nonce: bytes,
    cluster: bytes,
    policy: Policy,
    anchors: Sequence[TrustAnchor],
    at: int | None = None,
) -> Verdict:
    """Whether the enclave is one that ``policy`` lists, of the cluster that you mean, asked by you just now.

    Args:
        nonce: what you asked with.
        cluster: the 32-byte id that you have pinned; what the answer says of it is not believed.
        anchors: ``[INTEL]``, or a simulation's root for development.
        at: Unix seconds. None: now.

    Raises:
        AnswerUnreadable: the answer is not in the form of evidence.
    """
    try:
        raw = base64.b64decode(evidence.quote, validate=True)
        collateral = Collateral.of(evidence.collateral)
        keys = bytes.fromhex(evidence.log_key), evidence.manifest_version.to_bytes(4)
    except (binascii.Error, ValueError, OverflowError, CodecError) as error:
        raise AnswerUnreadable(f"The evidence cannot be read: {error}") from error
    expected = report_data(Purpose.EVIDENCE, cluster, nonce, *keys)
    return judge(raw, collateral, unix_seconds() if at is None else at, anchors, policy, expected)
