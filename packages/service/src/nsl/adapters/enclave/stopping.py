"""The emergency stop of the key cluster, as attestation's port wants it."""

from nsl.adapters.enclave.register import Register
from nsl_protocol.enclave.agreement import ClusterFreeze, ClusterThaw, Freeze


class ClusterStop:
    """By the register on which the replicas agree."""

    def __init__(self, register: Register, cluster: bytes) -> None:
        self._register = register
        self.cluster = cluster

    async def freeze(self) -> None:
        """On return a majority has accepted it, and each replica that answers knows of it. Done twice, done once."""
        await self._register.enter(ClusterFreeze())
        await self._register.tell()

    async def thaw(self, order: ClusterThaw) -> None:
        """End it. Raises EnclaveRefused: the custodians' approvals do not do."""
        await self._register.enter(order)
        await self._register.tell()

    async def present(self) -> Freeze | None:
        """The one that holds."""
        return await self._register.freeze()
