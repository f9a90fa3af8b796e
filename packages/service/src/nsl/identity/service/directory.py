"""Who belongs to a tenant, in which roles and groups, and what single grants and delegations there are.

Whatever takes authority away is numbered as a revocation in the same transaction.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from psycopg.errors import ForeignKeyViolation

from nsl.identity import store
from nsl.identity.errors import (
    DelegationUnknown,
    GrantNotFound,
    GroupNotFound,
    NameTaken,
    RoleNotFound,
    ScopeNotHeld,
    UserNotFound,
)
from nsl.identity.model import (
    ROLE_SCOPES,
    Caller,
    CustomRole,
    Delegation,
    Grant,
    Group,
    Member,
    Scope,
    check_roles_can_be_given,
    check_scopes_can_be_given,
    scopes_of,
)
from nsl.identity.service.audit import note
from nsl.identity.service.revocation import Revocations
from nsl.kit.clock import now
from nsl.kit.db import Connection, Database
from nsl.kit.errors import Unprocessable
from nsl.kit.ids import new_id


class Directory:
    """A tenant's people and what they may do. Every method works in the caller's tenant."""

    def __init__(self, database: Database, revocations: Revocations) -> None:
        self._database = database
        self._revocations = revocations

    async def members(
        self, caller: Caller, *, after: UUID | None, limit: int, email: str | None = None
    ) -> tuple[list[Member], UUID | None]:
        """A page of the tenant's people, and where the next one begins."""
        async with self._database.transaction(caller.tenant) as connection:
            found = await store.members(connection, caller.tenant, after=after, limit=limit + 1, email=email)
        return found[:limit], found[limit - 1].id if len(found) > limit else None

    async def members_at(
        self, caller: Caller, *, offset: int, limit: int, email: str | None, external_id: str | None
    ) -> tuple[list[Member], int]:
        """Some of the tenant's people from a position on, and how many there are in all."""
        async with self._database.transaction(caller.tenant) as connection:
            found = await store.members(
                connection, caller.tenant, offset=offset, limit=limit, email=email, external_id=external_id
            )
            total = await store.count_members(connection, caller.tenant, email=email, external_id=external_id)
        return found, total

    async def member(self, caller: Caller, user: UUID) -> Member:
        """Raises UserNotFound."""
        async with self._database.transaction(caller.tenant) as connection:
            return await _member(connection, caller, user)

    async def change_member(
        self,
        caller: Caller,
        user: UUID,
        *,
        roles: Sequence[str] | None = None,
        active: bool | None = None,
        external_id: str | None = None,
    ) -> Member:
        """Give other roles, or let somebody work here or not.

        Raises:
            UserNotFound: nobody of the tenant's.
            RoleUnknown, ScopeNotHeld, ScopeUnsuitable: the caller cannot give these roles, or it would take away
                roles that allow more than the caller may.
        """
        async with self._database.transaction(caller.tenant) as connection:
            found = await _member(connection, caller, user)
            await self.check_roles(connection, caller, [*found.roles, *(roles or ())])
            await store.update_membership(
                connection, caller.tenant, user, roles=roles, active=active, external_id=external_id
            )
            await note(connection, caller, "user.changed", str(user), roles=roles, active=active)
            await self._revocations.revoke(connection, [f"subject:{user}"])
            found = await _member(connection, caller, user)
        await self._revocations.announce()
        return found

    async def remove_member(self, caller: Caller, user: UUID) -> None:
        """Let somebody not belong to the tenant any more. Raises UserNotFound, ScopeNotHeld."""
        async with self._database.transaction(caller.tenant) as connection:
            found = await _member(connection, caller, user)
            await self.check_roles(connection, caller, found.roles)
            await store.delete_membership(connection, caller.tenant, user)
            await note(connection, caller, "user.removed", str(user))
            await self._revocations.revoke(connection, [f"subject:{user}"])
        await self._revocations.announce()

    async def check_roles(self, connection: Connection, caller: Caller, roles: Sequence[str]) -> None:
        """Raises RoleUnknown, ScopeNotHeld, ScopeUnsuitable."""
        custom = await store.custom_roles(connection)
        platform = await store.is_platform(connection, caller.tenant)
        check_roles_can_be_given(caller, roles, custom, platform=platform)

    async def roles(self, caller: Caller) -> Mapping[str, CustomRole]:
        """All roles of the tenant by name, those that every tenant has first."""
        built_in = {name: CustomRole(name, "", tuple(sorted(scopes)), ()) for name, scopes in ROLE_SCOPES.items()}
        async with self._database.transaction(caller.tenant) as connection:
            return built_in | await store.custom_roles(connection)

    async def put_role(self, caller: Caller, role: CustomRole, *, new: bool) -> CustomRole:
        """Make or change a role of the tenant's own.

        Raises:
            NameTaken: there is one of that name.
            RoleNotFound: there is none to change.
            RoleUnknown, ScopeNotHeld, ScopeUnsuitable: the caller cannot give what it allows.
        """
        if role.name in ROLE_SCOPES:
            raise NameTaken(f"{role.name} is a role that every tenant has; choose another name.", field="name")
        check_scopes_can_be_given(caller, caller.tenant, role.scopes)
        async with self._database.transaction(caller.tenant) as connection:
            await self.check_roles(connection, caller, role.inherits)
            if new and not await store.insert_role(connection, caller.tenant, role):
                raise NameTaken(f"There is a role {role.name} already.", field="name")
            if not new and await store.update_role(connection, role) is None:
                raise RoleNotFound(f"There is no role {role.name} of the tenant's own.")
            await note(connection, caller, "role.put", role.name, scopes=sorted(role.scopes), inherits=role.inherits)
            await self._revocations.revoke(connection, [f"roles:{caller.tenant}"])
        await self._revocations.announce()
        return role

    async def delete_role(self, caller: Caller, name: str) -> None:
        """Whoever has it loses what it allows. Raises RoleNotFound."""
        async with self._database.transaction(caller.tenant) as connection:
            if not await store.delete_role(connection, name):
                raise RoleNotFound(f"There is no role {name} of the tenant's own.")
            await note(connection, caller, "role.deleted", name)
            await self._revocations.revoke(connection, [f"roles:{caller.tenant}"])
        await self._revocations.announce()

    async def create_grant(
        self, caller: Caller, *, subject: UUID, scope: Scope, resource: UUID, expires_at: datetime | None
    ) -> Grant:
        """Let a person or client do one thing to one thing.

        Raises:
            ScopeNotHeld: the caller does not hold the scope.
            UserNotFound: the tenant has neither such a person nor such a client.
            NameTaken: it is granted already.
        """
        if not caller.holds(scope, resource):
            raise ScopeNotHeld(f"You cannot give what you do not hold: {scope}.", field="scope")
        _check_future(expires_at)
        draft = Grant(
            id=new_id(), subject=subject, scope=scope, resource=resource, expires_at=expires_at, created_at=now()
        )
        async with self._database.transaction(caller.tenant) as connection:
            client = await store.client(connection, subject)
            ours = client is not None and client.tenant == caller.tenant
            if not ours and await store.member(connection, caller.tenant, subject) is None:
                raise UserNotFound("There is no such person or client in the tenant.", field="subject")
            made = await store.insert_grant(connection, caller.tenant, draft)
            if made is None:
                raise NameTaken("This is granted already; remove that grant first.")
            detail = {"scope": scope, "resource": str(resource)}
            await note(connection, caller, "grant.created", str(subject), detail=detail)
            await self._revocations.revoke(connection, [f"subject:{subject}"])
        await self._revocations.announce()
        return made

    async def grants(
        self, caller: Caller, *, subject: UUID | None, after: UUID | None, limit: int
    ) -> tuple[list[Grant], UUID | None]:
        """A page of the tenant's grants, and where the next one begins."""
        async with self._database.transaction(caller.tenant) as connection:
            found = await store.grants(connection, subject=subject, after=after, limit=limit + 1)
        return found[:limit], found[limit - 1].id if len(found) > limit else None

    async def delete_grant(self, caller: Caller, grant: UUID) -> None:
        """Raises GrantNotFound."""
        async with self._database.transaction(caller.tenant) as connection:
            subject = await store.delete_grant(connection, grant)
            if subject is None:
                raise GrantNotFound("There is no such grant.")
            await note(connection, caller, "grant.deleted", str(subject), grant=str(grant))
            await self._revocations.revoke(connection, [f"subject:{subject}"])
        await self._revocations.announce()

    async def delegate(
        self, caller: Caller, *, to_user: UUID, scopes: Sequence[Scope], expires_at: datetime
    ) -> Delegation:
        """Let another person of the tenant act for the caller, for a time.

        Raises:
            UserNotFound: nobody of the tenant's.
            ScopeNotHeld, ScopeUnsuitable: more than the caller may, or administration, which is not handed on.
        """
        check_scopes_can_be_given(caller, caller.tenant, scopes)
        _check_future(expires_at)
        if to_user == caller.id or caller.actor is not None:
            raise Unprocessable("Delegate to somebody else, and only what is your own.", field="to")
        draft = Delegation(
            id=new_id(),
            from_user=caller.id,
            to_user=to_user,
            scopes=tuple(sorted(scopes)),
            expires_at=expires_at,
            created_at=now(),
        )
        async with self._database.transaction(caller.tenant) as connection:
            await _member(connection, caller, to_user)
            made = await store.insert_delegation(connection, caller.tenant, draft)
            detail = {"scopes": list(made.scopes), "expires_at": expires_at.isoformat()}
            await note(connection, caller, "delegation.created", str(to_user), detail=detail)
        return made

    async def delegations(
        self, caller: Caller, *, after: UUID | None, limit: int
    ) -> tuple[list[Delegation], UUID | None]:
        """Those that stand and that the caller gave or was given."""
        async with self._database.transaction(caller.tenant) as connection:
            found = await store.delegations(connection, caller.id, after=after, limit=limit + 1)
        return found[:limit], found[limit - 1].id if len(found) > limit else None

    async def delegated(self, tenant: UUID, delegation: UUID, to_user: UUID) -> tuple[Delegation, tuple[str, ...]]:
        """A delegation to this person, and the scopes that its giver holds of it now. Raises DelegationUnknown."""
        async with self._database.transaction(tenant) as connection:
            found = await store.delegation(connection, delegation, to_user)
            roles = None if found is None else await store.person_roles(connection, tenant, found.from_user)
            if found is None or roles is None:
                raise DelegationUnknown("There is no such delegation to you, or it has ended.")
            held = scopes_of(roles, await store.custom_roles(connection))
        return found, tuple(scope for scope in found.scopes if scope in held)

    async def end_delegation(self, caller: Caller, delegation: UUID) -> None:
        """What was issued by it ends within a second. Raises DelegationUnknown."""
        async with self._database.transaction(caller.tenant) as connection:
            if not await store.revoke_delegation(connection, delegation, caller.id):
                raise DelegationUnknown("You gave no such delegation.")
            await note(connection, caller, "delegation.ended", str(delegation))
            await self._revocations.revoke(connection, [f"delegation:{delegation}"])
        await self._revocations.announce()

    async def groups_at(self, caller: Caller, *, offset: int, limit: int, name: str | None) -> tuple[list[Group], int]:
        """Some of the tenant's groups from a position on, and how many there are in all."""
        async with self._database.transaction(caller.tenant) as connection:
            found = await store.groups(connection, caller.tenant, name=name, offset=offset, limit=limit)
            return found, await store.count_groups(connection, caller.tenant, name)

    async def group(self, caller: Caller, group: UUID) -> Group:
        """Raises GroupNotFound."""
        async with self._database.transaction(caller.tenant) as connection:
            return await _group(connection, caller, group)

    async def create_group(self, caller: Caller, name: str, external_id: str | None, members: Sequence[UUID]) -> Group:
        """A group without roles yet. Raises NameTaken, UserNotFound."""
        group = new_id()
        async with self._database.transaction(caller.tenant) as connection:
            if not await store.insert_group(connection, caller.tenant, group, name, external_id, ()):
                raise NameTaken(f"There is a group {name} already.", field="displayName")
            await _set_members(connection, caller, group, add=members, remove=())
            await note(connection, caller, "group.created", str(group), name=name)
            return await _group(connection, caller, group)

    async def change_group(
        self,
        caller: Caller,
        group: UUID,
        *,
        name: str | None = None,
        external_id: str | None = None,
        roles: Sequence[str] | None = None,
        add: Sequence[UUID] = (),
        remove: Sequence[UUID] = (),
    ) -> Group:
        """Raises GroupNotFound, UserNotFound, and as ``change_member`` for its roles."""
        async with self._database.transaction(caller.tenant) as connection:
            before = await _group(connection, caller, group)
            await self.check_roles(connection, caller, [*before.roles, *(roles or ())])
            await store.update_group(connection, group, name=name, external_id=external_id, roles=roles)
            await _set_members(connection, caller, group, add=add, remove=remove)
            after = await _group(connection, caller, group)
            await note(connection, caller, "group.changed", str(group), roles=roles)
            concerned = {*before.members, *after.members}
            await self._revocations.revoke(connection, [f"subject:{user}" for user in concerned])
        await self._revocations.announce()
        return after

    async def delete_group(self, caller: Caller, group: UUID) -> None:
        """Raises GroupNotFound."""
        async with self._database.transaction(caller.tenant) as connection:
            before = await _group(connection, caller, group)
            await self.check_roles(connection, caller, before.roles)
            await store.delete_group(connection, group)
            await note(connection, caller, "group.deleted", str(group), name=before.name)
            await self._revocations.revoke(connection, [f"subject:{user}" for user in before.members])
        await self._revocations.announce()


def _check_future(moment: datetime | None) -> None:
    if moment is not None and (moment.tzinfo is None or moment <= now()):
        raise Unprocessable("expires_at must be a time in the future, with its zone.", field="expires_at")


async def _member(connection: Connection, caller: Caller, user: UUID) -> Member:
    found = await store.member(connection, caller.tenant, user)
    if found is None:
        raise UserNotFound("There is no such person in the tenant.")
    return found


async def _group(connection: Connection, caller: Caller, group: UUID) -> Group:
    found = await store.groups(connection, caller.tenant, group=group)
    if not found:
        raise GroupNotFound("There is no such group in the tenant.")
    return found[0]


async def _set_members(
    connection: Connection, caller: Caller, group: UUID, *, add: Sequence[UUID], remove: Sequence[UUID]
) -> None:
    try:
        await store.set_group_members(connection, caller.tenant, group, add=add, remove=remove)
    except ForeignKeyViolation as error:
        raise UserNotFound("Somebody of them is not in the tenant.", field="members") from error
