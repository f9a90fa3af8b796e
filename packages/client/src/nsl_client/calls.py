"""Every call of the API as a value: what to send, and what the answer is. Pure; the clients carry them out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote

import msgspec
from msgspec import UNSET, UnsetType

from nsl_client.clock import fresh_key
from nsl_client.model import (
    AuditRecord,
    Balance,
    Block,
    Chain,
    ClientInfo,
    ClientSecret,
    Consistency,
    EnclaveInfo,
    Evidence,
    ExportedKey,
    Fees,
    Health,
    ImportOrder,
    ImportParameters,
    Key,
    Leaf,
    Me,
    Mined,
    Page,
    RecordProof,
    Tenant,
    Transaction,
    TreeHead,
)
from nsl_client.policies import (
    Evaluation,
    KeyPolicy,
    PolicyComparison,
)
from nsl_protocol.attestation.keys import KeyAttestation
from nsl_protocol.receipt import Receipt

ChainName = Literal["neo-n3", "neo-x"]
Curve = Literal["secp256r1", "secp256k1", "ed25519", "rsa-3072", "aes-256-gcm", "hmac-sha256"]


@dataclass(frozen=True)
class Call[T]:
    """One request.

    Attributes:
        also: error statuses whose body is an answer nevertheless.
        public: sent without a token.
        repeats: changes nothing, although it is a POST.
    """

    method: str
    path: str
    answer: type[T]
    body: Mapping[str, Any] | None = None
    query: Mapping[str, Any] = field(default_factory=dict)
    idempotency_key: str | None = None
    also: frozenset[int] = frozenset()
    public: bool = False
    repeats: bool = False

    @property
    def repeatable(self) -> bool:
        """Whether sending it twice does the same as sending it once."""
        return self.method in ("GET", "PUT") or self.repeats or self.idempotency_key is not None


def without_none(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def me() -> Call[Me]:
    """Who the credentials stand for."""
    return Call("GET", "/v1/me", Me)


def health() -> Call[Health]:
    """Whether the layer is ready, and each thing it depends on."""
    return Call("GET", "/health/ready", Health, also=frozenset({503}), public=True)


def create_tenant(
    name: str, *, plan: Mapping[str, int] | None = None, idempotency_key: str | None = None
) -> Call[Tenant]:
    """Make a tenant (platform administrators). ``plan``: requests_per_minute, key_requests_per_minute."""
    body = without_none(name=name, plan=plan)
    return Call("POST", "/v1/tenants", Tenant, body, idempotency_key=idempotency_key or fresh_key())


def set_plan(tenant_id: str, *, requests_per_minute: int, key_requests_per_minute: int) -> Call[Tenant]:
    """Change a tenant's limits (platform administrators)."""
    body = {"requests_per_minute": requests_per_minute, "key_requests_per_minute": key_requests_per_minute}
    return Call("PUT", f"/v1/tenants/{quote(tenant_id, safe='')}/plan", Tenant, body)


def list_tenants(*, limit: int | None = None, cursor: str | None = None) -> Call[Page[Tenant]]:
    """A page of tenants."""
    return Call("GET", "/v1/tenants", Page[Tenant], query=without_none(limit=limit, cursor=cursor))


def create_client(name: str, scopes: Sequence[str], *, tenant_id: str | None = None) -> Call[ClientSecret]:
    """Make a client. Its secret is in this answer and nowhere else, so the call is not repeated by itself."""
    body = without_none(name=name, scopes=list(scopes), tenant_id=tenant_id)
    return Call("POST", "/v1/clients", ClientSecret, body)


def list_clients(*, limit: int | None = None, cursor: str | None = None) -> Call[Page[ClientInfo]]:
    """A page of the tenant's clients."""
    return Call("GET", "/v1/clients", Page[ClientInfo], query=without_none(limit=limit, cursor=cursor))


def create_key(
    name: str,
    curve: Curve,
    *,
    usages: Sequence[str] = (),
    policy: Mapping[str, Any] | None = None,
    rotation_days: int | None = None,
    export_recipients: Sequence[str] = (),
    alias: str | None = None,
    tags: Mapping[str, str] | None = None,
    idempotency_key: str | None = None,
) -> Call[Key]:
    """Make a key inside the enclave. secp256r1 pays on Neo N3, secp256k1 on Neo X, aes-256-gcm encrypts.

    ``usages``: what it is for; none: all that a key of the curve can do.

    ``export_recipients``: X25519 public keys (hex) that it may ever be exported to; none: it never leaves the enclave.
    """
    body = without_none(name=name, curve=curve, usages=list(usages), policy=policy, rotation_days=rotation_days)
    body |= without_none(alias=alias, tags=tags)
    if export_recipients:
        body |= {"exportable": True, "export_recipients": list(export_recipients)}
    return Call("POST", "/v1/keys", Key, body, idempotency_key=idempotency_key or fresh_key())


def get_key_policy(key_id: str) -> Call[KeyPolicy]:
    """What a key may sign, and the policy's hash."""
    return Call("GET", f"/v1/keys/{quote(key_id, safe='')}/policy", KeyPolicy)


def change_policy(
    key_id: str,
    policy: Mapping[str, Any],
    *,
    expires_at: int,
    approvals: Mapping[str, str],
    idempotency_key: str | None = None,
) -> Call[Key]:
    """Put another policy in place. ``approvals``: by approver, as ``nsl_client.governance.approve`` signs."""
    body = {"policy": dict(policy), "expires_at": expires_at, "approvals": dict(approvals)}
    path = f"/v1/keys/{quote(key_id, safe='')}/policy"
    return Call("PUT", path, Key, body, idempotency_key=idempotency_key or fresh_key())


def withdraw_policy(key_id: str, *, idempotency_key: str | None = None) -> Call[Key]:
    """Let the policy that waits wait no more."""
    return change_key(key_id, "policy/withdraw", None, idempotency_key)


def compare_policy(key_id: str, policy: Mapping[str, Any], *, last: int = 100) -> Call[PolicyComparison]:
    """What another policy would have said to the key's latest signatures."""
    body = {"policy": dict(policy), "last": last}
    return Call("POST", f"/v1/keys/{quote(key_id, safe='')}/policy/compare", PolicyComparison, body, repeats=True)


def evaluate_policy(
    key_id: str, kind: str, payload: Mapping[str, Any], *, network: int | None = None
) -> Call[Evaluation]:
    """What the enclave would say to a request to sign, and what would change it. Nothing is signed."""
    body = without_none(kind=kind, payload=dict(payload), network=network)
    return Call("POST", f"/v1/keys/{quote(key_id, safe='')}/policy/evaluate", Evaluation, body, repeats=True)


def list_keys(
    *,
    alias: str | None = None,
    tags: Sequence[str] = (),
    curve: Curve | None = None,
    state: str | None = None,
    rotation_due: bool = False,
    limit: int | None = None,
    cursor: str | None = None,
) -> Call[Page[Key]]:
    """A page of the tenant's keys. ``tags``: each ``name=value``, or ``name`` with any value; all of them fit.

    ``rotation_due``: active ones alone that should have been rotated or replaced by now.
    """
    query = without_none(alias=alias, tag=list(tags) or None, curve=curve, state=state, limit=limit, cursor=cursor)
    query |= {"rotation_due": "true"} if rotation_due else {}
    return Call("GET", "/v1/keys", Page[Key], query=query)


def update_key(
    key_id: str,
    *,
    name: str | UnsetType = UNSET,
    alias: str | UnsetType | None = UNSET,
    tags: Mapping[str, str] | UnsetType = UNSET,
) -> Call[Key]:
    """Other labels; what is left out stays. ``alias``: None takes it away. ``tags``: all of them."""
    named = {"name": name, "alias": alias, "tags": tags}
    body = {field: value for field, value in named.items() if value is not UNSET}
    return Call("PATCH", f"/v1/keys/{quote(key_id, safe='')}", Key, body, repeats=True)


def get_key(key_id: str) -> Call[Key]:
    """One key."""
    return Call("GET", f"/v1/keys/{quote(key_id, safe='')}", Key)


def disable_key(key_id: str, *, idempotency_key: str | None = None) -> Call[Key]:
    """Let a key sign nothing until it is enabled. A destruction that waits is undone by it, too."""
    return change_key(key_id, "disable", None, idempotency_key)


def enable_key(key_id: str, *, idempotency_key: str | None = None) -> Call[Key]:
    """Let a key sign again. A destruction that waits is undone by it."""
    return change_key(key_id, "enable", None, idempotency_key)


def rotate_key(key_id: str, *, idempotency_key: str | None = None) -> Call[Key]:
    """Let a secret key encrypt and authenticate by another secret. What it did before still opens and verifies."""
    return change_key(key_id, "rotate", None, idempotency_key)


def change_key(key_id: str, change: str, body: dict[str, Any] | None, idempotency_key: str | None) -> Call[Key]:
    """A change that the life of a key has."""
    path = f"/v1/keys/{quote(key_id, safe='')}/{change}"
    return Call("POST", path, Key, body, idempotency_key=idempotency_key or fresh_key())


def get_import_parameters(nonce: bytes) -> Call[ImportParameters]:
    """What a private key is encrypted with, proven over your 32-byte nonce; ``nsl_client.portable`` does the rest."""
    return Call("GET", "/v1/keys/import-parameters", ImportParameters, query={"nonce": nonce.hex()})


def import_key(order: ImportOrder, *, idempotency_key: str | None = None) -> Call[Key]:
    """Hand in a private key that ``nsl_client.portable.encrypt_key`` has encrypted to the enclave."""
    body = msgspec.to_builtins(order)
    return Call("POST", "/v1/keys/import", Key, body, idempotency_key=idempotency_key or fresh_key())


def export_key(key_id: str, recipient: str) -> Call[ExportedKey]:
    """The private key, encrypted to one of its ``export_recipients`` (hex)."""
    return Call("POST", f"/v1/keys/{quote(key_id, safe='')}/export", ExportedKey, {"recipient": recipient})


def get_key_attestation(key_id: str, nonce: bytes | None = None) -> Call[KeyAttestation]:
    """What the enclave says of a key, over your 32-byte nonce; ``nsl_client.attestation`` verifies it."""
    query = {} if nonce is None else {"nonce": nonce.hex()}
    return Call("GET", f"/v1/keys/{quote(key_id, safe='')}/attestation", KeyAttestation, query=query)


def list_chains() -> Call[Page[Chain]]:
    """The chains that are served."""
    return Call("GET", "/v1/chains", Page[Chain])


def get_block(chain: ChainName, height: int | Literal["latest"] = "latest") -> Call[Block]:
    """A block."""
    return Call("GET", f"/v1/chains/{chain}/blocks/{height}", Block)


def get_mined(chain: ChainName, transaction_hash: str) -> Call[Mined]:
    """A transaction on a block, whoever made it."""
    return Call("GET", f"/v1/chains/{chain}/transactions/{quote(transaction_hash, safe='')}", Mined)


def list_balances(chain: ChainName, address: str, *, assets: Sequence[str] = ()) -> Call[Page[Balance]]:
    """What an account holds."""
    path = f"/v1/chains/{chain}/addresses/{quote(address, safe='')}/balances"
    return Call("GET", path, Page[Balance], query={"asset": list(assets)} if assets else {})


def get_fees(chain: ChainName) -> Call[Fees]:
    """What a plain transfer costs now."""
    return Call("GET", f"/v1/chains/{chain}/fees", Fees)


def list_enclaves() -> Call[Page[EnclaveInfo]]:
    """The enclaves that the layer rests on."""
    return Call("GET", "/v1/enclaves", Page[EnclaveInfo])


def get_evidence(name: str, nonce: bytes) -> Call[Evidence]:
    """A fresh quote of an enclave over your 32-byte nonce; ``nsl_client.evidence`` verifies it."""
    return Call("GET", f"/v1/enclaves/{quote(name, safe='')}/evidence", Evidence, query={"nonce": nonce.hex()})


def get_tree_head() -> Call[TreeHead]:
    """The newest head of the audit log."""
    return Call("GET", "/v1/audit/tree-head", TreeHead)


def get_consistency(former: int, size: int) -> Call[Consistency]:
    """The proof that the log of ``former`` leaves is the beginning of that of ``size``."""
    return Call("GET", "/v1/audit/consistency", Consistency, query={"from": former, "to": size})


def list_records(
    *, action: str | None = None, actor: str | None = None, limit: int | None = None, cursor: str | None = None
) -> Call[Page[AuditRecord]]:
    """A page of what was done in the tenant, newest first."""
    query = without_none(action=action, actor=actor, limit=limit, cursor=cursor)
    return Call("GET", "/v1/audit/records", Page[AuditRecord], query=query)


def get_proof(record_id: str) -> Call[RecordProof]:
    """The proof that a record stands in the audit log."""
    return Call("GET", f"/v1/audit/records/{quote(record_id, safe='')}/proof", RecordProof)


def list_leaves(*, limit: int | None = None, cursor: str | None = None) -> Call[Page[Leaf]]:
    """A page of the audit log itself, of all tenants, from index ``cursor`` on: for the platform's auditors."""
    return Call("GET", "/v1/audit/leaves", Page[Leaf], query=without_none(limit=limit, cursor=cursor))


def get_receipt(receipt_id: str) -> Call[Receipt]:
    """Everything that shows a signature, by its ``receipt_id``, or a transaction, by its id.

    ``nsl_client.receipts`` verifies it.
    """
    return Call("GET", f"/v1/receipts/{quote(receipt_id, safe='')}", Receipt)


def create_transfer(
    *,
    chain: ChainName,
    from_key: str,
    asset: str,
    to: str,
    amount: str,
    valid_for_seconds: int | None = None,
    idempotency_key: str | None = None,
    address_index: int | None = None,
) -> Call[Transaction]:
    """Send tokens. With your own ``idempotency_key`` the same transfer is made once, also after your process died.

    ``address_index``: from that deposit address below the key.
    """
    body = without_none(
        kind="transfer",
        chain=chain,
        from_key=from_key,
        asset=asset,
        to=to,
        amount=amount,
        valid_for_seconds=valid_for_seconds,
        address_index=address_index,
    )
    return Call("POST", "/v1/transactions", Transaction, body, idempotency_key=idempotency_key or fresh_key())


def get_transaction(transaction_id: str) -> Call[Transaction]:
    """One transaction, with its history."""
    return Call("GET", f"/v1/transactions/{quote(transaction_id, safe='')}", Transaction)


def list_transactions(
    *, state: str | None = None, chain: ChainName | None = None, limit: int | None = None, cursor: str | None = None
) -> Call[Page[Transaction]]:
    """A page of the tenant's transactions, newest first."""
    query = without_none(state=state, chain=chain, limit=limit, cursor=cursor)
    return Call("GET", "/v1/transactions", Page[Transaction], query=query)
