"""Registration and sign-in. First-party: tokens are for our own console and tools, never for other clients."""

from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar import post
from litestar.params import JSONBody
from msgspec import Meta

from nsl.accounts.api.views import (
    Asked,
    Code,
    Email,
    FactorsOf,
    Password,
    RegistrationOf,
    SessionsOf,
    SigningInOf,
    Token,
    TokensView,
    WalletsOf,
    origin_of,
    tokens_view,
)
from nsl.identity.model import CONSOLE, Caller, Public, Requires
from nsl.kit.decoding import Label

ChainText = Literal["neo-n3", "neo-x"]
Message = Annotated[str, Meta(min_length=1, max_length=2000)]
Hex = Annotated[str, Meta(min_length=1, max_length=200)]

_WITH_PASSWORD = Public("whoever signs in proves it in the request")
_WITH_LINK = Public("whoever reads the mail has the link")


class Register(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    email: Email
    password: Password
    display_name: Label | None = None


class VerifyEmail(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    token: Token


class Login(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``otp``: a one-time password or a recovery code. ``tenant_id``: where to work; without it, the first."""

    email: Email
    password: Password
    otp: Code | None = None
    tenant_id: UUID | None = None


class Refresh(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    refresh_token: Token


class Challenge(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    chain: ChainText
    address: Annotated[str, Meta(min_length=1, max_length=100)]


class ChallengeView(msgspec.Struct, frozen=True):
    """Sign exactly this text."""

    message: str


class WalletProof(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``signature``: hex, r‖s for N3, r‖s‖v for Neo X. On N3 also ``public_key`` (33 bytes, hex) and ``salt``."""

    message: Message
    signature: Hex
    public_key: Hex | None = None
    salt: Annotated[str, Meta(max_length=64)] | None = None
    tenant_id: UUID | None = None


class PasskeyProof(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``credential``: what navigator.credentials.get() gave, as JSON."""

    credential: dict[str, Any]
    tenant_id: UUID | None = None


class ForgotPassword(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    email: Email


class ResetPassword(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    token: Token
    password: Password


class AcceptInvitation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``password``: for somebody who has none yet."""

    token: Token
    password: Password | None = None
    display_name: Label | None = None


class SwitchTenant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    tenant_id: UUID


class Done(msgspec.Struct, frozen=True):
    """It was done, or will be: the answer says no more, so that it tells nothing of who has an account."""

    status: str = "ok"


@post("/v1/auth/register", operation_id="register", summary="Register", tags=["sign-in"], status_code=202)
async def register(
    caller: Annotated[None, Public("people register before they are known")],
    registration: RegistrationOf,
    data: JSONBody[Register],
) -> Done:
    await registration.register(data.email, data.password, data.display_name)
    return Done("a mail is on its way")


@post("/v1/auth/verify-email", operation_id="verifyEmail", summary="Verify", tags=["sign-in"], status_code=200)
async def verify_email(
    caller: Annotated[None, _WITH_LINK], registration: RegistrationOf, data: JSONBody[VerifyEmail]
) -> Done:
    await registration.verify_email(data.token)
    return Done()


@post("/v1/auth/login", operation_id="login", summary="Sign in with a password", tags=["sign-in"], status_code=200)
async def login(
    caller: Annotated[None, _WITH_PASSWORD],
    request: Asked,
    signing_in: SigningInOf,
    sessions: SessionsOf,
    data: JSONBody[Login],
) -> TokensView:
    origin = origin_of(request)
    user, amr = await signing_in.password(data.email, data.password, data.otp, origin)
    return tokens_view(await sessions.sign_in(user, data.tenant_id, amr, origin, CONSOLE))


@post("/v1/auth/refresh", operation_id="refresh", summary="New tokens", tags=["sign-in"], status_code=200)
async def refresh(
    caller: Annotated[None, Public("the refresh token is the proof")], sessions: SessionsOf, data: JSONBody[Refresh]
) -> TokensView:
    issued, _ = await sessions.refresh(None, data.refresh_token, None, None)
    return tokens_view(issued)


@post("/v1/auth/logout", operation_id="logout", summary="End this session", tags=["sign-in"], status_code=204)
async def logout(caller: Annotated[Caller, Requires(None, person=True)], sessions: SessionsOf) -> None:
    if caller.session is not None:
        await sessions.end(caller.id, caller.session, caller.subject)


@post("/v1/auth/challenge", operation_id="challenge", summary="A message to sign", tags=["sign-in"], status_code=200)
async def challenge(
    caller: Annotated[None, _WITH_PASSWORD], wallets: WalletsOf, data: JSONBody[Challenge]
) -> ChallengeView:
    return ChallengeView(await wallets.challenge(data.chain, data.address))


@post("/v1/auth/wallet", operation_id="wallet", summary="Sign in with a wallet", tags=["sign-in"], status_code=200)
async def wallet(
    caller: Annotated[None, _WITH_PASSWORD],
    request: Asked,
    wallets: WalletsOf,
    sessions: SessionsOf,
    data: JSONBody[WalletProof],
) -> TokensView:
    chain, address = await wallets.prove(data.message, data.signature, data.public_key, data.salt)
    user = await wallets.user(chain, address)
    return tokens_view(await sessions.sign_in(user, data.tenant_id, ("pop",), origin_of(request), CONSOLE))


@post(
    "/v1/auth/passkeys/challenge",
    operation_id="passkeyChallenge",
    summary="What navigator.credentials.get() needs",
    tags=["sign-in"],
    status_code=200,
)
async def passkey_challenge(caller: Annotated[None, _WITH_PASSWORD], factors: FactorsOf) -> dict[str, Any]:
    return await factors.passkey_challenge()


@post(
    "/v1/auth/passkeys/login",
    operation_id="passkeyLogin",
    summary="Sign in with a passkey",
    tags=["sign-in"],
    status_code=200,
)
async def passkey_login(
    caller: Annotated[None, _WITH_PASSWORD],
    request: Asked,
    factors: FactorsOf,
    sessions: SessionsOf,
    data: JSONBody[PasskeyProof],
) -> TokensView:
    user = await factors.passkey_user(data.credential)
    return tokens_view(await sessions.sign_in(user, data.tenant_id, ("hwk", "user"), origin_of(request), CONSOLE))


@post(
    "/v1/auth/password/forgot",
    operation_id="forgotPassword",
    summary="Ask for a link to choose a new password",
    tags=["sign-in"],
    status_code=202,
)
async def forgot_password(
    caller: Annotated[None, Public("whoever forgot it cannot sign in")],
    registration: RegistrationOf,
    data: JSONBody[ForgotPassword],
) -> Done:
    await registration.forgot_password(data.email)
    return Done("if there is such an account, a mail is on its way")


@post(
    "/v1/auth/password/reset",
    operation_id="resetPassword",
    summary="Choose a new password by a mailed link; second factors stay",
    tags=["sign-in"],
    status_code=200,
)
async def reset_password(
    caller: Annotated[None, _WITH_LINK], registration: RegistrationOf, data: JSONBody[ResetPassword]
) -> Done:
    await registration.reset_password(data.token, data.password)
    return Done()


@post(
    "/v1/auth/invitations/accept",
    operation_id="acceptInvitation",
    summary="Join the tenant that an invitation is for",
    tags=["sign-in"],
    status_code=200,
)
async def accept_invitation(
    caller: Annotated[None, _WITH_LINK], registration: RegistrationOf, data: JSONBody[AcceptInvitation]
) -> Done:
    await registration.accept_invitation(data.token, data.password, data.display_name)
    return Done()


@post(
    "/v1/auth/tenant", operation_id="switchTenant", summary="Work in another tenant", tags=["sign-in"], status_code=200
)
async def switch_tenant(
    caller: Annotated[Caller, Requires(None, person=True)],
    request: Asked,
    sessions: SessionsOf,
    data: JSONBody[SwitchTenant],
) -> TokensView:
    return tokens_view(await sessions.switch(caller, data.tenant_id, origin_of(request), CONSOLE))


HANDLERS = (
    register, verify_email, login, refresh, logout, challenge, wallet, passkey_challenge, passkey_login,
    forgot_password, reset_password, accept_invitation, switch_tenant,
)  # fmt: skip
