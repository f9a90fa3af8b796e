"""Where personal data is kept, and what becomes of it when a person is erased.

``tests/service/compliance/test_inventory.py`` holds both lists against the schema: a column left out fails.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Nature(StrEnum):
    """What a field says about a person."""

    IDENTITY = "identity"
    CREDENTIAL = "credential"
    ACTIVITY = "activity"
    REFERENCE = "reference"


class Fate(StrEnum):
    """What erasure does to a field.

    ``account``: deleted, or blanked where rows refer to it, with the account of a person whom no other tenant has.
    ``deleted``: the row goes, with the person's place in the tenant.
    ``shredded``: the text and the salt of its leaf in the audit log are forgotten.
    ``expires``: it goes by itself, within the days that are named.
    ``kept``: a random id in records of keys and money, which leads to nobody once the account is erased.
    """

    ACCOUNT = "account"
    DELETED = "deleted"
    SHREDDED = "shredded"
    EXPIRES = "expires"
    KEPT = "kept"


@dataclass(frozen=True, slots=True)
class Holding:
    """Fields of a table that hold personal data. ``days``: after which what expires is gone."""

    table: str
    fields: Mapping[str, Nature]
    fate: Fate
    days: int | None = None


_IDENTITY, _CREDENTIAL, _ACTIVITY, _REFERENCE = Nature

INVENTORY: Final = (
    Holding("users", {"email": _IDENTITY, "display_name": _IDENTITY}, Fate.ACCOUNT),
    Holding("passwords", {"hash": _CREDENTIAL}, Fate.ACCOUNT),
    Holding("totps", {"secret": _CREDENTIAL}, Fate.ACCOUNT),
    Holding("recovery_codes", {"code_sha256": _CREDENTIAL}, Fate.ACCOUNT),
    Holding("passkeys", {"credential_id": _CREDENTIAL, "name": _IDENTITY, "public_key": _CREDENTIAL}, Fate.ACCOUNT),
    Holding("wallets", {"address": _IDENTITY}, Fate.ACCOUNT),
    Holding("external_identities", {"subject": _IDENTITY}, Fate.ACCOUNT),
    Holding("memberships", {"roles": _ACTIVITY, "external_id": _IDENTITY}, Fate.DELETED),
    Holding("grants", {"subject": _REFERENCE, "scope": _ACTIVITY}, Fate.DELETED),
    Holding("delegations", {"from_user": _REFERENCE, "to_user": _REFERENCE, "scopes": _ACTIVITY}, Fate.DELETED),
    Holding("invitations", {"email": _IDENTITY, "roles": _ACTIVITY}, Fate.DELETED),
    Holding(
        "sessions",
        {"address": _IDENTITY, "agent": _ACTIVITY, "amr": _ACTIVITY, "cookie_sha256": _CREDENTIAL},
        Fate.DELETED,
    ),
    Holding("refresh_tokens", {"sha256": _CREDENTIAL, "scopes": _ACTIVITY, "binding": _CREDENTIAL}, Fate.DELETED),
    Holding("consents", {"scopes": _ACTIVITY}, Fate.DELETED),
    Holding("audit_events", {"actor": _REFERENCE, "target": _IDENTITY, "detail": _ACTIVITY}, Fate.SHREDDED),
    Holding("audit_leaves", {"salt": _CREDENTIAL}, Fate.SHREDDED),
    Holding("idempotent_answers", {"answer": _ACTIVITY}, Fate.EXPIRES, days=7),
    Holding("one_time", {"data": _IDENTITY}, Fate.EXPIRES, days=8),
    Holding("mails", {"recipient": _IDENTITY, "body": _IDENTITY}, Fate.EXPIRES, days=1),
    Holding("invitations", {"invited_by": _REFERENCE}, Fate.KEPT),
    Holding("keys", {"created_by": _REFERENCE}, Fate.KEPT),
    Holding("key_changes", {"changed_by": _REFERENCE}, Fate.KEPT),
    Holding("key_policies", {"changed_by": _REFERENCE}, Fate.KEPT),
    Holding("signatures", {"signed_by": _REFERENCE}, Fate.KEPT),
    Holding("approvals", {"requested_by": _REFERENCE}, Fate.KEPT),
    Holding("approval_decisions", {"brought_by": _REFERENCE}, Fate.KEPT),
    Holding("tenant_freezes", {"frozen_by": _REFERENCE}, Fate.KEPT),
    Holding("legal_holds", {"set_by": _REFERENCE, "lifted_by": _REFERENCE, "subject": _REFERENCE}, Fate.KEPT),
)

#: by table, the fields that say nothing about a person: what belongs to keys, chains, clients and the log itself, or is
#: written by the tenant about its own business, where the documentation asks it to name nobody
IMPERSONAL: Final[Mapping[str, str]] = {
    "tenants": "name status",
    "clients": "name secret_sha256 scopes auth_method grant_types redirect_uris post_logout_redirect_uris "
    "backchannel_logout_uri jwks tls_subject_dn",
    "token_keys": "kid public_key wrapped",
    "idempotent_answers": "key request_sha256",
    "keys": "name curve state usages policy origin export_recipients next_policy alias tags chain_code",
    "key_versions": "public_key wrapped enclave_mode enclave_measurement",
    "key_changes": "wrapped state act policy policy_hash next_policy",
    "key_ledgers": "wrapped next_wrapped",
    "key_policies": "document hash",
    "key_addresses": "public_key address reference",
    "key_register": "certificate pending",
    "key_register_nodes": "position hash leaf",
    "signatures": "kind decoded signature request public_key",
    "approvals": "kind request policy_hash public_key",
    "approval_decisions": "approver signature",
    "transactions": "idempotency_key request_sha256 chain kind state sender asset_contract asset_symbol recipient "
    "unsigned raw hash failure_code failure_message",
    "transaction_history": "state",
    "chain_accounts": "chain address",
    "chain_cursors": "chain hash",
    "chain_blocks": "chain hash",
    "wallets": "chain",
    "roles": "name description scopes inherits",
    "groups": "name external_id roles",
    "one_time": "sha256 purpose",
    "mails": "subject",
    "revocations": "target",
    "revoked_tokens": "jti",
    "audit_events": "action",
    "audit_leaves": "content run mac",
    "audit_log": "wrapped next_wrapped",
    "audit_positions": "hash content",
    "audit_nodes": "hash",
    "audit_runs": "run",
    "audit_heads": "root log_key note",
    "audit_evidence": "log_key nonce quote collateral",
    "logout_notices": "uri",
    "identity_providers": "name issuer client_id client_secret roles",
    "legal_holds": "reason lifted_because",
}
