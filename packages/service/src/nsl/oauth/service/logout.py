"""Signing out: by an application (RP-Initiated Logout), and telling applications of it (Back-Channel Logout)."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from joserfc import jws, jwt
from joserfc.errors import JoseError

from nsl.identity.model import Client
from nsl.identity.service import Keyring, Tenancy
from nsl.oauth.errors import RequestUnusable
from nsl.oauth.model import answer_address
from nsl_protocol.enclave.messages import TokenKind


@dataclass(frozen=True, slots=True)
class LogoutRequest:
    """``session`` None: nobody said whose; the person is asked. ``redirect`` None: a page of ours comes after."""

    session: UUID | None
    user: UUID | None
    redirect: str | None


class Logout:
    """Reads logout requests."""

    def __init__(self, tenancy: Tenancy, keyring: Keyring, issuer: str) -> None:
        self._tenancy = tenancy
        self._keyring = keyring
        self._issuer = issuer

    async def read(self, fields: dict[str, str]) -> LogoutRequest:
        """Raises RequestUnusable."""
        client, session, user = None, None, None
        if "id_token_hint" in fields:
            claims = await self._hint(fields["id_token_hint"])
            session, user = UUID(claims["sid"]), UUID(claims["sub"])
            if fields.get("client_id", claims["aud"]) != claims["aud"]:
                raise RequestUnusable("client_id is not the one that the ID token is for.", field="client_id")
            client = await self._tenancy.find_client(claims["aud"])
        elif "client_id" in fields:
            client = await self._tenancy.find_client(fields["client_id"])
        return LogoutRequest(session, user, self._redirect(client, fields))

    def _redirect(self, client: Client | None, fields: dict[str, str]) -> str | None:
        wanted = fields.get("post_logout_redirect_uri")
        if wanted is None:
            return None
        if client is None or wanted not in client.post_logout_redirect_uris:
            raise RequestUnusable("post_logout_redirect_uri is none of those that the application registered.")
        return answer_address(wanted, {"state": fields.get("state")})

    async def _hint(self, token: str) -> dict[str, Any]:
        """An ID token of ours; it may have expired (RP-Initiated Logout section 2)."""
        try:
            header = jws.extract_compact(token.encode()).headers()
            key = await self._keyring.verifying(str(header["kid"]))
            claims: dict[str, Any] = jwt.decode(token, key, algorithms=["RS256"]).claims
            ours = header["typ"] == TokenKind.ID and claims["iss"] == self._issuer
        except (JoseError, KeyError, ValueError, TypeError, AttributeError) as error:
            raise RequestUnusable("id_token_hint is no ID token of ours.", field="id_token_hint") from error
        if not ours or not {"sid", "sub", "aud"} <= set(claims):
            raise RequestUnusable("id_token_hint is no ID token of ours.", field="id_token_hint")
        return claims
