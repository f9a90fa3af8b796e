"""Keys over HTTP: listed, shown, and labelled to be found again."""

from dataclasses import replace
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import get, patch
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import UNSET, Meta, UnsetType

from nsl.identity.model import Caller, Requires, Scope
from nsl.keys.api.keys import PAGE_MAX
from nsl.keys.api.views import TAGS_MAX, AliasText, KeysOf, KeyView, Tags, view
from nsl.keys.model import KeyFilter, Labels
from nsl.kit.clock import now
from nsl.kit.decoding import Label
from nsl.kit.errors import Malformed
from nsl_protocol.enclave.lifecycle import KeyState
from nsl_protocol.enclave.messages import Curve


class KeyPage(msgspec.Struct, frozen=True):
    items: list[KeyView]
    next_cursor: str | None


class UpdateKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is left out stays. ``alias``: null takes it away. ``tags``: all of them; those that are not named go."""

    name: Label | UnsetType = UNSET
    alias: AliasText | UnsetType | None = UNSET
    tags: Tags | UnsetType = UNSET

    def of(self, before: Labels) -> Labels:
        """The labels after it."""
        return Labels(
            name=before.name if self.name is UNSET else self.name,
            alias=before.alias if self.alias is UNSET else self.alias,
            tags=before.tags if self.tags is UNSET else self.tags,
        )


@get("/v1/keys", operation_id="listKeys", summary="The tenant's keys, oldest first", tags=["keys"])
async def list_keys(
    caller: Annotated[Caller, Requires(Scope.KEYS_READ)],
    keys: KeysOf,
    alias: Annotated[str | None, QueryParameter(max_length=63, description="The key that has it")] = None,
    tag: Annotated[
        list[Annotated[str, Meta(max_length=264)]] | None,
        QueryParameter(max_items=TAGS_MAX, description="`name=value`, or `name` with any value; several: all of them"),
    ] = None,
    curve: Annotated[Curve | None, QueryParameter()] = None,
    key_state: Annotated[KeyState | None, QueryParameter(name="state")] = None,
    *,
    rotation_due: Annotated[
        bool, QueryParameter(description="Active ones alone that should have been rotated or replaced by now")
    ] = False,
    limit: Annotated[int, QueryParameter(ge=1, le=PAGE_MAX)] = 50,
    cursor: Annotated[UUID | None, QueryParameter(description="next_cursor of the page before")] = None,
) -> KeyPage:
    only = replace(_filter(alias, tag or [], curve, key_state), rotation_due_at=now() if rotation_due else None)
    found, following = await keys.page(caller.tenant, only, after=cursor, limit=limit)
    return KeyPage(list(map(view, found)), None if following is None else str(following))


@get("/v1/keys/{key_id:uuid}", operation_id="getKey", summary="A key", tags=["keys"])
async def get_key(
    caller: Annotated[Caller, Requires(Scope.KEYS_READ, resource="key_id")], keys: KeysOf, key_id: FromPath[UUID]
) -> KeyView:
    return view(await keys.get(caller.tenant, key_id))


@patch("/v1/keys/{key_id:uuid}", operation_id="updateKey", summary="Name, alias and tags of a key", tags=["keys"])
async def update_key(
    caller: Annotated[Caller, Requires(Scope.KEYS_MANAGE, resource="key_id")],
    keys: KeysOf,
    key_id: FromPath[UUID],
    data: JSONBody[UpdateKey],
) -> KeyView:
    return view(await keys.relabel(caller, key_id, data.of))


#: what ``nsl.http`` mounts
HANDLERS = (list_keys, get_key, update_key)


def _filter(alias: str | None, tag: list[str], curve: Curve | None, state: KeyState | None) -> KeyFilter:
    valued = dict(each.split("=", 1) for each in tag if "=" in each)
    if any("\0" in each for each in (alias or "", *tag)):
        raise Malformed("No alias and no tag holds a NUL character.", field="tag")
    if len(valued) != sum("=" in each for each in tag):
        raise Malformed("A tag has one value: name it once.", field="tag")
    tagged = [each for each in tag if "=" not in each]
    return KeyFilter(alias, curve, state, valued, tagged)
