"""What the audit slice needs of the enclave. Every method raises EnclaveDown, NoMajority, DatabaseOlder (Unavailable),
and EnclaveRefused (Denied), whose code is the enclave's."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from nsl.audit.model import Evidence
from nsl_protocol.audit.heads import Line, SignedHead
from nsl_protocol.enclave.log import HeadSigned, LeavesAppended, LeavesKept, Lost, ToAppend


class LogEnclave(Protocol):
    """Keeps the log."""

    async def append_leaves(self, log: bytes | None, items: Sequence[ToAppend | Lost]) -> LeavesAppended:
        """The edition of the log that has these behind it; nothing holds by it alone."""

    async def enter_log(self, log: bytes) -> None:
        """Make an edition of the log the present one, for good; when it is already, that is well."""

    async def sign_head(self, log: bytes) -> HeadSigned:
        """The head of the present edition."""

    async def leaves_kept(self, following: Mapping[bytes, int]) -> tuple[list[LeavesKept], bool]:
        """What replicas keep of their runs, from the number on that is named; and whether all have answered."""

    async def evidence(self, nonce: bytes) -> Evidence:
        """That the log key is an enclave's, by the replica that answers."""


class Witness(Protocol):
    """Somebody else, who cosigns heads."""

    name: str

    async def cosign(self, old: int, proof: tuple[bytes, ...], signed: SignedHead) -> Line | int:
        """Its line; or the size that it knows the log at, where that is not ``old``.

        Raises:
            WitnessDown, WitnessRefused
        """
