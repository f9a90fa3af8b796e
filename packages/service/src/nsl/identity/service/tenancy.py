"""Tenants and their clients: made, listed, limited, removed."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from nsl.identity import store
from nsl.identity.errors import (
    AlreadyBootstrapped,
    ClientUnknown,
    TenantUnknown,
    TenantUnsuitable,
    TokenKeyUnknown,
)
from nsl.identity.model import (
    DEFAULT_PLAN,
    FIRST_PARTY,
    Caller,
    Client,
    ClientDraft,
    Plan,
    Scope,
    Tenant,
    TenantStatus,
    check_client,
    check_scopes_can_be_given,
    scopes_of,
    tenant_to_administer,
)
from nsl.identity.service.audit import note, note_by
from nsl.identity.service.idempotency import Note
from nsl.identity.service.revocation import Revocations
from nsl.kit.clock import now, random_text
from nsl.kit.db import Connection, Database, work_for
from nsl.kit.ids import new_id


@dataclass(frozen=True, slots=True)
class NewClient:
    """The secret exists only here and with its owner."""

    client: Client
    secret: str


class Tenancy:
    """Tenants and their clients."""

    def __init__(self, database: Database, revocations: Revocations) -> None:
        self._database = database
        self._revocations = revocations

    async def find_client(self, text: str) -> Client | None:
        """An active client by its id as text: ours, or anybody's."""
        try:
            wanted = UUID(text)
        except ValueError:
            return None
        if wanted in FIRST_PARTY:
            return FIRST_PARTY[wanted]
        async with self._database.transaction() as connection:
            return await store.client(connection, wanted)

    async def create_tenant(self, name: str, plan: Plan | None, remember: Note[Tenant] | None = None) -> Tenant:
        """A new tenant, with the default limits unless others are given."""
        tenant = new_id()
        async with self._database.transaction(tenant) as connection:
            made = await store.insert_tenant(connection, tenant, name, plan or DEFAULT_PLAN)
            if remember is not None:
                await remember(connection, made)
        return made

    async def tenants(self, caller: Caller, *, after: UUID | None, limit: int) -> tuple[list[Tenant], UUID | None]:
        """A page of the tenants that the caller's tenant may see, and where the next one begins."""
        async with self._database.transaction(caller.tenant) as connection:
            found = await store.tenants(connection, after=after, limit=limit + 1)
        return found[:limit], found[limit - 1].id if len(found) > limit else None

    async def set_plan(self, tenant: UUID, plan: Plan) -> Tenant:
        """Change a tenant's limits. Raises TenantUnknown."""
        async with self._database.transaction(tenant) as connection:
            found = await store.set_plan(connection, tenant, plan)
            await self._revocations.revoke(connection, [f"tenant:{tenant}"])
        if found is None:
            raise TenantUnknown("There is no such tenant.")
        await self._revocations.announce()
        return found

    async def set_status(self, caller: Caller, tenant: UUID, status: TenantStatus) -> Tenant:
        """Suspend a tenant, let it work again, or delete it for good; its tokens stop within a second.

        Raises:
            TenantUnknown: there is none, or it is deleted.
            TenantUnsuitable: the platform's own tenant, which stays.
        """
        async with self._database.transaction(tenant) as connection:
            if await store.is_platform(connection, tenant):
                raise TenantUnsuitable("The platform's own tenant can be neither suspended nor deleted.")
            found = await store.set_tenant_status(connection, tenant, status)
            if found is None:
                raise TenantUnknown("There is no such tenant, or it was deleted.")
            await note(connection, caller, f"tenant.{status}", str(tenant), tenant=tenant)
            await self._revocations.revoke(connection, [f"tenant:{tenant}"])
        await self._revocations.announce()
        return found

    async def create_client(self, caller: Caller, tenant: UUID | None, draft: ClientDraft) -> NewClient:
        """A client with a fresh secret.

        Raises:
            PlatformOnly, ScopeNotHeld, ScopeUnsuitable: the caller may not.
            ClientUnsuitable: such a client cannot be.
            TenantUnknown: there is no such tenant.
        """
        target = tenant_to_administer(caller, tenant)
        check_scopes_can_be_given(caller, target, draft.scopes)
        check_client(draft)
        async with self._database.transaction(target) as connection:
            if await store.tenant(connection, target) is None:
                raise TenantUnknown("There is no such tenant.", field="tenant_id")
            made = await _new_client(connection, target, draft)
            scopes = sorted(draft.scopes)
            await note(connection, caller, "client.created", str(made.client.id), tenant=target, scopes=scopes)
        return made

    async def clients(
        self, caller: Caller, tenant: UUID | None, *, after: UUID | None, limit: int
    ) -> tuple[list[Client], UUID | None]:
        """A page of a tenant's active clients, and where the next one begins. Raises PlatformOnly."""
        target = tenant_to_administer(caller, tenant)
        async with self._database.transaction(target) as connection:
            found = await store.clients(connection, target, after=after, limit=limit + 1)
        return found[:limit], found[limit - 1].id if len(found) > limit else None

    async def set_client_plan(self, client: UUID, plan: Plan) -> Client:
        """Give a client limits of its own, in whatever tenant it is. Raises ClientUnknown."""
        async with self._database.transaction(await self._tenant_of(client)) as connection:
            found = await store.set_client_plan(connection, client, plan)
            await self._revocations.revoke(connection, [f"client:{client}"])
        if found is None:
            raise ClientUnknown("There is no such client.")
        await self._revocations.announce()
        return found

    async def remove_client(self, caller: Caller, client: UUID) -> None:
        """End a client: no new tokens, and those it has stop within a second.

        Raises:
            ClientUnknown: no such client, or another tenant's and the caller is no platform administrator.
        """
        tenant = await self._tenant_of(client)
        if tenant != caller.tenant and Scope.PLATFORM_ADMIN not in caller.scopes:
            raise ClientUnknown("There is no such client.")
        async with self._database.transaction(tenant) as connection:
            await store.deactivate_client(connection, client)
            await note(connection, caller, "client.removed", str(client), tenant=tenant)
            await self._revocations.revoke(connection, [f"client:{client}"])
        await self._revocations.announce()

    async def withdraw_key(self, caller: Caller, kid: str) -> None:
        """Take a token key out of use at once: every token that it signed ends. Raises KeyWithdrawn."""
        async with self._database.transaction(caller.tenant) as connection:
            if not await store.withdraw_token_key(connection, kid):
                raise TokenKeyUnknown("There is no such token key, or it was withdrawn before.")
            await note(connection, caller, "token-key.withdrawn", kid)
            await self._revocations.revoke(connection, [f"key:{kid}"])
        await self._revocations.announce()

    async def _tenant_of(self, client: UUID) -> UUID:
        async with self._database.transaction() as connection:
            found = await store.client(connection, client)
        if found is None or found.tenant is None:
            raise ClientUnknown("There is no such client.")
        return found.tenant


async def found_tenant(connection: Connection, name: str) -> UUID:
    """A new tenant with the default limits, for which the rest of the transaction works."""
    tenant = new_id()
    await work_for(connection, tenant)
    await store.insert_tenant(connection, tenant, name, DEFAULT_PLAN)
    return tenant


async def join(
    connection: Connection, tenant: UUID, user: UUID, roles: Sequence[str], external_id: str | None = None
) -> bool:
    """Let a person belong to the tenant that the transaction works for; False when they do already."""
    return await store.insert_membership(connection, tenant, user, roles, external_id)


async def roles_in(connection: Connection, tenant: UUID, user: UUID) -> tuple[tuple[str, ...], frozenset[Scope]] | None:
    """A person's roles in the tenant that the transaction works for, and all that they may there; None: nothing."""
    found = await store.tenant(connection, tenant)
    roles = await store.person_roles(connection, tenant, user)
    if found is None or found.status is not TenantStatus.ACTIVE or roles is None:
        return None
    return roles, scopes_of(roles, await store.custom_roles(connection))


async def bootstrap(owner: Database) -> NewClient:
    """The platform's tenant and its administrator, by the owner's role, once.

    Raises:
        AlreadyBootstrapped: they are there.
    """
    tenant = new_id()
    async with owner.transaction(tenant) as connection:
        if await store.insert_platform_tenant(connection, tenant, "Platform", DEFAULT_PLAN) is None:
            raise AlreadyBootstrapped("The platform has its administrator; this is done once and never again.")
        return await _new_client(connection, tenant, ClientDraft(name="platform-admin", scopes=frozenset(Scope)))


async def break_glass(owner: Database, reason: str, minutes: int) -> tuple[NewClient, datetime]:
    """A platform administrator for an emergency, by the owner's role; it ends by itself, and the audit says why.

    Raises:
        TenantUnknown: the platform was never set up.
    """
    expires_at = now() + timedelta(minutes=minutes)
    async with owner.transaction() as connection:
        platform = await store.platform_tenant(connection)
        if platform is None:
            raise TenantUnknown("The platform has no administrator yet: run `nsl admin bootstrap`.")
        await work_for(connection, platform)
        draft = ClientDraft(name="break-glass", scopes=frozenset(Scope))
        made = await _new_client(connection, platform, draft, expires_at)
        event = {"reason": reason, "expires_at": expires_at.isoformat()}
        await note_by(connection, platform, "break-glass.opened", "owner", str(made.client.id), **event)
    return made, expires_at


async def _new_client(
    connection: Connection, tenant: UUID, draft: ClientDraft, expires_at: datetime | None = None
) -> NewClient:
    secret = random_text()
    digest = hashlib.sha256(secret.encode()).digest()
    client = await store.insert_client(connection, new_id(), tenant, draft, secret_sha256=digest, expires_at=expires_at)
    return NewClient(client, secret)
