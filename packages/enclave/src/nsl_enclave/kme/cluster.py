"""What a replica knows of its cluster: the manifest, the time, and, once it has it, the root."""

from collections.abc import Callable
from dataclasses import dataclass

from msgspec.structs import replace

from nsl_enclave.kernel.certificates import Authority
from nsl_enclave.kernel.clock import EnclaveTime, SteadyTime, monotonic, wall
from nsl_enclave.kernel.errors import ManifestError, Refusal, SealError
from nsl_enclave.kme.state import Registered, Root, Seal, SealStatus, State
from nsl_enclave.platform import Platform
from nsl_protocol.attestation.policy import Floors, judge
from nsl_protocol.attestation.verify import Collateral
from nsl_protocol.cluster.constitution import Constitution
from nsl_protocol.cluster.manifest import Program
from nsl_protocol.cluster.packages import Generation
from nsl_protocol.errors import CodecError


@dataclass(frozen=True, slots=True)
class Proof:
    """A quote that somebody brings, and what is said of his platform."""

    quote: bytes
    collateral: bytes


class Cluster:
    """One replica's view. ``state`` and ``root`` are None until it was bootstrapped, has joined or recovered.

    Args:
        began: is called when the root is there; and whether it was given just now.

    A seal that does not open is no more than a cache that is lost: the replica waits to join again.

    Raises:
        ManifestError: the host brings an older manifest than was seen, or another cluster's.
    """

    def __init__(self, platform: Platform, constitution: Constitution, seal: Seal) -> None:
        self.platform = platform
        self.constitution = constitution
        self.state: State | None = None
        self.root: Root | None = None
        self._seal = seal
        self._began: Callable[[Root, bool], None] | None = None
        kept = self._unsealed()
        self._time = EnclaveTime(wall(), monotonic(), 0.0 if kept is None else kept.time)
        self._steady = SteadyTime(self.now(), monotonic())
        if kept is not None:
            self._resume(kept)

    def when_begun(self, began: Callable[[Root, bool], None]) -> None:
        """Be told of the root, now if it is there already: then the seal held it."""
        self._began = began
        if self.root is not None:
            began(self.root, False)

    @property
    def identifier(self) -> bytes:
        """32 bytes."""
        return self.constitution.cluster

    @property
    def epoch(self) -> int:
        """0 without a root."""
        return 0 if self.state is None else self.state.epoch

    @property
    def authority(self) -> Authority:
        """The one that holds for this epoch and manifest."""
        root, version = self.needed_root(), self.constitution.present.version
        return Authority(root.authority_key(self.epoch, version), root.authority_name(self.epoch, version))

    def now(self) -> float:
        """Unix seconds in the enclave's own time."""
        return self._time.at(wall(), monotonic())

    def steady(self) -> float:
        """Unix seconds by which is counted what happens over time."""
        return self._steady.at(monotonic())

    def agree(self, time: float) -> None:
        """Another replica's time."""
        self._time.agree(time)
        self.set_steady(max(time, self.steady()))

    def set_steady(self, time: float) -> None:
        """A majority's steady time."""
        self._steady = SteadyTime(time, monotonic())

    def needed_root(self) -> Root:
        """Raises Refusal: there is none yet."""
        if self.root is None:
            raise Refusal("NO_ROOT", "This replica has no root yet: bootstrap the cluster, join it, or recover it.")
        return self.root

    @property
    def registered(self) -> Registered:
        """Where this replica is in the register of keys. Raises Refusal: it has no root yet."""
        self.needed_root()
        if self.state is None:
            raise RuntimeError("a replica with a root has a state")
        return self.state.register

    def keep(self, register: Registered) -> None:
        """Seal where this replica is in the register of keys."""
        self._save(register=register)

    def begin(
        self, roots: tuple[Generation, ...], epoch: int, packages: dict[str, bytes], register: Registered
    ) -> None:
        """Take the roots and seal them; an epoch of before is over with that."""
        floors = Floors() if self.state is None else self.state.floors
        self.state = State(
            self.identifier,
            epoch,
            roots,
            self.constitution.present.version,
            int(self.now()),
            floors,
            register,
            packages,
        )
        self._seal.write(self.state)
        self.seal_status = SealStatus.OPENED
        self._start(roots, given=True)

    def apply(self, document: bytes) -> int:
        """Take a later manifest: every certificate of the former one is worthless from here on; its version.

        Raises:
            Refusal: it may not follow the present one.
        """
        try:
            self.constitution = self.constitution.updated(document)
        except CodecError as error:
            raise Refusal("MANIFEST_REFUSED", f"The manifest {error.reason}.") from error
        self._save(manifest_version=self.constitution.present.version)
        return self.constitution.present.version

    def admit(self, program: Program, proof: Proof, report_data: bytes) -> None:
        """Verify a peer's quote by the manifest's policy; the floors advance with it.

        Raises:
            Refusal: ``NOT_ADMITTED``, with every reason.
        """
        try:
            collateral = Collateral(proof.collateral)
        except CodecError as error:
            raise Refusal("NOT_ADMITTED", f"The collateral cannot be read: {error.reason}.") from error
        floors = Floors() if self.state is None else self.state.floors
        policy = self.constitution.policy(program, floors)
        anchors = [self.platform.anchor]
        verdict = judge(proof.quote, collateral, int(self.now()), anchors, policy, report_data)
        if verdict.claims is None or not verdict.accepted:
            raise Refusal("NOT_ADMITTED", " ".join(f"{each.code}: {each.detail}" for each in verdict.reasons))
        if self.state is not None:
            advanced = floors.advanced(verdict.claims)
            if advanced != floors:
                self._save(floors=advanced)

    def _unsealed(self) -> State | None:
        try:
            kept = self._seal.read()
        except SealError:
            self.seal_status = SealStatus.LOST
            return None
        self.seal_status = SealStatus.NONE if kept is None else SealStatus.OPENED
        return kept

    def _save(self, **changes: object) -> None:
        if self.state is not None:
            self.state = replace(self.state, time=int(self.now()), **changes)
            self._seal.write(self.state)

    def _resume(self, kept: State) -> None:
        if kept.cluster != self.identifier:
            raise ManifestError(
                f"The seal is of cluster {kept.cluster.hex()}, the manifest of {self.identifier.hex()}: "
                "give this replica its own state folder."
            )
        version = self.constitution.present.version
        if version < kept.manifest_version:
            raise ManifestError(
                f"The manifest is version {version}; this replica has seen version {kept.manifest_version}."
            )
        self.state = kept
        self._save(manifest_version=version)
        self._start(kept.roots, given=False)

    def _start(self, roots: tuple[Generation, ...], *, given: bool) -> None:
        self.root = Root(roots, self.identifier)
        if self._began is not None:
            self._began(self.root, given)
