"""What custodians put their names to, as bytes. Each begins with a tag of its own, so that none passes for another."""

from enum import StrEnum


class Act(StrEnum):
    """What is approved."""

    BOOTSTRAP = "bootstrap"  # make the cluster's first root in the enclave that made this quote
    RECOVER = "recover"  # let the enclave that made this quote put the root together again


def statement(act: Act, cluster: bytes, digest: bytes) -> bytes:
    """What is signed.

    Args:
        cluster: the 32-byte id.
        digest: SHA-256: for ``BOOTSTRAP`` and ``RECOVER`` of the fresh quote, else of the encoded order.
    """
    return b"nsl-custody-v1\0" + act.encode() + b"\0" + cluster + digest
