"""Keys by reference: what they are, what their policy allows, and what may be asked of them. No private part, ever."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from coincurve import PublicKey as Secp256k1PublicKey
from msgspec.structs import replace

from nsl_protocol.attestation.keys import Origin
from nsl_protocol.enclave.lifecycle import KeyState
from nsl_protocol.enclave.messages import Curve
from nsl_protocol.evm.address import EvmAddress
from nsl_protocol.n3.keys import PublicKey
from nsl_protocol.n3.verification import account
from nsl_protocol.policy.document import Kind, Policy

ROTATION_DAYS: Final = 90
#: keys that nobody knows by an address or a public key
ROTATED_CURVES: Final = frozenset({Curve.AES_256_GCM, Curve.HMAC_SHA256})


class Usage(StrEnum):
    SIGN = "sign"
    ENCRYPT = "encrypt"
    DECRYPT = "decrypt"
    MAC = "mac"
    VERIFY = "verify"


#: what a key of each curve is for, and what the enclave is asked by whoever uses it so
USAGES_OF_CURVE: Final = {
    Curve.SECP256R1: (Usage.SIGN,),
    Curve.SECP256K1: (Usage.SIGN,),
    Curve.ED25519: (Usage.SIGN,),
    Curve.RSA_3072: (Usage.SIGN,),
    Curve.AES_256_GCM: (Usage.ENCRYPT, Usage.DECRYPT),
    Curve.HMAC_SHA256: (Usage.MAC, Usage.VERIFY),
}
KINDS_OF_USAGE: Final = {
    Usage.ENCRYPT: (Kind.ENCRYPT, Kind.DATA_KEY),
    Usage.DECRYPT: (Kind.DECRYPT,),
    Usage.MAC: (Kind.MAC,),
    Usage.VERIFY: (Kind.VERIFY_MAC,),
}

# What a key of each curve can be asked for at all; a digest is subject to its policy.
KINDS_OF_CURVE: Final = {
    Curve.SECP256R1: frozenset({Kind.MESSAGE, Kind.DIGEST, Kind.N3_TRANSACTION}),
    Curve.SECP256K1: frozenset({Kind.MESSAGE, Kind.DIGEST, Kind.EVM_TRANSACTION, Kind.TYPED_DATA}),
    Curve.ED25519: frozenset({Kind.MESSAGE}),
    Curve.RSA_3072: frozenset({Kind.MESSAGE, Kind.DIGEST}),
    Curve.AES_256_GCM: frozenset({Kind.ENCRYPT, Kind.DECRYPT, Kind.DATA_KEY}),
    Curve.HMAC_SHA256: frozenset({Kind.MAC, Kind.VERIFY_MAC}),
}


@dataclass(frozen=True, slots=True)
class Enclave:
    """Which enclave made a key version: mode ``sim`` or ``hw``, and its measurement in hex."""

    mode: str
    measurement: str


@dataclass(frozen=True, slots=True)
class Policies:
    """The policy that holds, which number it is, and the one that waits, with the time from which that may hold."""

    present: Policy
    number: int = 1
    following: Policy | None = None
    following_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Labels:
    """What people and programs find a key by. ``alias``: that of one live key of the tenant."""

    name: str
    alias: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Key:
    """A key as everyone may see it. ``public_key`` and ``enclave`` are the current version's.

    ``destroys_at``: of one that waits for its destruction, when that is; until then it can be undone.
    ``recipients``: X25519 public keys that it may be exported to.
    ``last_used_at``: it did something then, and nothing more than a minute later; None: it never did anything.
    ``frozen_at``: of a frozen one, by the enclave's time.
    ``secret_version``: of a secret key; each rotation counts on.
    """

    id: UUID
    labels: Labels
    curve: Curve
    version: int
    state: KeyState
    usages: tuple[Usage, ...]
    policies: Policies
    public_key: bytes
    addresses: dict[str, str]
    created_at: datetime
    rotation_days: int
    rotates_at: datetime
    enclave: Enclave
    destroys_at: datetime | None = None
    origin: Origin = Origin.GENERATED
    recipients: tuple[bytes, ...] = ()
    last_used_at: datetime | None = None
    frozen_at: datetime | None = None
    secret_version: int = 1

    @property
    def rotated(self) -> bool:
        """Whether it gets another secret by itself when its time comes; others are replaced by people."""
        return self.curve in ROTATED_CURVES

    @property
    def policy(self) -> Policy:
        """The one that holds."""
        return self.policies.present


@dataclass(frozen=True, slots=True)
class KeyFilter:
    """Which keys are listed; None and empty: all. ``tags``: with these values; ``tagged``: with any value.

    ``rotation_due_at``: active ones that should have been rotated or replaced by then.
    """

    alias: str | None = None
    curve: Curve | None = None
    state: KeyState | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    tagged: Sequence[str] = ()
    rotation_due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class DepositAddress:
    """An address below a key, at ``m/0/index`` (BIP-32). ``reference``: whose it is, in the tenant's own words."""

    index: int
    public_key: bytes
    address: str
    reference: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class AddressFilter:
    """Which addresses are listed; None: all."""

    reference: str | None = None
    address: str | None = None


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A key's current version with its private part as the enclave wrapped it, to be handed back to the enclave."""

    key: Key
    wrapped: bytes


def policy_for(usages: Sequence[Usage], policy: Policy, curve: Curve) -> Policy:
    """The policy under which a key is used in these ways alone: by kinds, which the enclave keeps to."""
    if Usage.SIGN in usages or policy.kinds is not None or set(usages) == set(USAGES_OF_CURVE[curve]):
        return policy
    return replace(policy, kinds=tuple(kind for usage in usages for kind in KINDS_OF_USAGE[usage]))


def addresses_of(curve: Curve, public_key: bytes) -> dict[str, str]:
    """The accounts that a key controls, by chain: the N3 account of its single-signature script, or the Neo X one."""
    if curve is Curve.SECP256R1:
        return {"neo-n3": account(PublicKey.from_bytes(public_key)).address}
    if curve is Curve.SECP256K1:
        return {"neo-x": str(EvmAddress.from_public_key(Secp256k1PublicKey(public_key).format(compressed=False)))}
    return {}


def address_of(curve: Curve, public_key: bytes) -> str:
    """The account of a key of a curve that has one."""
    (address,) = addresses_of(curve, public_key).values()
    return address
