"""People of a tenant, roles, grants, delegations and the audit over HTTP."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import delete, get, post, put
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta

from nsl.identity.api.views import AuditOf, Cursor, DirectoryOf, Limit, cursor_text
from nsl.identity.model import Caller, CustomRole, Delegation, Grant, Member, Requires, Scope

RoleName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{1,49}$")]
Roles = Annotated[list[RoleName], Meta(max_length=50)]
Scopes = Annotated[list[Scope], Meta(max_length=50)]


class UserView(msgspec.Struct, frozen=True):
    """``email`` null: somebody who signs in with a wallet alone. ``active`` false: may not work in this tenant."""

    id: UUID
    email: str | None
    display_name: str
    roles: list[str]
    active: bool
    created_at: datetime


class UserPage(msgspec.Struct, frozen=True):
    items: list[UserView]
    next_cursor: str | None


class ChangeUser(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    roles: Roles


class RoleView(msgspec.Struct, frozen=True):
    """``permissions``: `tenant:` and each scope that the role itself gives; more come from those it inherits."""

    name: str
    description: str
    permissions: list[str]
    inherits: list[str]


class RolePage(msgspec.Struct, frozen=True):
    items: list[RoleView]
    next_cursor: str | None


class ChangeRole(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    scopes: Scopes
    description: Annotated[str, Meta(max_length=500)] = ""
    inherits: Roles = []


class CreateRole(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: RoleName
    scopes: Scopes
    description: Annotated[str, Meta(max_length=500)] = ""
    inherits: Roles = []


class CreateGrant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``subject``: a person's or client's id; ``resource``: the id of the one thing that the scope is for."""

    subject: UUID
    scope: Scope
    resource: UUID
    expires_at: datetime | None = None


class GrantView(msgspec.Struct, frozen=True):
    id: UUID
    subject: UUID
    permission: str
    scope: str
    resource: UUID
    expires_at: datetime | None
    created_at: datetime


class GrantPage(msgspec.Struct, frozen=True):
    items: list[GrantView]
    next_cursor: str | None


class CreateDelegation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``to``: a person of the tenant, who then exchanges their own token (RFC 8693) naming this delegation."""

    to: UUID
    scopes: Annotated[list[Scope], Meta(min_length=1, max_length=50)]
    expires_at: datetime


class DelegationView(msgspec.Struct, frozen=True):
    id: UUID
    from_user: UUID
    to_user: UUID
    scopes: list[str]
    expires_at: datetime
    created_at: datetime


class DelegationPage(msgspec.Struct, frozen=True):
    items: list[DelegationView]
    next_cursor: str | None


class AuditView(msgspec.Struct, frozen=True):
    id: UUID
    at: datetime
    action: str
    actor: str
    target: str
    detail: dict[str, Any]


class AuditPage(msgspec.Struct, frozen=True):
    items: list[AuditView]
    next_cursor: str | None


@get("/v1/users", operation_id="listUsers", summary="The tenant's people", tags=["people"])
async def list_users(
    caller: Annotated[Caller, Requires(Scope.USERS_READ)],
    directory: DirectoryOf,
    email: Annotated[str | None, QueryParameter(max_length=254)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> UserPage:
    found, following = await directory.members(caller, after=cursor, limit=limit, email=email)
    return UserPage(list(map(_user, found)), cursor_text(following))


@get("/v1/users/{user_id:uuid}", operation_id="getUser", summary="One of them", tags=["people"])
async def get_user(
    caller: Annotated[Caller, Requires(Scope.USERS_READ)], directory: DirectoryOf, user_id: FromPath[UUID]
) -> UserView:
    return _user(await directory.member(caller, user_id))


@put("/v1/users/{user_id:uuid}", operation_id="changeUser", summary="Give somebody other roles", tags=["people"])
async def change_user(
    caller: Annotated[Caller, Requires(Scope.USERS_ADMIN, recent=True)],
    directory: DirectoryOf,
    user_id: FromPath[UUID],
    data: JSONBody[ChangeUser],
) -> UserView:
    return _user(await directory.change_member(caller, user_id, roles=data.roles))


@post(
    "/v1/users/{user_id:uuid}/disable",
    operation_id="disableUser",
    summary="Let somebody not work in the tenant for now; their tokens stop within a second",
    tags=["people"],
    status_code=200,
)
async def disable_user(
    caller: Annotated[Caller, Requires(Scope.USERS_ADMIN)], directory: DirectoryOf, user_id: FromPath[UUID]
) -> UserView:
    return _user(await directory.change_member(caller, user_id, active=False))


@post(
    "/v1/users/{user_id:uuid}/enable",
    operation_id="enableUser",
    summary="Let somebody work in the tenant again",
    tags=["people"],
    status_code=200,
)
async def enable_user(
    caller: Annotated[Caller, Requires(Scope.USERS_ADMIN)], directory: DirectoryOf, user_id: FromPath[UUID]
) -> UserView:
    return _user(await directory.change_member(caller, user_id, active=True))


@delete("/v1/users/{user_id:uuid}", operation_id="removeUser", summary="Let somebody leave the tenant", tags=["people"])
async def remove_user(
    caller: Annotated[Caller, Requires(Scope.USERS_ADMIN)], directory: DirectoryOf, user_id: FromPath[UUID]
) -> None:
    await directory.remove_member(caller, user_id)


@get("/v1/roles", operation_id="listRoles", summary="Roles, built in and the tenant's own", tags=["people"])
async def list_roles(caller: Annotated[Caller, Requires(Scope.USERS_READ)], directory: DirectoryOf) -> RolePage:
    return RolePage(list(map(_role, (await directory.roles(caller)).values())), None)


@post("/v1/roles", operation_id="createRole", summary="Make a role of the tenant's own", tags=["people"])
async def create_role(
    caller: Annotated[Caller, Requires(Scope.USERS_ADMIN, recent=True)],
    directory: DirectoryOf,
    data: JSONBody[CreateRole],
) -> RoleView:
    role = CustomRole(data.name, data.description, tuple(data.scopes), tuple(data.inherits))
    return _role(await directory.put_role(caller, role, new=True))


@put("/v1/roles/{name:str}", operation_id="changeRole", summary="Change what a role allows", tags=["people"])
async def change_role(
    caller: Annotated[Caller, Requires(Scope.USERS_ADMIN, recent=True)],
    directory: DirectoryOf,
    name: FromPath[str],
    data: JSONBody[ChangeRole],
) -> RoleView:
    role = CustomRole(name, data.description, tuple(data.scopes), tuple(data.inherits))
    return _role(await directory.put_role(caller, role, new=False))


@delete("/v1/roles/{name:str}", operation_id="deleteRole", summary="Delete a role of the tenant's own", tags=["people"])
async def delete_role(
    caller: Annotated[Caller, Requires(Scope.USERS_ADMIN, recent=True)], directory: DirectoryOf, name: FromPath[str]
) -> None:
    await directory.delete_role(caller, name)


@post("/v1/grants", operation_id="createGrant", summary="Allow one thing on one thing", tags=["people"])
async def create_grant(
    caller: Annotated[Caller, Requires(Scope.USERS_ADMIN)], directory: DirectoryOf, data: JSONBody[CreateGrant]
) -> GrantView:
    made = await directory.create_grant(
        caller, subject=data.subject, scope=data.scope, resource=data.resource, expires_at=data.expires_at
    )
    return _grant(made)


@get("/v1/grants", operation_id="listGrants", summary="The tenant's grants", tags=["people"])
async def list_grants(
    caller: Annotated[Caller, Requires(Scope.USERS_READ)],
    directory: DirectoryOf,
    subject: Annotated[UUID | None, QueryParameter(description="of this person or client")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> GrantPage:
    found, following = await directory.grants(caller, subject=subject, after=cursor, limit=limit)
    return GrantPage(list(map(_grant, found)), cursor_text(following))


@delete("/v1/grants/{grant_id:uuid}", operation_id="deleteGrant", summary="Take a grant back", tags=["people"])
async def delete_grant(
    caller: Annotated[Caller, Requires(Scope.USERS_ADMIN)], directory: DirectoryOf, grant_id: FromPath[UUID]
) -> None:
    await directory.delete_grant(caller, grant_id)


@post("/v1/delegations", operation_id="createDelegation", summary="Let another person act for you", tags=["people"])
async def create_delegation(
    caller: Annotated[Caller, Requires(None, person=True, recent=True)],
    directory: DirectoryOf,
    data: JSONBody[CreateDelegation],
) -> DelegationView:
    made = await directory.delegate(caller, to_user=data.to, scopes=data.scopes, expires_at=data.expires_at)
    return _delegation(made)


@get("/v1/delegations", operation_id="listDelegations", summary="Those you gave or were given", tags=["people"])
async def list_delegations(
    caller: Annotated[Caller, Requires(None, person=True)],
    directory: DirectoryOf,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> DelegationPage:
    found, following = await directory.delegations(caller, after=cursor, limit=limit)
    return DelegationPage(list(map(_delegation, found)), cursor_text(following))


@delete(
    "/v1/delegations/{delegation_id:uuid}",
    operation_id="endDelegation",
    summary="End a delegation; its tokens stop within a second",
    tags=["people"],
)
async def end_delegation(
    caller: Annotated[Caller, Requires(None, person=True)], directory: DirectoryOf, delegation_id: FromPath[UUID]
) -> None:
    await directory.end_delegation(caller, delegation_id)


@get("/v1/audit/records", operation_id="listAuditRecords", summary="What was done, newest first", tags=["audit"])
async def list_audit_records(
    caller: Annotated[Caller, Requires(Scope.AUDIT_READ)],
    audit: AuditOf,
    action: Annotated[str | None, QueryParameter(max_length=100)] = None,
    actor: Annotated[str | None, QueryParameter(max_length=100)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> AuditPage:
    found, following = await audit.records(caller, action=action, actor=actor, before=cursor, limit=limit)
    items = [AuditView(each.id, each.at, each.action, each.actor, each.target, dict(each.detail)) for each in found]
    return AuditPage(items, cursor_text(following))


HANDLERS = (
    list_users, get_user, change_user, disable_user, enable_user, remove_user, list_roles, create_role, change_role,
    delete_role, create_grant, list_grants, delete_grant, create_delegation, list_delegations, end_delegation,
    list_audit_records,
)  # fmt: skip


def _user(member: Member) -> UserView:
    return UserView(member.id, member.email, member.display_name, list(member.roles), member.active, member.created_at)


def _role(role: CustomRole) -> RoleView:
    permissions = [f"tenant:{scope}" for scope in sorted(role.scopes)]
    return RoleView(role.name, role.description, permissions, list(role.inherits))


def _grant(grant: Grant) -> GrantView:
    permission = f"{grant.resource}:{grant.scope}"
    return GrantView(
        grant.id, grant.subject, permission, grant.scope, grant.resource, grant.expires_at, grant.created_at
    )


def _delegation(delegation: Delegation) -> DelegationView:
    return DelegationView(
        delegation.id,
        delegation.from_user,
        delegation.to_user,
        list(delegation.scopes),
        delegation.expires_at,
        delegation.created_at,
    )
