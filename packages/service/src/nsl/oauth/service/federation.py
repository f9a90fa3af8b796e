"""Signing in through another OpenID provider (OpenID Connect Core section 3.1), with code, PKCE, nonce and state.

Somebody is known by the provider and the subject there, never by an address: an address that both have joins accounts
only when the provider says it is verified, and only into an account whose own address is verified, too.
"""

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote_plus, urlsplit
from uuid import UUID

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from nsl.accounts.model import link_data
from nsl.accounts.ports import Sealer
from nsl.accounts.service import Registration
from nsl.identity.errors import NameTaken
from nsl.identity.model import Caller
from nsl.identity.service import Directory, OneTime, hashed, note
from nsl.kit.clock import random_text, unix_seconds
from nsl.kit.db import Database
from nsl.kit.ids import new_id
from nsl.oauth import store
from nsl.oauth.errors import ProviderUnknown, ProviderUnusable, SignInFailed
from nsl.oauth.model import answer_address

WAITING_SECONDS: Final = 600
TIMEOUT_SECONDS: Final = 5.0
_CLOCK_SECONDS: Final = 30
_ALGORITHMS: Final = ["RS256", "PS256", "ES256", "EdDSA"]
_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True)
class Provider:
    """Another OpenID provider that people of a tenant may come from; ``roles``: what newcomers get, if any come."""

    id: UUID
    name: str
    issuer: str
    client_id: str
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Arrival:
    """Somebody who proved elsewhere who they are, and where they wanted to go."""

    user: UUID
    tenant: UUID
    next: str


class Federation:
    """``issuer`` is our own."""

    def __init__(
        self, database: Database, sealer: Sealer, directory: Directory, registration: Registration, issuer: str
    ) -> None:
        self._database = database
        self._sealer = sealer
        self._directory = directory
        self._registration = registration
        self._issuer = issuer
        self._return_address = f"{issuer}/oauth2/callback"
        self._one_time = OneTime(database)

    async def create(
        self, caller: Caller, *, name: str, issuer: str, client_id: str, client_secret: str, roles: tuple[str, ...]
    ) -> Provider:
        """Trust another provider for the caller's tenant.

        Raises:
            ProviderUnusable: it does not say of itself what it must.
            NameTaken; RoleUnknown, ScopeNotHeld: as for giving roles.
        """
        self._check_address(issuer)
        await self._discover(issuer)
        identifier = new_id()
        sealed = await self._sealer.seal(f"provider:{identifier}", client_secret.encode())
        async with self._database.transaction(caller.tenant) as connection:
            await self._directory.check_roles(connection, caller, roles)
            row = await store.one(
                connection,
                "insert_provider",
                id=identifier,
                tenant_id=caller.tenant,
                name=name,
                issuer=issuer,
                client_id=client_id,
                client_secret=sealed,
                roles=list(roles),
            )
            if row is None:
                raise NameTaken(f"There is a provider {name} already.", field="name")
            await note(connection, caller, "identity-provider.created", str(identifier), issuer=issuer)
        return _provider(row)

    async def all(self, tenant: UUID) -> list[Provider]:
        """A tenant's providers, by name."""
        async with self._database.transaction(tenant) as connection:
            return [_provider(row) for row in await store.every(connection, "providers", tenant_id=tenant)]

    async def delete(self, caller: Caller, provider: UUID) -> None:
        """Nobody comes in by it any more. Raises ProviderUnknown."""
        async with self._database.transaction(caller.tenant) as connection:
            if await store.one(connection, "delete_provider", id=provider) is None:
                raise ProviderUnknown("There is no such identity provider.")
            await note(connection, caller, "identity-provider.deleted", str(provider))

    async def begin(self, provider: UUID, after: str) -> tuple[str, str]:
        """Where the browser goes to sign in there, and the secret that it must bring back in a cookie.

        Raises:
            ProviderUnknown, ProviderUnusable.
        """
        row, _ = await self._row(provider)
        metadata = await self._discover(row["issuer"])
        verifier, nonce, browser = random_text(48), random_text(), random_text()
        data = {"provider": str(provider), "verifier": verifier, "nonce": nonce, "browser": browser, "next": after}
        state = await self._one_time.make("federation", data, seconds=WAITING_SECONDS)
        asked = {
            "response_type": "code",
            "client_id": row["client_id"],
            "redirect_uri": self._return_address,
            "scope": "openid profile email",
            "state": state,
            "nonce": nonce,
            "code_challenge": hashed(verifier.encode()),
            "code_challenge_method": "S256",
        }
        return answer_address(metadata["authorization_endpoint"], asked), browser

    async def finish(self, fields: dict[str, str], browser: str | None) -> Arrival:
        """Who came back.

        Raises:
            LinkInvalid: no answer to a question of ours, or another browser's.
            SignInFailed: the provider says no, or the person cannot be let in.
            ProviderUnusable: its answer is not right.
        """
        data = link_data(await self._one_time.take("federation", fields.get("state", "")))
        if browser is None or browser != data["browser"]:
            link_data(None)
        row, tenant = await self._row(UUID(data["provider"]))
        if fields.get("iss", row["issuer"]) != row["issuer"]:
            raise ProviderUnusable("Another provider answered than was asked (RFC 9207).")
        if "error" in fields or "code" not in fields:
            raise SignInFailed(f"{row['name']} did not sign you in.")
        claims = await self._claims(row, fields["code"], data)
        user = await self._registration.arrive(
            tenant,
            row["id"],
            str(claims["sub"]),
            email=str(claims["email"]) if claims.get("email_verified") is True and "email" in claims else None,
            display_name=str(claims.get("name") or claims["sub"])[:200],
            roles=tuple(row["roles"]),
        )
        if user is None:
            raise SignInFailed("You do not belong to this tenant; ask its administrator for an invitation.")
        return Arrival(user, tenant, data["next"])

    async def _claims(self, row: dict[str, Any], code: str, data: dict[str, Any]) -> dict[str, Any]:
        metadata = await self._discover(row["issuer"])
        secret = (await self._sealer.unseal(f"provider:{row['id']}", row["client_secret"])).decode()
        try:
            form = {
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": self._return_address,
                "code_verifier": data["verifier"],
            }
            # RFC 6749 section 2.3.1: both are encoded like a form before they are put together.
            proof = (quote_plus(row["client_id"]), quote_plus(secret))
            async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, follow_redirects=False) as client:
                answer = await client.post(metadata["token_endpoint"], data=form, auth=proof)
                answer.raise_for_status()
                keys = (await client.get(metadata["jwks_uri"])).raise_for_status().json()
            claims = jwt.decode(answer.json()["id_token"], KeySet.import_key_set(keys), algorithms=_ALGORITHMS).claims
            right = claims["iss"] == row["issuer"] and claims["aud"] in (row["client_id"], [row["client_id"]])
            fresh = unix_seconds() - _CLOCK_SECONDS < int(claims["exp"]) and claims["nonce"] == data["nonce"]
        except (httpx.HTTPError, JoseError, KeyError, ValueError, TypeError) as error:
            raise ProviderUnusable(f"{row['name']} gave no answer that can be trusted.") from error
        if not right or not fresh:
            raise ProviderUnusable(f"{row['name']} gave a token that is not for us, or too old.")
        found: dict[str, Any] = claims
        return found

    async def _row(self, provider: UUID) -> tuple[dict[str, Any], UUID]:
        async with self._database.transaction() as connection:
            found = await store.one(connection, "provider_tenant", id=provider)
        tenant = None if found is None else found["tenant"]
        if tenant is None:
            raise ProviderUnknown("There is no such identity provider.")
        async with self._database.transaction(tenant) as connection:
            row = await store.one(connection, "provider", id=provider)
        if row is None:
            raise ProviderUnknown("There is no such identity provider.")
        return row, tenant

    async def _discover(self, issuer: str) -> dict[str, Any]:
        """OpenID Connect Discovery section 4. Raises ProviderUnusable."""
        try:
            async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, follow_redirects=False) as client:
                answer = await client.get(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
                found: dict[str, Any] = answer.raise_for_status().json()
            if found["issuer"] != issuer:
                raise ProviderUnusable("The provider calls itself another name.", field="issuer")
            for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                self._check_address(str(found[name]))
        except (httpx.HTTPError, KeyError, ValueError, TypeError) as error:
            raise ProviderUnusable("The provider does not describe itself as it must.", field="issuer") from error
        return found

    def _check_address(self, address: str) -> None:
        """HTTPS; plain HTTP only between two layers on one machine. Raises ProviderUnusable."""
        parts = urlsplit(address)
        local = parts.hostname in _LOOPBACK and urlsplit(self._issuer).hostname in _LOOPBACK
        if not (parts.scheme == "https" or (parts.scheme == "http" and local)) or not parts.hostname:
            raise ProviderUnusable("A provider's addresses begin with https://.", field="issuer")


def _provider(row: dict[str, Any]) -> Provider:
    return Provider(row["id"], row["name"], row["issuer"], row["client_id"], tuple(row["roles"]))
