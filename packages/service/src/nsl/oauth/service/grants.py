"""The token endpoint's grants: each takes a form and gives tokens, or says why not (RFC 6749 section 5.2)."""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import msgspec
from prometheus_client import Counter

from nsl.accounts.errors import NoTenant, RefreshRefused
from nsl.accounts.model import Session
from nsl.accounts.service import Issued, Registration, Sessions
from nsl.identity.errors import BadToken, DelegationUnknown, TenantClosed, TokenRefused
from nsl.identity.model import FIRST_PARTY, TOKEN_SECONDS, Binding, Caller, Client, GrantType, granted_scopes
from nsl.identity.service import (
    AccessToken,
    Directory,
    Keyring,
    OneTime,
    Subject,
    Tokens,
    acr_of,
    hashed,
    note_by,
)
from nsl.kit.clock import unix_seconds
from nsl.kit.db import Database
from nsl.oauth import store
from nsl.oauth.model import Code, claims_of, verifier_is_well_formed
from nsl.oauth.service.devices import Devices
from nsl_protocol.enclave.messages import TokenKind

ACCESS_TOKEN_TYPE: Final = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - the name of a type
_USED_SECONDS: Final = 600

_break_glass = Counter("nsl_break_glass_tokens_total", "Tokens given to clients that were opened for an emergency.")


@dataclass(frozen=True, slots=True)
class Granted:
    """What the token endpoint answers."""

    access: AccessToken
    token_type: str
    refresh: str | None = None
    id_token: str | None = None
    issued_token_type: str | None = None


class Grants:
    """One method for each grant type."""

    def __init__(
        self,
        database: Database,
        tokens: Tokens,
        keyring: Keyring,
        sessions: Sessions,
        registration: Registration,
        directory: Directory,
        devices: Devices,
    ) -> None:
        self._database = database
        self._tokens = tokens
        self._keyring = keyring
        self._sessions = sessions
        self._registration = registration
        self._directory = directory
        self._devices = devices
        self._one_time = OneTime(database)

    async def grant(self, client: Client, fields: Mapping[str, str], binding: Binding | None) -> Granted:
        """Tokens for a client that proved who it is; bound to ``binding`` where it proved something to hold.

        Raises:
            TokenRefused: with a word of RFC 6749 section 5.2.
        """
        try:
            kind = GrantType(fields.get("grant_type", ""))
        except ValueError as error:
            raise TokenRefused("unsupported_grant_type", "There is no such grant here.") from error
        if kind not in client.grant_types:
            raise TokenRefused("unauthorized_client", f"This client is not registered for {kind}.")
        if client.require_dpop and (binding is None or binding.kind != "jkt"):
            raise TokenRefused("invalid_dpop_proof", "This client proves its key with DPoP (RFC 9449).")
        if fields.get("resource", self._tokens.issuer) != self._tokens.issuer:
            raise TokenRefused("invalid_target", f"Tokens are for {self._tokens.issuer} alone.")
        try:
            match kind:
                case GrantType.CLIENT_CREDENTIALS:
                    return await self._client_credentials(client, fields, binding)
                case GrantType.AUTHORIZATION_CODE:
                    return await self._code(client, fields, binding)
                case GrantType.REFRESH_TOKEN:
                    return await self._refresh(client, fields, binding)
                case GrantType.DEVICE_CODE:
                    return await self._device(client, fields, binding)
                case GrantType.TOKEN_EXCHANGE:
                    return await self._exchange(client, fields, binding)
        except (NoTenant, TenantClosed) as error:
            raise TokenRefused("invalid_grant", error.detail) from error

    async def _client_credentials(self, client: Client, fields: Mapping[str, str], binding: Binding | None) -> Granted:
        scopes = granted_scopes(fields.get("scope"), client.scopes)
        if client.tenant is None:
            raise TokenRefused("unauthorized_client", "Our own applications act for people alone.")
        if client.expires_at is not None:
            # Break-glass access is loud each time it is used, and not only when it is opened.
            _break_glass.inc()
            async with self._database.transaction(client.tenant) as connection:
                await note_by(connection, client.tenant, "break-glass.used", str(client.id), str(client.id))
        subject = Subject(id=client.id, tenant=client.tenant, roles=("service",))
        return Granted(await self._tokens.issue(client, subject, scopes, binding=binding), _type(binding))

    async def _code(self, client: Client, fields: Mapping[str, str], binding: Binding | None) -> Granted:
        text = fields.get("code", "")
        data = await self._one_time.take("code", text)
        if data is None:
            await self._end_what_came_of(text)
            raise TokenRefused("invalid_grant", "The code is unknown, was used, or is too old.")
        code = msgspec.convert(data, Code)
        await self._one_time.make("code-used", data, seconds=_USED_SECONDS, secret=text)
        verifier = fields.get("code_verifier", "")
        right = verifier_is_well_formed(verifier) and hmac.compare_digest(
            hashed(verifier.encode()), code.code_challenge
        )
        # RFC 6749 section 4.1.3; it may be left out where there is only one (OpenID Connect Core section 3.1.3.2).
        address = fields.get("redirect_uri", code.redirect_uri if len(client.redirect_uris) == 1 else "")
        bound_right = code.dpop_jkt is None or binding == Binding("jkt", code.dpop_jkt)
        if not right or code.client != client.id or address != code.redirect_uri or not bound_right:
            raise TokenRefused("invalid_grant", "The code, its verifier, redirect_uri or client do not fit together.")
        session = await self._sessions.of(code.tenant, code.session)
        if session is None:
            raise TokenRefused("invalid_grant", "The person has signed out.")
        if "offline_access" in code.scopes and not client.first_party:
            session = await self._sessions.fork(session)
            # What ends when the code comes again is the session that came of it.
            data = msgspec.to_builtins(msgspec.structs.replace(code, session=session.id))
            await self._one_time.make("code-used", data, seconds=_USED_SECONDS, secret=text)
        return await self._for_person(client, session, code.scopes, code.nonce, binding)

    async def _end_what_came_of(self, text: str) -> None:
        """A code that comes twice was stolen: what it gave ends (RFC 6749 section 4.1.2)."""
        data = await self._one_time.take("code-used", text)
        if data is not None:
            code = msgspec.convert(data, Code)
            session = await self._sessions.of(code.tenant, code.session)
            if session is not None:
                await self._sessions.end(session.user, session.id, "code used twice")

    async def _for_person(
        self,
        client: Client,
        session: Session,
        scopes: tuple[str, ...],
        nonce: str | None,
        binding: Binding | None,
    ) -> Granted:
        async with self._database.transaction(session.tenant) as connection:
            await store.do(
                connection,
                "note_session_client",
                tenant_id=session.tenant,
                session_id=session.id,
                client_id=client.id,
            )
        lasting = GrantType.REFRESH_TOKEN in client.grant_types
        issued = await self._sessions.issue(client, session, scopes, binding=binding, refresh=lasting)
        return await self._with_id_token(client, issued, scopes, nonce, binding)

    async def _with_id_token(
        self, client: Client, issued: Issued, scopes: tuple[str, ...], nonce: str | None, binding: Binding | None
    ) -> Granted:
        """OpenID Connect Core section 2."""
        id_token = None
        if "openid" in scopes:
            session, moment = issued.session, unix_seconds()
            person = await self._registration.person_of(session.user)
            half = hashed_half(issued.access.token)
            claims: dict[str, Any] = {
                "iss": self._tokens.issuer,
                "sub": str(session.user),
                "aud": str(client.id),
                "iat": moment,
                "exp": moment + TOKEN_SECONDS,
                "auth_time": int(session.authenticated_at.timestamp()),
                "acr": acr_of(session.amr),
                "amr": list(session.amr),
                "sid": str(session.id),
                "at_hash": half,
            }
            claims |= claims_of(frozenset(scopes), person.email, person.email_verified, person.display_name)
            if nonce is not None:
                claims["nonce"] = nonce
            id_token = await self._keyring.sign(TokenKind.ID, claims)
        return Granted(issued.access, _type(binding), issued.refresh, id_token)

    async def _refresh(self, client: Client, fields: Mapping[str, str], binding: Binding | None) -> Granted:
        wanted = fields.get("scope")
        scopes = None if wanted is None else frozenset(wanted.split())
        try:
            issued, _ = await self._sessions.refresh(client, fields.get("refresh_token", ""), scopes, binding)
        except RefreshRefused as error:
            raise TokenRefused("invalid_grant", error.detail) from error
        return await self._with_id_token(client, issued, issued.access.scopes, None, binding)

    async def _device(self, client: Client, fields: Mapping[str, str], binding: Binding | None) -> Granted:
        session, scopes = await self._devices.redeem(client, fields.get("device_code", ""))
        return await self._for_person(client, session, scopes, None, binding)

    async def _exchange(self, client: Client, fields: Mapping[str, str], binding: Binding | None) -> Granted:
        """RFC 8693: a narrower token, for a client acting for the subject; or by a delegation, for another person."""
        wanted = {"requested_token_type": ACCESS_TOKEN_TYPE, **fields}
        for name in ("subject_token_type", "requested_token_type"):
            if wanted.get(name) != ACCESS_TOKEN_TYPE:
                raise TokenRefused("invalid_request", f"{name} is {ACCESS_TOKEN_TYPE}.")
        if fields.get("audience", self._tokens.issuer) != self._tokens.issuer:
            raise TokenRefused("invalid_target", f"Tokens are for {self._tokens.issuer} alone.")
        if "actor_token" in fields:
            raise TokenRefused("invalid_request", "The actor is the client, or the person of a delegation.")
        try:
            subject = await self._tokens.inspect(fields.get("subject_token", ""))
        except BadToken as error:
            raise TokenRefused("invalid_grant", error.detail) from error
        caller = subject.caller
        if caller.binding is not None and caller.binding != binding:
            raise TokenRefused("invalid_grant", "The subject token is bound; prove its key.")
        if caller.actor is not None:
            raise TokenRefused("invalid_grant", "What was exchanged once is not exchanged again.")
        seconds = subject.expires - unix_seconds()
        if "delegation" in fields and client.tenant in (None, caller.tenant):
            made, allowed, seconds = await self._delegated(fields["delegation"], subject.caller, seconds)
            allowed = tuple(scope for scope in allowed if scope in client.scopes)
        elif client.tenant == caller.tenant:
            made = Subject(
                id=caller.id,
                tenant=caller.tenant,
                roles=caller.roles,
                session=caller.session,
                authenticated_at=caller.authenticated_at,
                amr=caller.amr,
                actor=str(client.id),
            )
            allowed = tuple(scope for scope in caller.scopes if scope in client.scopes)
        else:
            raise TokenRefused("invalid_grant", "The subject token is of another tenant, or names no delegation.")
        scopes = granted_scopes(fields.get("scope"), allowed)
        access = await self._tokens.issue(client, made, scopes, binding=binding, seconds=seconds)
        return Granted(access, _type(binding), issued_token_type=ACCESS_TOKEN_TYPE)

    async def _delegated(self, text: str, caller: Caller, seconds: int) -> tuple[Subject, tuple[str, ...], int]:
        if caller.client not in FIRST_PARTY:
            # What the person let an application have says nothing of what they act for others with.
            raise TokenRefused("invalid_grant", "A delegation is used with a token of our own applications.")
        try:
            found, allowed = await self._directory.delegated(caller.tenant, UUID(text), caller.id)
        except (ValueError, DelegationUnknown) as error:
            raise TokenRefused("invalid_grant", "There is no such delegation to you, or it has ended.") from error
        subject = Subject(
            id=found.from_user,
            tenant=caller.tenant,
            roles=(),
            session=caller.session,
            authenticated_at=caller.authenticated_at,
            amr=caller.amr,
            actor=caller.subject,
            delegation=found.id,
        )
        left = int(found.expires_at.timestamp()) - unix_seconds()
        return subject, allowed, max(1, min(seconds, left))


def hashed_half(token: str) -> str:
    """The left half of the SHA-256, as ``at_hash`` has it (OpenID Connect Core section 3.1.3.6)."""
    return urlsafe_b64encode(hashlib.sha256(token.encode()).digest()[:16]).rstrip(b"=").decode()


def _type(binding: Binding | None) -> str:
    return "DPoP" if binding is not None and binding.kind == "jkt" else "Bearer"
