"""Personal data over HTTP: where it is, what there is about a person, and its end."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.params import FromPath, JSONBody
from litestar.status_codes import HTTP_200_OK

from nsl.compliance.api.views import PeopleOf, Reason
from nsl.compliance.model import INVENTORY, Fate, Nature
from nsl.identity.model import Caller, Requires, Scope


class HoldingView(msgspec.Struct, frozen=True):
    """Fields of a table with what each says about a person, and what erasure does to them (``nsl compliance
    inventory`` explains the words). ``days``: after which what expires is gone by itself."""

    table: str
    fields: dict[str, Nature]
    erasure: Fate
    days: int | None


class InventoryView(msgspec.Struct, frozen=True):
    items: list[HoldingView]


class PersonView(msgspec.Struct, frozen=True):
    """All there is about a person but secrets. ``records``: of the audit log, those in which they occur."""

    account: dict[str, Any]
    membership: dict[str, Any] | None
    groups: list[str]
    grants: list[dict[str, Any]]
    delegations: list[dict[str, Any]]
    invitations: list[dict[str, Any]]
    sessions: list[dict[str, Any]]
    consents: list[dict[str, Any]]
    passkeys: list[dict[str, Any]]
    wallets: list[dict[str, Any]]
    external_identities: list[dict[str, Any]]
    records: list[dict[str, Any]]


class ErasePerson(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``reason`` names nobody: it is kept."""

    reason: Reason


class ErasedView(msgspec.Struct, frozen=True):
    """``texts``: how many of the audit log were forgotten. ``account_kept_because`` null: the account is erased too."""

    person: UUID
    texts: int
    account_kept_because: str | None


@get(
    "/v1/compliance/personal-data",
    operation_id="getPersonalDataInventory",
    summary="Where personal data is kept, and what erasure does to it",
    tags=["compliance"],
)
async def get_inventory(caller: Annotated[Caller, Requires(Scope.AUDIT_READ)]) -> InventoryView:
    return InventoryView([HoldingView(each.table, dict(each.fields), each.fate, each.days) for each in INVENTORY])


@get(
    "/v1/compliance/people/{user_id:uuid}",
    operation_id="exportPerson",
    summary="Everything about a person, for an access request; that it was asked for is recorded",
    tags=["compliance"],
)
async def export_person(
    caller: Annotated[Caller, Requires(Scope.PRIVACY_ADMIN)], people: PeopleOf, user_id: FromPath[UUID]
) -> PersonView:
    return msgspec.convert(await people.export(caller, user_id), PersonView)


@post(
    "/v1/compliance/people/{user_id:uuid}/erase",
    operation_id="erasePerson",
    summary="Forget a person for good; the audit log still verifies, and keys keep their records",
    tags=["compliance"],
    status_code=HTTP_200_OK,
)
async def erase_person(
    caller: Annotated[Caller, Requires(Scope.PRIVACY_ADMIN, recent=True)],
    people: PeopleOf,
    user_id: FromPath[UUID],
    data: JSONBody[ErasePerson],
) -> ErasedView:
    erased = await people.erase(caller, user_id, data.reason)
    return ErasedView(user_id, erased.texts, erased.account_kept_because)


HANDLERS = (get_inventory, export_person, erase_person)
