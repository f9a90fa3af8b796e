"""The emergency stop of the key cluster: an operator pulls it at once, and custodians alone end it.

The enclaves keep to it. What is written down here is who has asked.
"""

from collections.abc import Sequence

from nsl.attestation.errors import ClusterMismatch
from nsl.attestation.ports import StoppableCluster
from nsl.identity.model import Caller
from nsl.identity.service import note
from nsl.kit.db import Database
from nsl_protocol.enclave.agreement import ClusterThaw, Freeze


class ClusterStops:
    """Of one cluster."""

    def __init__(self, database: Database, enclaves: StoppableCluster) -> None:
        self._database = database
        self._enclaves = enclaves

    @property
    def cluster(self) -> str:
        """Its id in hex, which custodians sign for."""
        return self._enclaves.cluster.hex()

    async def freeze(self, caller: Caller, cluster: str) -> Freeze | None:
        """Stop every key of every tenant.

        Args:
            cluster: which one is meant, in hex.

        Raises:
            ClusterMismatch: it is another one.
            Unavailable: too few key enclaves answer. It may come to hold yet.
        """
        self._insist_on_own(cluster)
        await self._note(caller, "cluster.frozen")
        await self._enclaves.freeze()
        return await self._enclaves.present()

    async def thaw(self, caller: Caller, order: ClusterThaw) -> Freeze | None:
        """End a freeze, with as many custodians' approvals as make a root.

        Raises:
            Denied: ``TOO_FEW_APPROVALS``, ``APPROVALS_EXPIRED``, ``OTHER_FREEZE``.
        """
        await self._enclaves.thaw(order)
        await self._note(caller, "cluster.unfrozen", list(order.approvals))
        return await self._enclaves.present()

    async def present(self) -> Freeze | None:
        """The one that holds; None: there is none."""
        return await self._enclaves.present()

    async def _note(self, caller: Caller, action: str, custodians: Sequence[str] = ()) -> None:
        async with self._database.transaction(caller.tenant) as connection:
            await note(connection, caller, action, self.cluster, custodians=sorted(custodians))

    def _insist_on_own(self, cluster: str) -> None:
        if cluster != self.cluster:
            raise ClusterMismatch(f"This layer's cluster is {self.cluster}: name that one.", field="cluster")
