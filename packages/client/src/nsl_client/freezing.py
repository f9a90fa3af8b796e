"""The emergency stop of a key, and how it is lifted."""

from collections.abc import Mapping
from urllib.parse import quote

import msgspec

from nsl_client.calls import Call
from nsl_client.clock import fresh_key
from nsl_client.model import ClusterFreeze, FreezeName, Key, TenantFreeze


def freeze_key(key_id: str, *, idempotency_key: str | None = None) -> Call[Key]:
    """Stop a key at once. ``unfreeze`` lifts it, and takes more rights."""
    path = f"/v1/keys/{quote(key_id, safe='')}/freeze"
    return Call("POST", path, Key, idempotency_key=idempotency_key or fresh_key())


def unfreeze_key(
    key_id: str,
    *,
    expires_at: int = 0,
    approvals: Mapping[str, str] | None = None,
    idempotency_key: str | None = None,
) -> Call[Key]:
    """Let a frozen key be what it was.

    ``approvals``: by approver, as ``nsl_client.governance.approve`` signs what ``governance.unfreezing`` makes; where
    the key's policy names who changes it.
    """
    body = {"expires_at": expires_at, "approvals": dict(approvals or {})}
    path = f"/v1/keys/{quote(key_id, safe='')}/unfreeze"
    return Call("POST", path, Key, body, idempotency_key=idempotency_key or fresh_key())


def freeze_tenant(tenant_id: str) -> Call[TenantFreeze]:
    """Stop every key of the credentials' own tenant. The layer sees to the ``keys_left`` by itself."""
    return Call("POST", "/v1/freeze", TenantFreeze, {"tenant_id": tenant_id}, repeats=True)


def lift_freeze(tenant_id: str) -> Call[TenantFreeze]:
    """Let keys be made again, and be unfrozen one by one."""
    return Call("POST", "/v1/unfreeze", TenantFreeze, {"tenant_id": tenant_id}, repeats=True)


def tenant_freeze() -> Call[TenantFreeze]:
    """Whether the tenant is frozen."""
    return Call("GET", "/v1/freeze", TenantFreeze)


def cluster_freeze() -> Call[ClusterFreeze]:
    """Whether the whole key cluster is frozen, and which one it is."""
    return Call("GET", "/v1/cluster/freeze", ClusterFreeze)


def freeze_cluster(cluster: str) -> Call[ClusterFreeze]:
    """Stop every key of every tenant. Custodians alone end it. ``cluster``: the id that ``cluster_freeze`` says."""
    return Call("POST", "/v1/cluster/freeze", ClusterFreeze, {"cluster": cluster}, repeats=True)


def unfreeze_cluster(freeze: FreezeName, *, expires_at: int, approvals: Mapping[str, str]) -> Call[ClusterFreeze]:
    """End that freeze. ``approvals``: signature (hex) by custodian, as `nsl enclave approve-unfreeze` makes them."""
    body = {"freeze": msgspec.to_builtins(freeze), "expires_at": expires_at, "approvals": dict(approvals)}
    return Call("POST", "/v1/cluster/unfreeze", ClusterFreeze, body, repeats=True)
