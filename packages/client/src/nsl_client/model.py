"""What the API answers, typed. Amounts are decimal text in the asset's unit; unknown new fields are ignored."""

from datetime import datetime
from typing import Any

import msgspec

FINAL_STATES = frozenset({"confirmed", "failed", "expired", "cancelled", "replaced"})


class Page[T](msgspec.Struct, frozen=True):
    """Part of a list; ``next_cursor`` is None on the last one."""

    items: list[T]
    next_cursor: str | None = None


class Plan(msgspec.Struct, frozen=True):
    """Requests per minute and subject: in general, and under /v1/keys."""

    requests_per_minute: int
    key_requests_per_minute: int


class Tenant(msgspec.Struct, frozen=True):
    id: str
    name: str
    plan: Plan | None = None
    created_at: datetime | None = None


class ClientSecret(msgspec.Struct, frozen=True):
    """A new client. The secret is shown this once."""

    client_id: str
    client_secret: str
    scopes: list[str]
    tenant_id: str | None = None


class ClientInfo(msgspec.Struct, frozen=True):
    client_id: str
    name: str
    scopes: list[str]


class Me(msgspec.Struct, frozen=True):
    """Who a token stands for: its client, tenant, scopes and limits. ``kind``: person or client."""

    subject: str
    tenant: str
    client_id: str
    scopes: list[str]
    plan: Plan | None = None
    kind: str = "client"
    roles: list[str] = []
    email: str | None = None
    display_name: str | None = None


class Enclave(msgspec.Struct, frozen=True):
    """Where a key lives. ``mode`` is ``sim`` for a simulated enclave."""

    mode: str
    measurement: str


class Key(msgspec.Struct, frozen=True):
    """``public_key`` is compressed SEC1 (or 32 bytes of Ed25519) as hex; ``addresses`` by chain.

    ``state`` is active, disabled, destroying, frozen or destroyed; ``destroys_at``: of one that is destroying.
    ``version`` of a secret key grows with each rotation. ``rotation_due``: it should have been rotated, or replaced.
    ``last_used_at``: it was used then, and last within the minute after it.
    ``origin`` is generated or imported. ``keys.attestation`` proves what is said of origin and export here.
    """

    id: str
    name: str
    curve: str
    version: int
    state: str
    public_key: str
    addresses: dict[str, str]
    created_at: datetime
    rotates_at: datetime | None
    enclave: Enclave
    policy: dict[str, Any] | None = None
    destroys_at: datetime | None = None
    origin: str = "generated"
    exportable: bool = False
    export_recipients: list[str] = []
    alias: str | None = None
    tags: dict[str, str] = {}
    last_used_at: datetime | None = None
    frozen_at: datetime | None = None
    rotation_due: bool = False


class TenantFreeze(msgspec.Struct, frozen=True):
    """``keys_left``: those that are being frozen yet."""

    frozen: bool
    frozen_at: datetime | None = None
    frozen_by: str | None = None
    keys_left: int = 0


class ImportParameters(msgspec.Struct, frozen=True):
    """What a private key is encrypted with; ``nsl_client.portable.encrypt_key`` verifies it first."""

    key_id: str
    wrapping_key: str
    nonce: str
    cluster: str
    quote: str
    collateral: dict[str, str]


class ImportOrder(msgspec.Struct, frozen=True, omit_defaults=True):
    """An encrypted private key with all that it is bound to, as the API takes it."""

    id: str
    name: str
    curve: str
    wrapping_key: str
    encrypted_key: str
    policy: dict[str, Any] | None = None
    rotation_days: int | None = None
    exportable: bool = False
    export_recipients: list[str] = []


class ExportedKey(msgspec.Struct, frozen=True):
    """A private key, encrypted to ``recipient``; ``nsl_client.portable.Recipient`` opens it."""

    cluster: str
    tenant_id: str
    key_id: str
    version: int
    curve: str
    public_key: str
    recipient: str
    encrypted_key: str


class SignatureVerdict(msgspec.Struct, frozen=True):
    """``key_version``: by whose public key."""

    valid: bool
    key_version: int


class Signature(msgspec.Struct, frozen=True):
    """``signature`` is r‖s as hex, with v appended for secp256k1."""

    signature: str
    public_key: str
    algorithm: str
    key_version: int
    receipt_id: str | None = None
    decoded: dict[str, Any] | None = None
    enclave_mode: str | None = None
    salt: str | None = None


class SigningError(msgspec.Struct, frozen=True):
    code: str
    detail: str


class BatchResult(msgspec.Struct, frozen=True):
    """One of a batch: a signature, or an error in its place."""

    signature: Signature | None = None
    error: SigningError | None = None


class Chain(msgspec.Struct, frozen=True):
    """``network_id`` is the magic number (Neo N3) or the chain id (Neo X); ``height`` is None while no node answers."""

    chain: str
    network_id: int
    height: int | None
    healthy: bool


class Block(msgspec.Struct, frozen=True):
    chain: str
    height: int
    hash: str
    previous_hash: str
    time: datetime
    transactions: list[str]


class Mined(msgspec.Struct, frozen=True):
    """``succeeded`` is what the chain's VM said of the execution."""

    chain: str
    hash: str
    sender: str
    fee: str
    block_height: int
    block_hash: str
    time: datetime
    succeeded: bool


class Balance(msgspec.Struct, frozen=True):
    asset: str
    contract: str | None
    decimals: int
    amount: str


class Fees(msgspec.Struct, frozen=True):
    chain: str
    asset: str
    transfer: str
    prices: dict[str, str]


class Failure(msgspec.Struct, frozen=True):
    code: str
    message: str
    retryable: bool


class History(msgspec.Struct, frozen=True):
    state: str
    at: datetime


class Transaction(msgspec.Struct, frozen=True):
    """``fee`` is what the chain charged, ``fee_max`` the most that it can, both in GAS."""

    id: str
    chain: str
    kind: str
    state: str
    created_at: datetime
    from_key: str
    sender: str
    asset: str
    to: str
    amount: str
    hash: str | None = None
    block_height: int | None = None
    fee: str | None = None
    fee_max: str | None = None
    contract: str | None = None
    updated_at: datetime | None = None
    valid_until_block: int | None = None
    nonce: int | None = None
    failure: Failure | None = None
    history: list[History] | None = None

    @property
    def final(self) -> bool:
        """Whether it has ended; ``confirmed`` as long as its block stands."""
        return self.state in FINAL_STATES


class Check(msgspec.Struct, frozen=True):
    """One dependency. Without an essential one nothing works; without another, something waits."""

    ok: bool
    essential: bool
    latency_ms: float
    detail: str | None = None


class Health(msgspec.Struct, frozen=True):
    """``status`` is ready, degraded or unavailable; ``checks`` by the dependency's name."""

    status: str
    checks: dict[str, Check]


class FreezeName(msgspec.Struct, frozen=True):
    """Which freeze of the cluster: the head of the register before it, and when it was (Unix seconds)."""

    epoch: int
    number: int
    at: int


class ClusterFreeze(msgspec.Struct, frozen=True):
    """``cluster``: its id in hex."""

    cluster: str
    frozen: bool
    frozen_at: datetime | None = None
    freeze: FreezeName | None = None


class EnclaveInfo(msgspec.Struct, frozen=True):
    """One replica, as the layer sees it. ``status``: attested, refused or unreachable."""

    name: str
    program: str
    status: str
    mode: str | None = None
    measurement: str | None = None
    phase: str | None = None
    seal: str | None = None
    epoch: int | None = None
    manifest_version: int | None = None
    frozen_at: datetime | None = None
    last_attested_at: datetime | None = None
    collateral_expires_at: datetime | None = None
    reasons: list[dict[str, str]] = []


class Evidence(msgspec.Struct, frozen=True):
    """A quote (base64) that binds the rest; ``cluster`` and ``log_key`` in hex. Verify it: the layer did not."""

    name: str
    program: str
    nonce: str
    cluster: str
    manifest_version: int
    log_key: str
    quote: str
    collateral: dict[str, str]


class AuditRecord(msgspec.Struct, frozen=True):
    """One act: by whom, on what. ``action`` is ``thing.done``."""

    id: str
    at: datetime
    action: str
    actor: str
    target: str
    detail: dict[str, Any]


class TreeHead(msgspec.Struct, frozen=True):
    """A head of the audit log; ``checkpoint`` is the signed note, ``root`` and ``log_key`` are hex."""

    size: int
    root: str
    log_key: str
    signed_at: datetime
    checkpoint: str


class Consistency(msgspec.Struct, frozen=True):
    """``proof``: hex (RFC 9162 section 2.1.4)."""

    from_size: int
    to_size: int
    proof: list[str]


class RecordProof(msgspec.Struct, frozen=True):
    """``leaf``: its exact text; ``salt`` opens its commitment; ``proof``: hex (RFC 9162 section 2.1.3)."""

    id: str
    leaf: str
    salt: str | None
    index: int
    size: int
    proof: list[str]
    checkpoint: str


class Leaf(msgspec.Struct, frozen=True):
    """One leaf of the audit log."""

    index: int
    leaf: str
