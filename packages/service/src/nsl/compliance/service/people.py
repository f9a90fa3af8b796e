"""What there is about a person: shown to whoever answers their request, and erased.

Erasing makes the commitments of the audit log unreadable and leaves its leaves (decision 22 in docs/adr). What keys did
with money stays: it names a person by a random id, which leads to nobody once the account is erased.
"""

from typing import Any
from uuid import UUID

from nsl.compliance import store
from nsl.compliance.errors import OneselfErased, OnLegalHold, PersonUnknown
from nsl.compliance.model import Erased
from nsl.compliance.store import Person
from nsl.identity.model import Caller
from nsl.identity.service import Directory, Revocations, note
from nsl.kit.db import Connection, Database

_ELSEWHERE = "the person belongs to another tenant, which the account is needed for"
_HELD_ELSEWHERE = "another tenant holds what there is about the person"


class People:
    """People of the caller's tenant, also those who have left it."""

    def __init__(self, database: Database, directory: Directory, revocations: Revocations) -> None:
        self._database = database
        self._directory = directory
        self._revocations = revocations

    async def export(self, caller: Caller, person: UUID) -> dict[str, Any]:
        """Everything about a person, for an access request. It is noted. Raises PersonUnknown."""
        async with self._database.transaction(caller.tenant, subject=person) as connection:
            found = await _person(connection, caller, person)
            shown = await store.export(connection, caller.tenant, found)
            await note(connection, caller, "person.exported", str(person))
        return shown

    async def erase(self, caller: Caller, person: UUID, reason: str) -> Erased:
        """Forget a person in the tenant, and their account too where no other tenant needs or holds it.

        Raises:
            PersonUnknown: nobody who belongs or belonged to the tenant.
            OneselfErased: the caller.
            OnLegalHold: a hold of the tenant stands against it.
            ScopeNotHeld: the person has roles that allow more than the caller may.
        """
        if str(person) in (caller.subject, caller.actor):
            raise OneselfErased("Nobody erases themselves: ask another administrator of the tenant.")
        async with self._database.transaction(caller.tenant, subject=person) as connection:
            await store.lock_erasure(connection)
            found = await _person(connection, caller, person)
            await self._directory.check_roles(connection, caller, found.roles)
            against = await store.holds_on(connection, person)
            if against:
                hold = against[0]
                raise OnLegalHold(
                    f"Hold {hold.id} of {hold.set_at:%Y-%m-%d} stands against it: {hold.reason}. Whoever has the scope "
                    f"holds:admin lifts it: `nsl compliance lift {hold.id}`."
                )
            kept = _ELSEWHERE if found.elsewhere else _HELD_ELSEWHERE if found.held else None
            erased = Erased(await store.erase_in_tenant(connection, caller.tenant, found), kept)
            if kept is None:
                await store.erase_account(connection, person)
            await note(connection, caller, "person.erased", str(person), texts=erased.texts, account=kept is None,
                       reason=reason)  # fmt: skip
            await self._revocations.revoke(connection, [f"subject:{person}"])
        await self._revocations.announce()
        return erased


async def _person(connection: Connection, caller: Caller, id_: UUID) -> Person:
    found = await store.person(connection, caller.tenant, id_)
    if found is None:
        raise PersonUnknown("Nobody with that id belongs or belonged to this tenant: `GET /v1/users` lists people.")
    return found
