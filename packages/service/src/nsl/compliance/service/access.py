"""Who could, who did, who approved: what auditors ask of a tenant, and that they have looked."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from nsl.compliance import store
from nsl.compliance.errors import AccessChanged
from nsl.compliance.model import KeyUse, Principal, Review, digest
from nsl.compliance.model.access import IDLE, Kind
from nsl.compliance.store import AccessRows, Row
from nsl.identity.model import Caller, CustomRole, Delegation, Grant, scopes_of
from nsl.identity.service import Directory, actor_of, note
from nsl.kit.clock import now
from nsl.kit.db import Connection, Database


class Access:
    """Of the caller's tenant."""

    def __init__(self, database: Database, directory: Directory) -> None:
        self._database = database
        self._directory = directory

    async def look(self, caller: Caller) -> tuple[list[Principal], Review | None]:
        """All who have access, by id; and the last review."""
        custom = await self._directory.roles(caller)
        async with self._database.transaction(caller.tenant) as connection:
            return await _principals(connection, caller, custom), await store.last_review(connection)

    async def review(self, caller: Caller, seen: str, reason: str) -> Review:
        """Write down that all access was looked at. Raises AccessChanged: it is not as it was with that digest."""
        custom = await self._directory.roles(caller)
        async with self._database.transaction(caller.tenant) as connection:
            principals = await _principals(connection, caller, custom)
            if digest(principals) != seen:
                raise AccessChanged(
                    "Access is not as it was with that digest: look at it anew, `nsl compliance access`."
                )
            await note(connection, caller, "access.reviewed", str(caller.tenant), digest=seen,
                       principals=len(principals), reason=reason)  # fmt: skip
            return Review(now(), actor_of(caller), seen)

    async def governance(
        self, caller: Caller, *, since: datetime, until: datetime, after: UUID | None, limit: int
    ) -> tuple[list[KeyUse], UUID | None]:
        """Keys by id with who could use them now and what was done in the period, and where the next page begins."""
        custom = await self._directory.roles(caller)
        async with self._database.transaction(caller.tenant) as connection:
            principals = await _principals(connection, caller, custom)
            rows = await store.keys_of_tenant(connection, after=after, limit=limit + 1)
            page = rows[:limit]
            found = await store.uses(connection, [row["id"] for row in page], since, until)
        did, approved, acts, log = map(_by_key, found)
        items = [
            KeyUse(
                **_of_policy(row),
                could=[each.id for each in principals if each.can_sign_with(row["id"])],
                did=did.get(row["id"], ()),
                approved=approved.get(row["id"], ()),
                acts=acts.get(row["id"], ()),
                log=[_leaf(each) for each in log.get(row["id"], ())],
            )
            for row in page
        ]
        return items, page[-1]["id"] if len(rows) > limit else None


def _of_policy(row: Row) -> dict[str, Any]:
    """A key, and whom its policy names."""
    policy = msgspec.json.decode(row["document"], type=dict) if row["document"] else {}
    named = {
        "approvers": sorted(policy.get("approvers", {})),
        "requesters": sorted(policy.get("requesters", {})),
        "change": policy.get("change"),
    }
    return {name: value for name, value in row.items() if name != "document"} | named


def _leaf(row: Row) -> Row:
    return {**row, "approvers": msgspec.json.decode(row["approvers"], type=list[str])}


async def _principals(connection: Connection, caller: Caller, custom: Mapping[str, CustomRole]) -> list[Principal]:
    rows = await store.access(connection, caller.tenant, now() - IDLE)
    grants, delegated = defaultdict(list), defaultdict(list)
    for row in rows.grants:
        grants[row["subject"]].append(Grant(**row))
    for row in rows.delegations:
        delegated[row["to_user"]].append(Delegation(**{**row, "scopes": tuple(row["scopes"])}))
    acted = {row["who"]: row["at"] for row in rows.acted_at}
    return sorted(
        (
            Principal(
                kind=kind,
                id=row["id"],
                name=row["name"],
                active=row["active"],
                roles=tuple(row.get("roles", ())),
                groups=tuple(row.get("groups", ())),
                scopes=_scopes(row, custom),
                grants=tuple(grants[row["id"]]),
                delegated=tuple(delegated[row["id"]]),
                expires_at=row.get("expires_at"),
                acted_at=acted.get(str(row["id"])),
            )
            for kind, row in _of_both_kinds(rows)
        ),
        key=lambda each: each.id,
    )


def _of_both_kinds(rows: AccessRows) -> list[tuple[Kind, Row]]:
    return [*((Kind.PERSON, row) for row in rows.people), *((Kind.CLIENT, row) for row in rows.clients)]


def _scopes(row: Row, custom: Mapping[str, CustomRole]) -> tuple[str, ...]:
    if "scopes" in row:
        return tuple(sorted(row["scopes"]))
    return tuple(sorted(scopes_of([*row["roles"], *row["group_roles"]], custom)))


def _by_key(rows: Sequence[Row]) -> dict[UUID, list[Row]]:
    found: defaultdict[UUID, list[Row]] = defaultdict(list)
    for row in rows:
        found[row["key_id"]].append({name: value for name, value in row.items() if name != "key_id"})
    return dict(found)
