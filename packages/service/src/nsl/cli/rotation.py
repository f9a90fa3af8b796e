"""`nsl enclave root rotate` and `retire`: the steps, in the order in which each may be the last before a crash."""

import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from nsl import wiring
from nsl.adapters.enclave import NoMajority, PostgresRegister, RegisterStore, Visit, visit
from nsl.adapters.rewrapping import rewrap_all
from nsl.cli.custodian import Approved, approved, join, retire, rotate, write_packages
from nsl.kit.db import Database
from nsl.kit.telemetry import configure_logs
from nsl.settings import Settings, needed
from nsl_protocol.cluster.custody import Act
from nsl_protocol.cluster.manifest import Program
from nsl_protocol.enclave.agreement import Certificate
from nsl_protocol.enclave.membership import Founded
from nsl_protocol.enclave.messages import GetStatus, Status

#: rewrapping holds one while the register of keys is read
OWNER_CONNECTIONS = 2
ATTEMPTS = 20
#: longer than a call to an enclave takes; whoever attends the replicas meanwhile finds the epoch that has begun
HOLD_SECONDS = 60

type Address = tuple[str, int]
type Replacement = Callable[[Visit, Approved, Certificate], Awaitable[Founded]]


@dataclass(frozen=True, slots=True)
class Rotation:
    """On the first replica of the settings; ``packages``: the file of the custodians' shares, replaced by each step.

    Connections are opened for each step, because an enclave keeps nobody for long who has shown no certificate.
    """

    settings: Settings
    packages: Path

    @classmethod
    def from_environment(cls, packages: Path) -> "Rotation":
        """Raises BadSetting."""
        settings = Settings.from_environment(os.environ)
        configure_logs(settings.log_level)  # standard output is the answer's
        return cls(settings, packages)

    async def rotate(
        self, custodians: Sequence[Path] | None, approvals: Sequence[Path] | None, *, resume: bool
    ) -> dict[str, Any]:
        """Make another root, unless ``resume`` finds that one was made; then wrap everything anew.

        Raises:
            EnclaveUntrusted, EnclaveRefused: nothing is lost; ``resume`` goes on.
        """
        if not resume:
            await self._replace(Act.ROTATE, rotate, custodians, approvals)
            _say("another root is made, and shared among the custodians")
        await self._join_again()
        return {"rewrapped": await self._rewrap(), "packages": str(self.packages)}

    async def retire(self, custodians: Sequence[Path] | None, approvals: Sequence[Path] | None) -> dict[str, Any]:
        """Forget the roots of before. Raises EnclaveUntrusted, EnclaveRefused."""
        await self._join_again()
        await self._rewrap()
        found = await self._replace(Act.RETIRE, retire, custodians, approvals)
        await self._join_again()
        return {"epoch": found.epoch, "packages": str(self.packages)}

    async def _replace(
        self, act: Act, work: Replacement, custodians: Sequence[Path] | None, approvals: Sequence[Path] | None
    ) -> Founded:
        """Begin the epoch while nobody can change the register of keys, so that it goes on from the newest."""
        first = self.settings.kme_addresses[0]
        async with self._database() as owner, visit(first, Program.KME, wiring.trust(self.settings)) as visiting:
            by = await approved(visiting, act, custodians, approvals)
            async with wiring.key_enclave(self.settings, owner) as enclave:
                for _ in range(ATTEMPTS):
                    await enclave.attend()
                    newest = await hold(PostgresRegister(owner))
                    if newest is None:
                        continue  # API or worker has just begun a change: it comes first
                    found = await work(visiting, by, newest)
                    write_packages(self.packages, found.packages)
                    await settle_epoch(PostgresRegister(owner), found.certificate)
                    return found
        raise NoMajority("The register of keys is being changed all the time; run the command again.")

    async def _rewrap(self) -> int:
        async with self._database() as owner, wiring.key_enclave(self.settings, owner) as enclave:
            return await rewrap_all(owner, enclave, _say)

    def _database(self) -> Database:
        url = needed(self.settings.database_owner_url, "NSL_DATABASE_OWNER_URL")
        return Database(url, connections_max=OWNER_CONNECTIONS)

    async def _join_again(self) -> None:
        """Whoever is of an earlier epoch than the newest, which an interrupted rotation may have left anywhere."""
        epochs = {address: await self._epoch(address) for address in self.settings.kme_addresses}
        newest = max(epochs, key=lambda address: epochs[address])
        for address, epoch in epochs.items():
            if epoch < epochs[newest]:
                trust = wiring.trust(self.settings)
                async with visit(newest, Program.KME, trust) as member, visit(address, Program.KME, trust) as replica:
                    await join(member, replica)

    async def _epoch(self, address: Address) -> int:
        async with visit(address, Program.KME, wiring.trust(self.settings)) as replica:
            return (await replica.ask(Status, GetStatus())).epoch


async def hold(register: RegisterStore) -> Certificate | None:
    """Let no change of the register begin until the next epoch has. What that goes on from; None: one is under way.

    Written down before the epoch begins: should this process end then, a change would be made in an epoch that is over.
    """
    async with register.changing() as change:
        if change.kept.certificate is None or change.kept.pending is not None:
            return None
        await change.hold(HOLD_SECONDS)
        return change.kept.certificate


async def settle_epoch(register: RegisterStore, begun: Certificate) -> None:
    """Write down that an epoch has begun, unless somebody who attends the replicas has: it may be further by now."""
    async with register.changing() as change:
        kept = change.kept.certificate
        if kept is None or kept.head.order < begun.head.order:
            await change.settle(begun, ())


def _say(text: str) -> None:
    typer.echo(text, err=True)
