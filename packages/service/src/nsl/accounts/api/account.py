"""One's own account, and invitations, over HTTP."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath, JSONBody
from litestar.status_codes import HTTP_200_OK, HTTP_204_NO_CONTENT
from msgspec import Meta

from nsl.accounts.api.signing_in import ChainText, Done, WalletProof
from nsl.accounts.api.views import (
    Asked,
    Code,
    Cursor,
    Email,
    FactorsOf,
    Limit,
    Password,
    RegistrationOf,
    SessionsOf,
    SigningInOf,
    WalletsOf,
    origin_of,
)
from nsl.identity.model import Caller, Requires, Scope
from nsl.identity.service import acr_of
from nsl.kit.decoding import Label
from nsl.kit.errors import Missing

_SELF = Requires(None, person=True)
_SELF_RECENTLY = Requires(None, person=True, recent=True)


class PlanOfCaller(msgspec.Struct, frozen=True):
    """Requests per minute: in general, and under /v1/keys."""

    requests_per_minute: int
    key_requests_per_minute: int


class MeView(msgspec.Struct, frozen=True):
    """``kind``: person or client. ``tenants``: where a person may work. ``actor``: who acts for the subject."""

    subject: str
    kind: str
    tenant: UUID
    client_id: UUID
    scopes: list[str]
    plan: PlanOfCaller
    roles: list[str]
    permissions: list[str]
    acr: str | None = None
    session_id: UUID | None = None
    actor: str | None = None
    email: str | None = None
    display_name: str | None = None
    tenants: list[UUID] = []


class EnrolmentView(msgspec.Struct, frozen=True):
    """Shown this once; confirm it with a one-time password."""

    secret: str
    otpauth_uri: str
    recovery_codes: list[str]


class ConfirmTotp(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    code: Code


class AddPasskey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``credential``: what navigator.credentials.create() gave, as JSON."""

    credential: dict[str, Any]
    name: Label = "Passkey"


class PasskeyView(msgspec.Struct, frozen=True):
    id: UUID
    name: str
    created_at: datetime
    used_at: datetime | None


class PasskeyPage(msgspec.Struct, frozen=True):
    items: list[PasskeyView]
    next_cursor: str | None


class AddedView(msgspec.Struct, frozen=True):
    id: UUID


class WalletView(msgspec.Struct, frozen=True):
    chain: str
    address: str
    created_at: datetime


class WalletPage(msgspec.Struct, frozen=True):
    items: list[WalletView]
    next_cursor: str | None


class SessionView(msgspec.Struct, frozen=True):
    """``amr``: how it was signed in to (RFC 8176). ``current``: the one of this request."""

    id: UUID
    tenant_id: UUID
    amr: list[str]
    authenticated_at: datetime
    address: str
    agent: str
    created_at: datetime
    expires_at: datetime
    current: bool


class SessionPage(msgspec.Struct, frozen=True):
    items: list[SessionView]
    next_cursor: str | None


class ChangePassword(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    present_password: Password
    password: Password


class Invite(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    email: Email
    roles: Annotated[list[Annotated[str, Meta(max_length=50)]], Meta(min_length=1, max_length=50)]


class InvitationView(msgspec.Struct, frozen=True):
    id: UUID
    email: str
    roles: list[str]
    invited_by: str
    expires_at: datetime
    created_at: datetime


class InvitationPage(msgspec.Struct, frozen=True):
    items: list[InvitationView]
    next_cursor: str | None


@get("/v1/me", operation_id="me", summary="Who the token stands for", tags=["account"])
async def me(caller: Annotated[Caller, Requires(None)], registration: RegistrationOf) -> MeView:
    plan = PlanOfCaller(caller.plan.requests_per_minute, caller.plan.key_requests_per_minute)
    permissions = [f"tenant:{scope}" for scope in sorted(caller.scopes)]
    permissions += sorted(f"{thing}:{scope}" for scope, thing in caller.grants)
    view = MeView(
        subject=caller.subject,
        kind="person" if caller.person else "client",
        tenant=caller.tenant,
        client_id=caller.client,
        scopes=sorted(caller.scopes),
        plan=plan,
        roles=list(caller.roles),
        permissions=permissions,
        acr=acr_of(caller.amr) if caller.person else None,
        session_id=caller.session,
        actor=caller.actor,
    )
    if not caller.person or caller.actor is not None:
        return view
    person = await registration.person(caller)
    tenants = await registration.tenants(caller)
    return msgspec.structs.replace(view, email=person.email, display_name=person.display_name, tenants=tenants)


@post("/v1/auth/mfa/totp", operation_id="enrolTotp", summary="Set up one-time passwords", tags=["account"])
async def enrol_totp(
    caller: Annotated[Caller, _SELF_RECENTLY], factors: FactorsOf, registration: RegistrationOf
) -> EnrolmentView:
    person = await registration.person(caller)
    made = await factors.enrol_totp(caller, person.email or person.display_name)
    return EnrolmentView(made.secret, made.otpauth_uri, list(made.recovery_codes))


@post(
    "/v1/auth/mfa/totp/confirm",
    operation_id="confirmTotp",
    summary="From now on a password alone is not enough",
    tags=["account"],
    status_code=HTTP_200_OK,
)
async def confirm_totp(caller: Annotated[Caller, _SELF], factors: FactorsOf, data: JSONBody[ConfirmTotp]) -> Done:
    await factors.confirm_totp(caller, data.code)
    return Done()


@delete("/v1/auth/mfa/totp", operation_id="removeTotp", summary="Remove one-time passwords", tags=["account"])
async def remove_totp(caller: Annotated[Caller, _SELF_RECENTLY], factors: FactorsOf) -> None:
    await factors.remove_totp(caller)


@post(
    "/v1/auth/passkeys/options",
    operation_id="passkeyOptions",
    summary="What navigator.credentials.create() needs",
    tags=["account"],
    status_code=HTTP_200_OK,
)
async def passkey_options(
    caller: Annotated[Caller, _SELF_RECENTLY], factors: FactorsOf, registration: RegistrationOf
) -> dict[str, Any]:
    return await factors.passkey_options(caller, await registration.person(caller))


@post("/v1/auth/passkeys", operation_id="addPasskey", summary="Keep a passkey", tags=["account"])
async def add_passkey(
    caller: Annotated[Caller, _SELF_RECENTLY], factors: FactorsOf, data: JSONBody[AddPasskey]
) -> AddedView:
    return AddedView(await factors.add_passkey(caller, data.credential, data.name))


@get("/v1/auth/passkeys", operation_id="listPasskeys", summary="Your passkeys", tags=["account"])
async def list_passkeys(caller: Annotated[Caller, _SELF], factors: FactorsOf) -> PasskeyPage:
    found = await factors.passkeys(caller)
    return PasskeyPage([PasskeyView(each.id, each.name, each.created_at, each.used_at) for each in found], None)


@delete("/v1/auth/passkeys/{passkey_id:uuid}", operation_id="removePasskey", summary="Remove one", tags=["account"])
async def remove_passkey(
    caller: Annotated[Caller, _SELF_RECENTLY], factors: FactorsOf, passkey_id: FromPath[UUID]
) -> None:
    await factors.remove_passkey(caller, passkey_id)


@post("/v1/auth/wallets", operation_id="linkWallet", summary="Sign in with this wallet too", tags=["account"])
async def link_wallet(
    caller: Annotated[Caller, _SELF_RECENTLY], wallets: WalletsOf, data: JSONBody[WalletProof]
) -> Done:
    chain, address = await wallets.prove(data.message, data.signature, data.public_key, data.salt)
    await wallets.link(caller, chain, address)
    return Done()


@get("/v1/auth/wallets", operation_id="listWallets", summary="Your wallets", tags=["account"])
async def list_wallets(caller: Annotated[Caller, _SELF], wallets: WalletsOf) -> WalletPage:
    return WalletPage([WalletView(**row) for row in await wallets.linked(caller)], None)


@delete(
    "/v1/auth/wallets/{chain:str}/{address:str}",
    operation_id="unlinkWallet",
    summary="Not sign in with it any more",
    tags=["account"],
)
async def unlink_wallet(
    caller: Annotated[Caller, _SELF_RECENTLY], wallets: WalletsOf, chain: FromPath[ChainText], address: FromPath[str]
) -> None:
    await wallets.unlink(caller, chain, address)


@get("/v1/auth/sessions", operation_id="listSessions", summary="Where you are signed in", tags=["account"])
async def list_sessions(
    caller: Annotated[Caller, _SELF], sessions: SessionsOf, limit: Limit = 50, cursor: Cursor = None
) -> SessionPage:
    found, following = await sessions.page(caller, after=cursor, limit=limit)
    items = [
        SessionView(
            each.id,
            each.tenant,
            list(each.amr),
            each.authenticated_at,
            each.address,
            each.agent,
            each.created_at,
            each.expires_at,
            each.id == caller.session,
        )
        for each in found
    ]
    return SessionPage(items, None if following is None else str(following))


@delete("/v1/auth/sessions/{session_id:uuid}", operation_id="endSession", summary="End one of them", tags=["account"])
async def end_session(caller: Annotated[Caller, _SELF], sessions: SessionsOf, session_id: FromPath[UUID]) -> None:
    if not await sessions.end(caller.id, session_id, caller.subject):
        raise Missing("There is no such session of yours.")


@post(
    "/v1/auth/password/change",
    operation_id="changePassword",
    summary="Change your password; every other session ends",
    tags=["account"],
    status_code=HTTP_200_OK,
)
async def change_password(
    caller: Annotated[Caller, _SELF],
    request: Asked,
    signing_in: SigningInOf,
    registration: RegistrationOf,
    data: JSONBody[ChangePassword],
) -> Done:
    await signing_in.confirm(caller.id, data.present_password, origin_of(request))
    await registration.change_password(caller, data.password)
    return Done()


@post("/v1/invitations", operation_id="invite", summary="Invite somebody into the tenant", tags=["people"])
async def invite(
    caller: Annotated[Caller, Requires(Scope.USERS_ADMIN)], registration: RegistrationOf, data: JSONBody[Invite]
) -> InvitationView:
    return _invitation(await registration.invite(caller, data.email, data.roles))


@get("/v1/invitations", operation_id="listInvitations", summary="Those that nobody accepted yet", tags=["people"])
async def list_invitations(
    caller: Annotated[Caller, Requires(Scope.USERS_READ)],
    registration: RegistrationOf,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> InvitationPage:
    found, following = await registration.invitations(caller, after=cursor, limit=limit)
    return InvitationPage(list(map(_invitation, found)), None if following is None else str(following))


@delete("/v1/invitations/{invitation_id:uuid}", operation_id="withdrawInvitation", summary="Withdraw", tags=["people"])
async def withdraw_invitation(
    caller: Annotated[Caller, Requires(Scope.USERS_ADMIN)], registration: RegistrationOf, invitation_id: FromPath[UUID]
) -> None:
    await registration.withdraw_invitation(caller, invitation_id)


@post(
    "/v1/accounts/{user_id:uuid}/disable",
    operation_id="disableAccount",
    summary="Close a person's account everywhere",
    tags=["people"],
    status_code=HTTP_204_NO_CONTENT,
)
async def disable_account(
    caller: Annotated[Caller, Requires(Scope.PLATFORM_ADMIN, recent=True)],
    registration: RegistrationOf,
    user_id: FromPath[UUID],
) -> None:
    await registration.disable(caller, user_id, disabled=True)


@post(
    "/v1/accounts/{user_id:uuid}/enable",
    operation_id="enableAccount",
    summary="Open a closed account again",
    tags=["people"],
    status_code=HTTP_204_NO_CONTENT,
)
async def enable_account(
    caller: Annotated[Caller, Requires(Scope.PLATFORM_ADMIN, recent=True)],
    registration: RegistrationOf,
    user_id: FromPath[UUID],
) -> None:
    await registration.disable(caller, user_id, disabled=False)


HANDLERS = (
    me, enrol_totp, confirm_totp, remove_totp, passkey_options, add_passkey, list_passkeys, remove_passkey,
    link_wallet, list_wallets, unlink_wallet, list_sessions, end_session, change_password, invite, list_invitations,
    withdraw_invitation, disable_account, enable_account,
)  # fmt: skip


def _invitation(row: dict[str, Any]) -> InvitationView:
    return InvitationView(
        row["id"], row["email"], row["roles"], row["invited_by"], row["expires_at"], row["created_at"]
    )
