"""Tenants and their clients: made, listed, limited, removed."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from nsl.identity import store
from nsl.identity.errors import AlreadyBootstrapped, ClientUnknown, TenantUnknown
from nsl.identity.model import (
    DEFAULT_PLAN,
    AuthMethod,
    Caller,
    Client,
    Plan,
    Scope,
    Tenant,
    check_scopes_can_be_given,
    tenant_to_administer,
)
from nsl.identity.service.idempotency import Note
from nsl.kit.clock import random_text
from nsl.kit.db import Connection, Database
from nsl.kit.ids import new_id


@dataclass(frozen=True, slots=True)
class NewClient:
    """The secret exists only here and with its owner."""

    client: Client
    secret: str


class Tenancy:
    """Tenants and their clients."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create_tenant(self, name: str, plan: Plan | None, note: Note[Tenant] | None = None) -> Tenant:
        """A new tenant, with the default limits unless others are given."""
        tenant = new_id()
        async with self._database.transaction(tenant) as connection:
            made = await store.insert_tenant(connection, tenant, name, plan or DEFAULT_PLAN)
            if note is not None:
                await note(connection, made)
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
        if found is None:
            raise TenantUnknown("There is no such tenant.")
        return found

    async def create_client(
        self,
        caller: Caller,
        *,
        tenant: UUID | None,
        name: str,
        scopes: Collection[Scope],
        auth_method: AuthMethod | None,
    ) -> NewClient:
        """A client with a fresh secret.

        Raises:
            PlatformOnly, ScopeNotHeld, ScopeUnsuitable: the caller may not.
            TenantUnknown: there is no such tenant.
        """
        target = tenant_to_administer(caller, tenant)
        check_scopes_can_be_given(caller, target, scopes)
        async with self._database.transaction(target) as connection:
            if not await store.tenant_exists(connection, target):
                raise TenantUnknown("There is no such tenant.", field="tenant_id")
            return await _new_client(connection, target, name, scopes, auth_method)

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
        if found is None:
            raise ClientUnknown("There is no such client.")
        return found

    async def remove_client(self, caller: Caller, client: UUID) -> None:
        """End a client: no new tokens, and those it has stop within seconds.

        Raises:
            ClientUnknown: no such client, or another tenant's and the caller is no platform administrator.
        """
        tenant = await self._tenant_of(client)
        if tenant != caller.tenant and Scope.PLATFORM_ADMIN not in caller.scopes:
            raise ClientUnknown("There is no such client.")
        async with self._database.transaction(tenant) as connection:
            await store.deactivate_client(connection, client)

    async def _tenant_of(self, client: UUID) -> UUID:
        async with self._database.transaction() as connection:
            found = await store.client_secret(connection, client)
        if found is None:
            raise ClientUnknown("There is no such client.")
        return found.tenant

    async def bootstrap(self) -> NewClient:
        """The platform's tenant and its administrator, by the owner's role, once.

        Raises:
            AlreadyBootstrapped: they are there.
        """
        tenant = new_id()
        async with self._database.transaction(tenant) as connection:
            if await store.insert_platform_tenant(connection, tenant, "Platform", DEFAULT_PLAN) is None:
                raise AlreadyBootstrapped("The platform has its administrator; this is done once and never again.")
            return await _new_client(connection, tenant, "platform-admin", frozenset(Scope), None)


async def _new_client(
    connection: Connection, tenant: UUID, name: str, scopes: Collection[Scope], auth_method: AuthMethod | None
) -> NewClient:
    secret = random_text()
    client = await store.insert_client(
        connection,
        new_id(),
        tenant,
        name=name,
        secret_sha256=hashlib.sha256(secret.encode()).digest(),
        scopes=scopes,
        auth_method=auth_method,
    )
    return NewClient(client, secret)
