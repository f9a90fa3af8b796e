"""SCIM 2.0 (RFC 7643, RFC 7644): another system keeps the tenant's people and groups.

Answers are ``application/scim+json``; errors are problems like everywhere, with SCIM's ``schemas`` and ``status`` read
by its clients. Filters: ``userName eq``, ``externalId eq`` for users, ``displayName eq`` for groups.
"""

import re
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Response, delete, get, patch, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter, SkipValidation

from nsl.accounts.api.scim import GROUP, USER, ScimGroup, ScimMember, ScimName, ScimPatch, ScimUser
from nsl.accounts.api.views import RegistrationOf
from nsl.identity.model import Caller, Group, Member, Requires, Scope
from nsl.identity.service import Directory
from nsl.kit.decoding import Unreadable

PAGE_MAX = 200
MEDIA_TYPE = "application/scim+json"
LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"

DirectoryOf = NamedDependency[SkipValidation[Directory]]
Start = Annotated[int, QueryParameter(name="startIndex", ge=1, le=2**31 - 1)]
Count = Annotated[int, QueryParameter(ge=0, le=PAGE_MAX)]
Filter = Annotated[str | None, QueryParameter(max_length=500)]
_EQUALS = re.compile(r'\s*(\w+)\s+eq\s+"((?:[^"\\]|\\.)*)"\s*', re.IGNORECASE)
_MEMBER = re.compile(r'members\[value eq "([0-9a-fA-F-]{36})"\]', re.IGNORECASE)


@get(
    "/scim/v2/Users",
    operation_id="scimListUsers",
    summary="Users",
    tags=["provisioning"],
    media_type=MEDIA_TYPE,
)
async def list_users(
    caller: Annotated[Caller, Requires(Scope.USERS_ADMIN)],
    directory: DirectoryOf,
    filter: Filter = None,  # noqa: A002 - RFC 7644's name
    start: Start = 1,
    count: Count = 100,
) -> Response[dict[str, Any]]:
    wanted = _filter(filter, {"username", "externalid"})
    email = wanted.get("username")
    found, total = await directory.members_at(
        caller,
        offset=start - 1,
        limit=count,
        email=None if email is None else email.lower(),
        external_id=wanted.get("externalid"),
    )
    return _list(list(map(_user, found)), total, start)


@post(
    "/scim/v2/Users",
    operation_id="scimCreateUser",
    summary="A user",
    tags=["provisioning"],
    media_type=MEDIA_TYPE,
)
async def create_user(
    caller: Annotated[Caller, Requires(Scope.USERS_ADMIN)],
    registration: RegistrationOf,
    directory: DirectoryOf,
    data: JSONBody[ScimUser],
) -> Response[dict[str, Any]]:
    user = await registration.provision(caller, data.userName, _display_name(data), data.externalId)
    if not data.active:
        await directory.change_member(caller, user, active=False)
    return _answer(_user(await directory.member(caller, user)), 201)


@get(
    "/scim/v2/Users/{user_id:uuid}",
    operation_id="scimGetUser",
    summary="One of them",
    tags=["provisioning"],
    media_type=MEDIA_TYPE,
)
async def get_user(
    caller: Annotated[Caller, Requires(Scope.USERS_ADMIN)], directory: DirectoryOf, user_id: FromPath[UUID]
) -> Response[dict[str, Any]]:
    return _answer(_user(await directory.member(caller, user_id)))


@put(
    "/scim/v2/Users/{user_id:uuid}",
    operation_id="scimPutUser",
    summary="Replace",
    tags=["provisioning"],
    media_type=MEDIA_TYPE,
)
async def put_user(
    caller: Annotated[Caller, Requires(Scope.USERS_ADMIN)],
    directory: DirectoryOf,
    user_id: FromPath[UUID],
    data: JSONBody[ScimUser],
) -> Response[dict[str, Any]]:
    found = await directory.change_member(caller, user_id, active=data.active, external_id=data.externalId)
    return _answer(_user(found))


@patch(
    "/scim/v2/Users/{user_id:uuid}",
    operation_id="scimPatchUser",
    summary="Change",
    tags=["provisioning"],
    media_type=MEDIA_TYPE,
)
async def patch_user(
    caller: Annotated[Caller, Requires(Scope.USERS_ADMIN)],
    directory: DirectoryOf,
    user_id: FromPath[UUID],
    data: JSONBody[ScimPatch],
) -> Response[dict[str, Any]]:
    changes: dict[str, Any] = {}
    for operation in data.Operations:
        given = operation.value if operation.path is None else {operation.path: operation.value}
        if not isinstance(given, dict):
            raise Unreadable("without a path, the value is an object", field="Operations")
        changes |= {name.lower(): value for name, value in given.items()}
    active, external_id = changes.get("active"), changes.get("externalid")
    if isinstance(active, str):
        active = {"true": True, "false": False}.get(active.lower())
    if not isinstance(active, bool | None) or not isinstance(external_id, str | None):
        raise Unreadable("active is true or false, externalId a text", field="Operations")
    return _answer(_user(await directory.change_member(caller, user_id, active=active, external_id=external_id)))


@delete("/scim/v2/Users/{user_id:uuid}", operation_id="scimDeleteUser", summary="Remove", tags=["provisioning"])
async def delete_user(
    caller: Annotated[Caller, Requires(Scope.USERS_ADMIN)], directory: DirectoryOf, user_id: FromPath[UUID]
) -> None:
    await directory.remove_member(caller, user_id)


@get(
    "/scim/v2/Groups",
    operation_id="scimListGroups",
    summary="Groups",
    tags=["provisioning"],
    media_type=MEDIA_TYPE,
)
async def list_groups(
    caller: Annotated[Caller, Requires(Scope.USERS_ADMIN)],
    directory: DirectoryOf,
    filter: Filter = None,  # noqa: A002 - RFC 7644's name
    start: Start = 1,
    count: Count = 100,
) -> Response[dict[str, Any]]:
    name = _filter(filter, {"displayname"}).get("displayname")
    found, total = await directory.groups_at(caller, offset=start - 1, limit=count, name=name)
    return _list(list(map(_group, found)), total, start)


@post(
    "/scim/v2/Groups",
    operation_id="scimCreateGroup",
    summary="A group",
    tags=["provisioning"],
    media_type=MEDIA_TYPE,
)
async def create_group(
    caller: Annotated[Caller, Requires(Scope.USERS_ADMIN)], directory: DirectoryOf, data: JSONBody[ScimGroup]
) -> Response[dict[str, Any]]:
    members = [each.value for each in data.members]
    return _answer(_group(await directory.create_group(caller, data.displayName, data.externalId, members)), 201)


@get(
    "/scim/v2/Groups/{group_id:uuid}",
    operation_id="scimGetGroup",
    summary="One of them",
    tags=["provisioning"],
    media_type=MEDIA_TYPE,
)
async def get_group(
    caller: Annotated[Caller, Requires(Scope.USERS_ADMIN)], directory: DirectoryOf, group_id: FromPath[UUID]
) -> Response[dict[str, Any]]:
    return _answer(_group(await directory.group(caller, group_id)))


@put(
    "/scim/v2/Groups/{group_id:uuid}",
    operation_id="scimPutGroup",
    summary="Replace",
    tags=["provisioning"],
    media_type=MEDIA_TYPE,
)
async def put_group(
    caller: Annotated[Caller, Requires(Scope.USERS_ADMIN)],
    directory: DirectoryOf,
    group_id: FromPath[UUID],
    data: JSONBody[ScimGroup],
) -> Response[dict[str, Any]]:
    before = await directory.group(caller, group_id)
    wanted = [each.value for each in data.members]
    remove = [user for user in before.members if user not in wanted]
    made = await directory.change_group(
        caller, group_id, name=data.displayName, external_id=data.externalId, add=wanted, remove=remove
    )
    return _answer(_group(made))


@patch(
    "/scim/v2/Groups/{group_id:uuid}",
    operation_id="scimPatchGroup",
    summary="Change",
    tags=["provisioning"],
    media_type=MEDIA_TYPE,
)
async def patch_group(
    caller: Annotated[Caller, Requires(Scope.USERS_ADMIN)],
    directory: DirectoryOf,
    group_id: FromPath[UUID],
    data: JSONBody[ScimPatch],
) -> Response[dict[str, Any]]:
    found = await directory.group(caller, group_id)
    name, members = None, list(found.members)
    for operation in data.Operations:
        op, path = operation.op.lower(), (operation.path or "").lower()
        if path == "displayname" or (not path and isinstance(operation.value, dict)):
            value = operation.value["displayName"] if isinstance(operation.value, dict) else operation.value
            name = _text(value)
        elif one := _MEMBER.fullmatch(operation.path or ""):
            members = [user for user in members if user != UUID(one[1])]
        elif path == "members":
            given = [] if operation.value is None else _members(operation.value)
            members = _combined(op, members, given)
        else:
            raise Unreadable("the path is displayName or members", field="Operations")
    made = await directory.change_group(
        caller, group_id, name=name, add=members, remove=[user for user in found.members if user not in members]
    )
    return _answer(_group(made))


@delete("/scim/v2/Groups/{group_id:uuid}", operation_id="scimDeleteGroup", summary="Remove", tags=["provisioning"])
async def delete_group(
    caller: Annotated[Caller, Requires(Scope.USERS_ADMIN)], directory: DirectoryOf, group_id: FromPath[UUID]
) -> None:
    await directory.delete_group(caller, group_id)


class GroupRoles(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    roles: Annotated[list[Annotated[str, msgspec.Meta(max_length=50)]], msgspec.Meta(max_length=50)]


@put("/v1/groups/{group_id:uuid}/roles", operation_id="setGroupRoles", summary="A group's roles", tags=["people"])
async def set_group_roles(
    caller: Annotated[Caller, Requires(Scope.USERS_ADMIN, recent=True)],
    directory: DirectoryOf,
    group_id: FromPath[UUID],
    data: JSONBody[GroupRoles],
) -> GroupRoles:
    return GroupRoles(list((await directory.change_group(caller, group_id, roles=data.roles)).roles))


@get(
    "/scim/v2/ServiceProviderConfig",
    operation_id="scimConfig",
    summary="What of SCIM there is",
    tags=["provisioning"],
    media_type=MEDIA_TYPE,
)
async def service_provider_config(
    caller: Annotated[Caller, Requires(Scope.USERS_ADMIN)],
) -> Response[dict[str, Any]]:
    no = {"supported": False}
    return _answer(
        {
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
            "patch": {"supported": True},
            "bulk": no | {"maxOperations": 0, "maxPayloadSize": 0},
            "filter": {"supported": True, "maxResults": PAGE_MAX},
            "changePassword": no,
            "sort": no,
            "etag": no,
            "authenticationSchemes": [
                {"type": "oauthbearertoken", "name": "OAuth 2.0", "description": "A bearer token with users:admin"}
            ],
        }
    )


HANDLERS = (
    list_users, create_user, get_user, put_user, patch_user, delete_user, list_groups, create_group, get_group,
    put_group, patch_group, delete_group, set_group_roles, service_provider_config,
)  # fmt: skip


def _answer(body: dict[str, Any], status: int = 200) -> Response[dict[str, Any]]:
    return Response(body, status_code=status, media_type=MEDIA_TYPE)


def _list(resources: list[dict[str, Any]], total: int, start: int) -> Response[dict[str, Any]]:
    page = {"totalResults": total, "startIndex": start, "itemsPerPage": len(resources), "Resources": resources}
    return _answer({"schemas": [LIST], **page})


def _user(member: Member) -> dict[str, Any]:
    found: dict[str, Any] = {
        "schemas": [USER],
        "id": str(member.id),
        "userName": member.email or member.display_name,
        "displayName": member.display_name,
        "name": {"formatted": member.display_name},
        "emails": [] if member.email is None else [{"value": member.email, "primary": True}],
        "active": member.active,
        "meta": {"resourceType": "User", "created": member.created_at, "location": f"/scim/v2/Users/{member.id}"},
    }
    return found if member.external_id is None else found | {"externalId": member.external_id}


def _group(group: Group) -> dict[str, Any]:
    found: dict[str, Any] = {
        "schemas": [GROUP],
        "id": str(group.id),
        "displayName": group.name,
        "members": [{"value": str(user), "type": "User"} for user in group.members],
        "meta": {"resourceType": "Group", "created": group.created_at, "location": f"/scim/v2/Groups/{group.id}"},
    }
    return found if group.external_id is None else found | {"externalId": group.external_id}


def _display_name(user: ScimUser) -> str:
    name = user.name or ScimName()
    whole = " ".join(filter(None, [name.givenName, name.familyName]))
    return (user.displayName or name.formatted or whole or user.userName.partition("@")[0])[:200]


def _filter(text: str | None, names: set[str]) -> dict[str, str]:
    if text is None:
        return {}
    found = _EQUALS.fullmatch(text)
    if found is None or found[1].lower() not in names:
        raise Unreadable(f'filters are NAME eq "VALUE" with one of {", ".join(sorted(names))}', field="filter")
    return {found[1].lower(): re.sub(r"\\(.)", r"\1", found[2])}


def _members(value: Any) -> list[UUID]:
    try:
        return [each.value for each in msgspec.convert(value, list[ScimMember])]
    except msgspec.ValidationError as error:
        raise Unreadable("members are objects with a value", field="Operations") from error


def _combined(op: str, present: list[UUID], given: list[UUID]) -> list[UUID]:
    if op == "replace":
        return given
    if op == "remove":
        return [user for user in present if given and user not in given]
    return [*present, *(user for user in given if user not in present)]


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise Unreadable("displayName is a text", field="Operations")
    return value[:200]
