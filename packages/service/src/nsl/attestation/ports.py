"""What attestation needs of the world outside."""

from collections.abc import Sequence
from typing import Protocol

from nsl_protocol.attestation.binding import Purpose
from nsl_protocol.attestation.policy import Verdict
from nsl_protocol.attestation.verify import Collateral
from nsl_protocol.cluster.manifest import Program
from nsl_protocol.enclave.agreement import ClusterThaw, Freeze
from nsl_protocol.enclave.membership import Quoted
from nsl_protocol.enclave.messages import Status


class CollateralSource(Protocol):
    """Intel's signed statements about a platform, from a caching service (PCCS)."""

    async def collateral(self, quote: bytes) -> Collateral:
        """For the platform that made this quote.

        Raises:
            CollateralUnavailable: it does not answer, or has nothing for that platform.
        """


class ProvableEnclave(Protocol):
    """One replica of an enclave program. Raises EnclaveDown, EnclaveUntrusted (Unavailable)."""

    async def quote(self, purpose: Purpose, nonce: bytes) -> Quoted: ...

    async def status(self) -> Status: ...


class Judge(Protocol):
    """The policy of the cluster's manifest."""

    async def verdict(
        self, program: Program, purpose: Purpose, nonce: bytes, keys: Sequence[bytes], quoted: Quoted
    ) -> Verdict: ...

    async def collateral(self, quote: bytes, brought: bytes | None) -> Collateral: ...


class StoppableCluster(Protocol):
    """The key cluster as a whole. Raises EnclaveDown, NoMajority (Unavailable)."""

    @property
    def cluster(self) -> bytes:
        """Its id."""

    async def freeze(self) -> None:
        """Let nothing be signed, decrypted or exported. Done twice, it is done once."""

    async def thaw(self, order: ClusterThaw) -> None:
        """End it. Raises EnclaveRefused (Denied): the custodians' approvals do not do."""

    async def present(self) -> Freeze | None:
        """The one that holds."""
