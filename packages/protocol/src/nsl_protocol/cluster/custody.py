"""What custodians put their names to, as bytes. Each begins with a tag of its own, so that none passes for another."""

from enum import StrEnum


class Act(StrEnum):
    """What is approved."""

    BOOTSTRAP = "bootstrap"  # make the cluster's first root in the enclave that made this quote
    RECOVER = "recover"  # let the enclave that made this quote put the root together again
    ROTATE = "rotate"  # replace the root by a new one, in the enclave that made this quote
    RETIRE = "retire"  # forget the roots of before: nothing is wrapped under them any more


def statement(act: Act, cluster: bytes, digest: bytes) -> bytes:
    """What is signed.

    Args:
        cluster: the 32-byte id.
        digest: SHA-256: of the fresh quote that the enclave made for this act.
    """
    return b"nsl-custody-v1\0" + act.encode() + b"\0" + cluster + digest
