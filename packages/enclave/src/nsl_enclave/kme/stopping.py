"""The emergency stop of the whole cluster: whoever is enrolled can order it, and custodians alone can end it.

It stands in the head of the register, so it holds where a majority has accepted it, over restarts and older databases,
and reaches a replica that was away with its next lease.
"""

from collections.abc import Callable
from datetime import UTC, datetime

from msgspec.structs import replace

from nsl_enclave.kernel.errors import Refusal
from nsl_enclave.kme.register import Register
from nsl_protocol.cluster.constitution import Constitution
from nsl_protocol.cluster.custody import Act, statement, thaw_digest
from nsl_protocol.cluster.manifest import approvals
from nsl_protocol.enclave.agreement import Certificate, ClusterFreeze, ClusterThaw, Freeze, Record


class Stopping:
    """Of one replica.

    Args:
        constitution: says who the custodians are.
        now: enclave time in Unix seconds.
    """

    def __init__(self, register: Register, constitution: Callable[[], Constitution], now: Callable[[], float]) -> None:
        self._register = register
        self._constitution = constitution
        self._now = now

    def insist_on_none(self) -> None:
        """Raises Refusal: ``CLUSTER_FROZEN``."""
        freeze = self._register.freeze
        if freeze is not None:
            raise Refusal(
                "CLUSTER_FROZEN",
                f"All keys were frozen at {_spelled(freeze)}: nothing is signed, decrypted or exported until "
                "custodians have approved the end of it: `nsl enclave unfreeze`.",
            )

    def freeze(self, certificate: Certificate, entry: ClusterFreeze) -> Record:
        """The record by which the cluster is frozen.

        Raises:
            Refusal: ``ALREADY_REGISTERED``: it is; or as ``Register.change_head``.
        """
        self._register.insist_on_newest(certificate)
        head = self._register.head
        if head.freeze is not None:
            raise Refusal("ALREADY_REGISTERED", f"The cluster was frozen at {_spelled(head.freeze)}.")
        freeze = Freeze(head.epoch, head.number, int(self._now()))
        return self._register.change_head(certificate, entry, replace(head, freeze=freeze))

    def thaw(self, certificate: Certificate, entry: ClusterThaw) -> Record:
        """The record by which a freeze ends.

        Raises:
            Refusal: ``ALREADY_REGISTERED``: there is none; ``OTHER_FREEZE``, ``APPROVALS_EXPIRED``,
                ``TOO_FEW_APPROVALS``; or as ``Register.change_head``.
        """
        self._register.insist_on_newest(certificate)
        head, freeze = self._register.head, entry.freeze
        if head.freeze is None:
            raise Refusal("ALREADY_REGISTERED", "The cluster is not frozen.")
        if head.freeze != freeze:
            raise Refusal(
                "OTHER_FREEZE",
                f"The approvals are for the freeze at {_spelled(freeze)}; the cluster was frozen again at "
                f"{_spelled(head.freeze)}. Ask the custodians anew.",
            )
        if entry.expires_at <= self._now():
            raise Refusal("APPROVALS_EXPIRED", "The approvals have expired: ask the custodians anew.")
        found = self._constitution()
        digest = thaw_digest(freeze.epoch, freeze.number, freeze.at, entry.expires_at)
        signatures = {name: signature.hex() for name, signature in entry.approvals.items()}
        signed = approvals(found.genesis, statement(Act.UNFREEZE, found.cluster, digest), signatures)
        if len(signed) < found.genesis.threshold:
            raise Refusal(
                "TOO_FEW_APPROVALS",
                f"{len(signed)} custodians have approved the end of the freeze; it takes {found.genesis.threshold}.",
            )
        return self._register.change_head(certificate, entry, replace(head, freeze=None))


def _spelled(freeze: Freeze) -> str:
    return f"{datetime.fromtimestamp(freeze.at, UTC):%Y-%m-%d %H:%M:%S} UTC"
