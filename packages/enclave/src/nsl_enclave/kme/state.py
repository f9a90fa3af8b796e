"""What a replica seals: the root, and the newest that it has seen of everything that must not run backward."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from msgspec import DecodeError, Meta, Struct, field
from msgspec.msgpack import decode, encode

from nsl_enclave.kernel.derivation import derive, derive_p256
from nsl_enclave.kernel.errors import SealError
from nsl_enclave.kernel.memory import LockedSecret
from nsl_enclave.kernel.sealing import seal, unseal
from nsl_enclave.kernel.slots import SlotFile
from nsl_enclave.platform import Platform
from nsl_protocol.attestation.policy import Floors
from nsl_protocol.cluster.packages import Generation
from nsl_protocol.enclave.agreement import Certificate, Record
from nsl_protocol.enclave.fields import Id16

ROOT_BYTES = 32
_PURPOSE = "kme-state"


class Registered(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Where a replica is in the register of keys.

    Attributes:
        member: its name among the members, random.
        certificate: of its head.
        accepted: what it has accepted beyond that, and will accept no other in its place.
    """

    member: Id16
    certificate: Certificate
    accepted: Record | None = None


class State(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """
    Attributes:
        epoch: from 1; every recovery makes the next.
        manifest_version: the latest that was applied: an older one is refused.
        time: Unix seconds, the latest that was seen.
        floors: the newest collateral that a peer was admitted with.
        roots: the latest last; those of before open what was wrapped under them.
        register: where it is in the register of keys.
        packages: the custodians' shares, each encrypted to its custodian.
    """

    cluster: Annotated[bytes, Meta(min_length=32, max_length=32)]
    epoch: int
    roots: Annotated[tuple[Generation, ...], Meta(min_length=1)]
    manifest_version: int
    time: int
    floors: Floors
    register: Registered
    packages: dict[str, bytes] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"State(epoch={self.epoch}, manifest_version={self.manifest_version})"


class SealStatus(StrEnum):
    NONE = "none"  # nothing was ever sealed here
    OPENED = "opened"
    LOST = "lost"  # it does not open: another processor or microcode, or damage


class Seal:
    """The sealed state of one replica: a cache, from which it may go on after a restart."""

    def __init__(self, platform: Platform, slots: SlotFile) -> None:
        self._key = LockedSecret(platform.sealing_key())
        self._version = platform.security_version
        self._slots = slots

    def read(self) -> State | None:
        """None where nothing was ever sealed.

        Raises:
            SealError: it does not open, or is damaged.
        """
        sealed = self._slots.content
        if sealed is None:
            if self._slots.damaged:
                raise SealError("The sealed state is damaged: remove it, and let this replica join or recover.")
            return None
        opened = unseal(self._key.reveal(), self._version, _PURPOSE, sealed)
        try:
            return decode(opened, type=State)
        except (DecodeError, UnicodeDecodeError) as error:
            raise SealError("The sealed state is of another version of this program.") from error

    def write(self, state: State) -> None:
        """Durable on return."""
        self._slots.write(seal(self._key.reveal(), self._version, _PURPOSE, encode(state)))


class Root:
    """The roots, in locked memory, and the keys that follow from them. ``generation`` is the latest one's number."""

    def __init__(self, roots: Sequence[Generation], cluster: bytes) -> None:
        self._secrets = {each.number: LockedSecret(each.secret) for each in roots}
        self._cluster = cluster
        self.generation = max(self._secrets)

    @property
    def locked(self) -> bool:
        """Whether their memory is kept from being swapped out and dumped."""
        return all(each.locked for each in self._secrets.values())

    def reveal(self) -> tuple[Generation, ...]:
        """The roots themselves: to be split, handed over or sealed."""
        return tuple(Generation(number, self._secrets[number].reveal()) for number in sorted(self._secrets))

    def wrapping_key(self, salt: bytes, generation: int) -> bytes | None:
        """32 bytes to wrap other keys under; the salt says whose. None: there is no root of that number here."""
        secret = self._secrets.get(generation)
        return None if secret is None else derive(secret.reveal(), b"nsl-kme-wrap-v2\0" + salt)

    def register_keys(self) -> tuple[bytes, ...]:
        """By which replicas believe each other about the register of keys: 32 bytes for each root, the latest first."""
        return self._of_each(b"nsl-kme-register-v1\0")

    def leaf_keys(self) -> tuple[bytes, ...]:
        """By which replicas know each other's leaves of the audit log: as above."""
        return self._of_each(b"nsl-kme-leaf-v1\0")

    def authority_name(self, epoch: int, manifest_version: int) -> str:
        """Of the certificate authority, which changes with every manifest and every epoch."""
        return f"nsl {self._cluster.hex()[:16]} {epoch}.{manifest_version}"

    def authority_key(self, epoch: int, manifest_version: int) -> ec.EllipticCurvePrivateKey:
        """The same on every replica."""
        name = self.authority_name(epoch, manifest_version)
        return derive_p256(self._latest(), b"nsl-kme-authority-v1\0" + self._cluster + name.encode())

    def log_key(self) -> Ed25519PrivateKey:
        """Signs the heads of the audit log."""
        return Ed25519PrivateKey.from_private_bytes(derive(self._latest(), b"nsl-kme-log-v1\0" + self._cluster))

    def import_key(self) -> X25519PrivateKey:
        """What keys from elsewhere are encrypted to: the same on every replica, another one after a rotation."""
        return X25519PrivateKey.from_private_bytes(derive(self._latest(), b"nsl-kme-import-v1\0" + self._cluster))

    def _of_each(self, label: bytes) -> tuple[bytes, ...]:
        secrets = [self._secrets[number].reveal() for number in sorted(self._secrets, reverse=True)]
        return tuple(derive(secret, label + self._cluster) for secret in secrets)

    def _latest(self) -> bytes:
        return self._secrets[self.generation].reveal()
