"""What custodians put their names to, as bytes. Each begins with a tag of its own, so that none passes for another."""

import hashlib
from enum import StrEnum


class Act(StrEnum):
    """What is approved."""

    BOOTSTRAP = "bootstrap"  # make the cluster's first root in the enclave that made this quote
    RECOVER = "recover"  # let the enclave that made this quote put the root together again
    ROTATE_ROOT = "rotate-root"  # replace the root by a new one
    ACCEPT_GAP = "accept-gap"  # go on from this older state of the database
    CHANGE = "change"  # a change while the majority is gone


def statement(act: Act, cluster: bytes, subject: bytes) -> bytes:
    """What is signed.

    Args:
        cluster: the 32-byte id.
        subject: for ``BOOTSTRAP`` and ``RECOVER`` the fresh quote, else the encoded order.
    """
    return b"nsl-custody-v1\0" + act.encode() + b"\0" + cluster + hashlib.sha256(subject).digest()
