"""The resources of SCIM 2.0 that are read (RFC 7643 section 4, RFC 7644 section 3.5.2), under the RFCs' own names."""

from typing import Annotated, Any
from uuid import UUID

import msgspec

from nsl.kit.decoding import Label

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


class ScimName(msgspec.Struct, frozen=True):
    formatted: str | None = None
    givenName: str | None = None  # noqa: N815 - RFC 7643's names, here and below
    familyName: str | None = None  # noqa: N815


class ScimUser(msgspec.Struct, frozen=True):
    """``userName`` is the address. What else a system sends is allowed, and not kept."""

    userName: Annotated[str, msgspec.Meta(max_length=254)]  # noqa: N815
    schemas: tuple[str, ...] = (USER,)
    externalId: Annotated[str, msgspec.Meta(max_length=200)] | None = None  # noqa: N815
    displayName: Label | None = None  # noqa: N815
    name: ScimName | None = None
    active: bool = True


class ScimMember(msgspec.Struct, frozen=True):
    value: UUID


class ScimGroup(msgspec.Struct, frozen=True):
    displayName: Label  # noqa: N815
    schemas: tuple[str, ...] = (GROUP,)
    externalId: Annotated[str, msgspec.Meta(max_length=200)] | None = None  # noqa: N815
    members: list[ScimMember] = []


class ScimOperation(msgspec.Struct, frozen=True):
    """``op`` in any case: some systems write Add."""

    op: Annotated[str, msgspec.Meta(pattern="^(?i:add|replace|remove)$")]
    path: str | None = None
    value: Any = None


class ScimPatch(msgspec.Struct, frozen=True):
    Operations: Annotated[list[ScimOperation], msgspec.Meta(min_length=1, max_length=100)]
    schemas: tuple[str, ...] = (PATCH,)
