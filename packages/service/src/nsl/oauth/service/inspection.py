"""What a token is worth now, and ending it: introspection (RFC 7662), revocation (RFC 7009), userinfo."""

from typing import Any

from nsl.accounts.service import Registration, Sessions
from nsl.identity.errors import BadToken, ScopeMissing, TenantClosed
from nsl.identity.model import Caller, Client
from nsl.identity.service import Claims, Revocations, Tokens, acr_of, revoke_access_token
from nsl.kit.db import Database
from nsl.oauth.model import claims_of


class Inspection:
    """Asked by clients that proved who they are, about tokens of their own tenant."""

    def __init__(
        self,
        database: Database,
        tokens: Tokens,
        sessions: Sessions,
        registration: Registration,
        revocations: Revocations,
    ) -> None:
        self._database = database
        self._tokens = tokens
        self._sessions = sessions
        self._registration = registration
        self._revocations = revocations

    async def introspect(self, client: Client, token: str) -> dict[str, Any]:
        """``active`` and, of an active one, what it says."""
        try:
            claims = await self._tokens.inspect(token)
        except (BadToken, TenantClosed):
            return await self._introspect_refresh(client, token)
        caller = claims.caller
        if caller.tenant != client.tenant:
            return {"active": False}
        found: dict[str, Any] = {
            "active": True,
            "scope": " ".join(sorted(caller.scopes)),
            "client_id": str(caller.client),
            "token_type": "DPoP" if caller.binding is not None and caller.binding.kind == "jkt" else "Bearer",
            "exp": claims.expires,
            "iat": claims.issued,
            "sub": caller.subject,
            "aud": self._tokens.issuer,
            "iss": self._tokens.issuer,
            "jti": claims.jti,
            "tenant": str(caller.tenant),
            "roles": list(caller.roles),
        }
        if caller.person:
            found |= {"acr": acr_of(caller.amr), "auth_time": caller.authenticated_at, "amr": list(caller.amr)}
        if caller.actor is not None:
            found["act"] = {"sub": caller.actor}
        if caller.binding is not None:
            found["cnf"] = {caller.binding.kind: caller.binding.thumbprint}
        return found

    async def _introspect_refresh(self, client: Client, token: str) -> dict[str, Any]:
        found = await self._sessions.refresh_standing(token)
        if found is None or found.client != client.id:
            return {"active": False}
        return {
            "active": True,
            "scope": " ".join(found.scopes),
            "client_id": str(found.client),
            "exp": int(found.expires_at.timestamp()),
            "sub": str(found.user),
            "iss": self._tokens.issuer,
            "tenant": str(found.tenant),
        }

    async def revoke(self, client: Client, token: str) -> None:
        """End one of the client's tokens. What is unknown needs no ending."""
        if await self._sessions.revoke_refresh(client, token):
            return
        try:
            claims = await self._tokens.read(token)
        except BadToken:
            return
        if claims.caller.client == client.id:
            await self._end(claims)

    async def _end(self, claims: Claims) -> None:
        async with self._database.transaction(claims.caller.tenant) as connection:
            await revoke_access_token(connection, claims)
            await self._revocations.revoke(connection, [f"token:{claims.jti}"])
        await self._revocations.announce()

    async def userinfo(self, caller: Caller) -> dict[str, Any]:
        """OpenID Connect Core section 5.3. Raises ScopeMissing."""
        if not caller.person or "openid" not in caller.scopes:
            raise ScopeMissing("The access token lacks the scope openid.")
        person = await self._registration.person_of(caller.id)
        claims = claims_of(caller.scopes, person.email, person.email_verified, person.display_name)
        return {"sub": caller.subject, "tenant": str(caller.tenant)} | claims
