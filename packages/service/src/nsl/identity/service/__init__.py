"""Tokens, tenants, clients, people's authority, and answers that are given once."""

from nsl.identity.service.audit import Audit, actor_of, committed, keep_leaves, note, note_by
from nsl.identity.service.directory import Directory
from nsl.identity.service.idempotency import Idempotency, Note
from nsl.identity.service.keyring import Keyring
from nsl.identity.service.one_time import OneTime, make, take
from nsl.identity.service.proofs import Proofs, certificate_binding, hashed
from nsl.identity.service.revocation import Revocations
from nsl.identity.service.tenancy import NewClient, Tenancy, bootstrap, break_glass, found_tenant, join, roles_in
from nsl.identity.service.tokens import AccessToken, Claims, Subject, Tokens, acr_of, revoke_access_token

__all__ = [
    "AccessToken",
    "Audit",
    "Claims",
    "Directory",
    "Idempotency",
    "Keyring",
    "NewClient",
    "Note",
    "OneTime",
    "Proofs",
    "Revocations",
    "Subject",
    "Tenancy",
    "Tokens",
    "acr_of",
    "actor_of",
    "bootstrap",
    "break_glass",
    "certificate_binding",
    "committed",
    "found_tenant",
    "hashed",
    "join",
    "keep_leaves",
    "make",
    "note",
    "note_by",
    "revoke_access_token",
    "roles_in",
    "take",
]
