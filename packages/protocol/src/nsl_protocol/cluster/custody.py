"""What custodians put their names to, as bytes. Each begins with a tag of its own, so that none passes for another."""

import hashlib
from enum import StrEnum


class Act(StrEnum):
    """What is approved."""

    BOOTSTRAP = "bootstrap"  # make the cluster's first root in the enclave that made this quote
    RECOVER = "recover"  # let the enclave that made this quote put the root together again
    ROTATE = "rotate"  # replace the root by a new one, in the enclave that made this quote
    RETIRE = "retire"  # forget the roots of before: nothing is wrapped under them any more
    PROCEED = "proceed"  # go on from this register in the enclave that made this quote, without the others
    UNFREEZE = "unfreeze"  # end this freeze of the cluster, until then


def statement(act: Act, cluster: bytes, digest: bytes) -> bytes:
    """What is signed.

    Args:
        cluster: the 32-byte id.
        digest: SHA-256: of the fresh quote that the enclave made for this act; with a register, ``with_register``; to
            unfreeze, ``thaw_digest``.
    """
    return b"nsl-custody-v1\0" + act.encode() + b"\0" + cluster + digest


def with_register(quote_digest: bytes, head_digest: bytes | None) -> bytes:
    """The digest that is signed where a register of keys is accepted along with the quote; None: an empty one."""
    return hashlib.sha256(quote_digest + (head_digest or bytes(32))).digest()


def thaw_digest(epoch: int, number: int, at: int, expires_at: int) -> bytes:
    """Names one freeze of the cluster, by the head before it and its time, and until when the approval counts."""
    return hashlib.sha256(b"".join(each.to_bytes(8) for each in (epoch, number, at, expires_at))).digest()
