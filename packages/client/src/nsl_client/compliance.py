"""Personal data and legal holds: what a data protection officer asks of a tenant."""

from datetime import datetime
from typing import Any
from urllib.parse import quote

import msgspec

from nsl_client.calls import Call, without_none
from nsl_client.model import Page


class Holding(msgspec.Struct, frozen=True):
    """Fields of a table by what each says about a person; ``erasure``: what becomes of them.

    ``erasure``: ``account``: goes with the person's account; ``deleted``: goes with their place in the tenant;
    ``shredded``: text and salt of the audit log are forgotten; ``expires``: gone by itself after ``days``; ``kept``: a
    random id, which leads to nobody once the account is erased.
    """

    table: str
    fields: dict[str, str]
    erasure: str
    days: int | None


class Inventory(msgspec.Struct, frozen=True):
    items: list[Holding]


class PersonData(msgspec.Struct, frozen=True):
    """All that a tenant has about a person, but secrets. ``records``: of the audit log."""

    account: dict[str, Any]
    membership: dict[str, Any] | None
    groups: list[str]
    grants: list[dict[str, Any]]
    delegations: list[dict[str, Any]]
    invitations: list[dict[str, Any]]
    sessions: list[dict[str, Any]]
    consents: list[dict[str, Any]]
    passkeys: list[dict[str, Any]]
    wallets: list[dict[str, Any]]
    external_identities: list[dict[str, Any]]
    records: list[dict[str, Any]]


class Erased(msgspec.Struct, frozen=True):
    """``texts``: how many of the audit log were forgotten. ``account_kept_because`` None: the account is erased too."""

    person: str
    texts: int
    account_kept_because: str | None


class Hold(msgspec.Struct, frozen=True):
    """A legal hold. ``subject`` None: all of the tenant. ``lifted_at`` None: it is in force."""

    id: str
    subject: str | None
    reason: str
    set_by: str
    set_at: datetime
    lifted_because: str | None
    lifted_by: str | None
    lifted_at: datetime | None


class Principal(msgspec.Struct, frozen=True):
    """A person or client of the tenant. ``remarks``: administers, moves-money, idle, no-end, inactive."""

    kind: str
    id: str
    name: str
    active: bool
    roles: list[str]
    groups: list[str]
    scopes: list[str]
    grants: list[dict[str, Any]]
    delegated: list[dict[str, Any]]
    expires_at: datetime | None
    acted_at: datetime | None
    remarks: list[str]


class Review(msgspec.Struct, frozen=True):
    """That all access was looked at, as it was with ``digest``."""

    at: datetime
    by: str
    digest: str


class AccessPage(msgspec.Struct, frozen=True):
    """``digest`` is of all who have access, on whichever page."""

    digest: str
    principals: int
    last_review: Review | None
    items: list[Principal]
    next_cursor: str | None


class KeyUse(msgspec.Struct, frozen=True):
    """A key: who could ask it to sign now, and who did, approved and changed it in a period."""

    id: str
    name: str
    alias: str | None
    state: str
    created_by: str
    created_at: datetime
    policy_hash: str | None
    could: list[str]
    approvers: list[str]
    requesters: list[str]
    change: Any
    did: list[dict[str, Any]]
    approved: list[dict[str, Any]]
    acts: list[dict[str, Any]]
    log: list[dict[str, Any]]


def list_access(*, limit: int | None = None, cursor: str | None = None) -> Call[AccessPage]:
    """Who may do what in the tenant."""
    return Call("GET", "/v1/compliance/access", AccessPage, query=without_none(limit=limit, cursor=cursor))


def review_access(digest: str, reason: str) -> Call[Review]:
    """Write down that all access was looked at. ``digest`` as ``list_access`` shows it; ``reason`` names nobody."""
    return Call("POST", "/v1/compliance/access/reviews", Review, {"digest": digest, "reason": reason})


def get_governance(
    *, since: str | None = None, until: str | None = None, limit: int | None = None, cursor: str | None = None
) -> Call[Page[KeyUse]]:
    """By key: who could sign, who did, who approved. Times in RFC 3339; without them the last 90 days."""
    query = without_none(since=since, until=until, limit=limit, cursor=cursor)
    return Call("GET", "/v1/compliance/governance", Page[KeyUse], query=query)


def get_inventory() -> Call[Inventory]:
    """Where personal data is kept, and what erasure does to it."""
    return Call("GET", "/v1/compliance/personal-data", Inventory)


def export_person(user_id: str) -> Call[PersonData]:
    """Everything about a person, for an access request. That it was asked for is recorded."""
    return Call("GET", f"/v1/compliance/people/{quote(user_id, safe='')}", PersonData)


def erase_person(user_id: str, reason: str) -> Call[Erased]:
    """Forget a person for good. ``reason`` names nobody: it is kept. The audit log still verifies."""
    return Call("POST", f"/v1/compliance/people/{quote(user_id, safe='')}/erase", Erased, {"reason": reason})


def set_hold(reason: str, *, subject: str | None = None) -> Call[Hold]:
    """Let nothing be erased, of a person or of the whole tenant. ``reason`` names nobody: it is kept."""
    return Call("POST", "/v1/compliance/holds", Hold, without_none(reason=reason, subject=subject))


def list_holds(*, in_force: bool = False, limit: int | None = None, cursor: str | None = None) -> Call[Page[Hold]]:
    """A page of the tenant's legal holds, newest first."""
    query = without_none(state="in-force" if in_force else None, limit=limit, cursor=cursor)
    return Call("GET", "/v1/compliance/holds", Page[Hold], query=query)


def lift_hold(hold_id: str, reason: str) -> Call[Hold]:
    """End a legal hold."""
    return Call("POST", f"/v1/compliance/holds/{quote(hold_id, safe='')}/lift", Hold, {"reason": reason})
