"""The key cluster of `nsl up`: its manifest, its one development custodian, and how its replicas get their root.

The custodian's keys lie in the state folder, so whoever has the folder has everything: this is for development. All
else is as in production: the manifest is signed, enclaves prove themselves, the root is made once and can be recovered.
"""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from msgspec.json import encode
from msgspec.structs import replace

from nsl.adapters.enclave import Identity, RegisterStore, Trust, Visit, visit
from nsl.adapters.enclave.trust import read_constitution
from nsl.cli.custodian import (
    CustodianKeys,
    RegisterFile,
    approve_now,
    bootstrap,
    join,
    packages,
    proceed,
    read_packages,
    recover,
    write_packages,
)
from nsl.cli.up.errors import NotReady
from nsl.kit.files import write_private
from nsl_protocol.attestation.policy import EnclaveRule
from nsl_protocol.attestation.verify import TrustAnchor
from nsl_protocol.cluster.constitution import GENESIS_FILE, PRESENT_FILE
from nsl_protocol.cluster.custody import Act
from nsl_protocol.cluster.manifest import Manifest, Program, SignedManifest, sign_off
from nsl_protocol.enclave.agreement import Certificate
from nsl_protocol.enclave.membership import Founded
from nsl_protocol.enclave.messages import GetStatus, Status

CLIENT = "service"
CUSTODIAN = "development"


@dataclass(frozen=True)
class DevelopmentCluster:
    """What lies in ``directory``: manifests, the custodian's keys, his package, the service's key, the simulation."""

    directory: Path

    @property
    def manifests(self) -> Path:
        """The folder of ``genesis.json`` and ``manifest.json``."""
        return self.directory / "manifest"

    @property
    def simulation(self) -> Path:
        """The folder of the simulated quoting enclave."""
        return self.directory / "simulation"

    @property
    def root_certificate(self) -> Path:
        """Of the simulation, once an enclave has run."""
        return self.simulation / "root.der"

    @property
    def client_key(self) -> Path:
        """The key that API and worker enrol with."""
        return self.directory / "service.key"

    def environment(self) -> dict[str, str]:
        """The settings that lead a service here, but for the address."""
        return {
            "NSL_MANIFEST_DIR": str(self.manifests),
            "NSL_CLIENT_KEY": str(self.client_key),
            "NSL_SGX_MODE": "sim",
            "NSL_SIMULATED_ROOT": str(self.root_certificate),
        }

    def trust(self) -> Trust:
        """Of a client in this cluster."""
        return Trust(self.manifests, [TrustAnchor(self.root_certificate.read_bytes())], None)

    def identity(self) -> Identity:
        """The service's."""
        return Identity.read(CLIENT, self.client_key)

    def prepare(self, mrenclave: str, *, replicas: int = 1, **settings: int) -> None:
        """Make the genesis, or list this version's enclave in a new manifest when the program has changed.

        ``settings``: further fields of the manifest.
        """
        self.manifests.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self._custodian.exists():
            CustodianKeys.new(CUSTODIAN).write(self._custodian)
        if not self.client_key.exists():
            Identity.make(self.client_key)
        custodian = CustodianKeys.read(self._custodian)
        programs: dict[Program, tuple[EnclaveRule, ...]] = {Program.KME: (EnclaveRule(mrenclave=mrenclave),)}
        genesis = self.manifests / GENESIS_FILE
        if not genesis.exists():
            clients = {CLIENT: self.identity().fingerprint}
            first = Manifest(1, (custodian.public,), 1, programs, clients, replicas=replicas)
            _write(genesis, sign_off(replace(first, **settings)))
            return
        constitution = read_constitution(self.manifests)
        wanted = replace(constitution.present, programs=programs, replicas=replicas, **settings)
        if wanted != constitution.present:
            version = constitution.present.version + 1
            following = replace(wanted, version=version, cluster=constitution.cluster.hex())
            _write(self.manifests / PRESENT_FILE, sign_off(following).signed_by(custodian.name, custodian.signing))

    async def establish(self, addresses: Sequence[tuple[str, int]], register: RegisterStore, *, may_found: bool) -> str:
        """See to it that every replica has the root of the present epoch; what was done, in a sentence.

        Args:
            register: of the database that is gone on with.
            may_found: nothing hangs on an older root, so a new one may be made where there is none.

        Raises:
            NotReady: the root is lost, and what would recover it too.
        """
        async with AsyncExitStack() as stack:
            trust = self.trust()
            visits = [await stack.enter_async_context(visit(each, Program.KME, trust)) for each in addresses]
            epochs = [await _epoch(each) for each in visits]
            first = visits[epochs.index(max(epochs))]
            certificate = (await register.kept()).certificate
            if not any(epochs):
                done = await self._begin(first, certificate, may_found=may_found)
            elif certificate is not None and epochs.count(max(epochs)) <= certificate.head.others_to_hear:
                done = await self._proceed(first, certificate)
            else:
                done = "the root was sealed"
                self._keep(await packages(first))
            present = await _epoch(first)
            waiting = [each for each in visits if await _epoch(each) < present]
            for each in waiting:
                await join(first, each)
            return f"{done}; {len(waiting)} joined" if waiting else done

    async def _proceed(self, first: Visit, certificate: Certificate) -> str:
        """Too few are left of those that were run before: they cannot know that they miss nothing."""
        custodian, register = CustodianKeys.read(self._custodian), RegisterFile.of(certificate)
        found = await proceed(first, await approve_now(first, Act.PROCEED, [custodian], register))
        return f"one replica goes on, in epoch {found.epoch}"

    async def _begin(self, first: Visit, certificate: Certificate | None, *, may_found: bool) -> str:
        custodian = CustodianKeys.read(self._custodian)
        if self._packages.exists():
            package = read_packages(self._packages)[custodian.name]
            found = await recover(first, custodian, package, certificate)
            if not isinstance(found, Founded):
                raise NotReady("The development custodian's share is not enough: the cluster has other custodians.")
            self._keep(found)
            return "the root was recovered from the custodian's share"
        if not may_found:
            raise NotReady(
                "The key enclave's seal is lost, and the custodian's package with it: the keys are lost. "
                "`nsl up --fresh` makes new ones."
            )
        self._keep(await bootstrap(first, await approve_now(first, Act.BOOTSTRAP, [custodian])))
        return "the root was made"

    @property
    def _custodian(self) -> Path:
        return self.directory / "custodian.json"

    @property
    def _packages(self) -> Path:
        return self.directory / "packages.json"

    def _keep(self, found: Founded) -> None:
        """A member that has joined has none."""
        if found.packages:
            write_packages(self._packages, found.packages)


async def _epoch(replica: Visit) -> int:
    """0: it has no root."""
    return (await replica.ask(Status, GetStatus())).epoch


def _write(path: Path, signed: SignedManifest) -> None:
    write_private(path, encode(signed).decode())
