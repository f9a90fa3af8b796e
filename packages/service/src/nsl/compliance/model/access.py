"""Who may do what in a tenant, and what a key was used for: as people review it. Pure."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import msgspec

from nsl.identity.model import Delegation, Grant, Scope

#: who did nothing for so long may not need what they can do
IDLE: Final = timedelta(days=90)
_ADMINISTERS: Final = frozenset({Scope.TENANTS_ADMIN, Scope.USERS_ADMIN, Scope.CLIENTS_ADMIN, Scope.PLATFORM_ADMIN})
_MOVES_MONEY: Final = frozenset({Scope.KEYS_SIGN, Scope.TRANSACTIONS_CREATE})


class Kind(StrEnum):
    """Of whoever has access."""

    PERSON = "person"
    CLIENT = "client"


class Remark(StrEnum):
    """What a reviewer looks at first."""

    ADMINISTERS = "administers"  # gives others access, or takes it
    MOVES_MONEY = "moves-money"  # signs, or sends transactions
    IDLE = "idle"  # has done nothing for 90 days
    NO_END = "no-end"  # a client whose access does not expire
    INACTIVE = "inactive"  # cannot sign in, and would have all this again


@dataclass(frozen=True, slots=True)
class Principal:
    """A person or client of a tenant. ``scopes``: those that its roles, also of groups, come to; a client's own.

    ``acted_at``: when it last did what the audit log or a signature tells of.
    """

    kind: Kind
    id: UUID
    name: str
    active: bool
    roles: Sequence[str]
    groups: Sequence[str]
    scopes: Sequence[str]
    grants: Sequence[Grant]
    delegated: Sequence[Delegation]
    expires_at: datetime | None
    acted_at: datetime | None

    def remarks(self, present: datetime) -> tuple[Remark, ...]:
        """Of this one."""
        everything = {*self.scopes, *(each.scope for each in self.grants)}
        everything |= {scope for each in self.delegated for scope in each.scopes}
        found = {
            Remark.ADMINISTERS: bool(everything & _ADMINISTERS),
            Remark.MOVES_MONEY: bool(everything & _MOVES_MONEY),
            Remark.IDLE: self.acted_at is None or present - self.acted_at > IDLE,
            Remark.NO_END: self.kind is Kind.CLIENT and self.expires_at is None,
            Remark.INACTIVE: not self.active,
        }
        return tuple(remark for remark, holds in found.items() if holds)

    def can_sign_with(self, key: UUID) -> bool:
        """Whether this one may ask a key to sign; its policy decides then."""
        if not self.active:
            return False
        everywhere = {*self.scopes, *(scope for each in self.delegated for scope in each.scopes)}
        granted = any(each.scope == Scope.KEYS_SIGN and each.resource == key for each in self.grants)
        return granted or bool(everywhere & _MOVES_MONEY)


@dataclass(frozen=True, slots=True)
class Review:
    """That somebody has looked at all access as it was with this digest."""

    at: datetime
    by: str
    digest: str


@dataclass(frozen=True, slots=True)
class KeyUse:
    """Who could, who did and who approved: one key in a period.

    ``could``: may ask for signatures now. ``approvers``, ``requesters``: names in the present policy, ``change``: its
    rule for whoever changes it. Of the period, counts with their times: ``did``, ``approved``, ``acts`` by the
    service's records, and ``log`` by the leaves that key enclaves wrote into the audit log, refusals with their codes.
    """

    id: UUID
    name: str
    alias: str | None
    state: str
    created_by: str
    created_at: datetime
    policy_hash: str | None
    could: Sequence[UUID]
    approvers: Sequence[str]
    requesters: Sequence[str]
    change: Any
    did: Sequence[Mapping[str, Any]]
    approved: Sequence[Mapping[str, Any]]
    acts: Sequence[Mapping[str, Any]]
    log: Sequence[Mapping[str, Any]]


def digest(principals: Iterable[Principal]) -> str:
    """SHA-256 (hex) of what all of them may do: names, and when they last did something, change nothing of it."""
    rows = [
        [
            *(each.kind, each.id, each.active, sorted(each.roles), sorted(each.groups), sorted(each.scopes)),
            *(sorted([grant.scope, str(grant.resource), grant.expires_at] for grant in each.grants),),
            *(sorted([str(given.from_user), sorted(given.scopes), given.expires_at] for given in each.delegated),),
            each.expires_at,
        ]
        for each in sorted(principals, key=lambda each: each.id)
    ]
    return hashlib.sha256(msgspec.json.encode(rows)).hexdigest()
