"""Access tokens: issued to clients, verified once, remembered. Tenants and clients: made and listed."""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet, RSAKey

from nsl.identity import store
from nsl.identity.errors import AlreadyBootstrapped, BadToken, IdempotencyKeyReused, TenantUnknown, TokenRefused
from nsl.identity.model import (
    DEFAULT_PLAN,
    TOKEN_SECONDS,
    AuthMethod,
    Caller,
    Client,
    Plan,
    Scope,
    Tenant,
    check_scopes_can_be_given,
    granted_scopes,
    tenant_to_administer,
)
from nsl.identity.ports import TokenSigner
from nsl.identity.store import TokenKey
from nsl.kit.clock import monotonic, random_text, unix_seconds
from nsl.kit.db import Connection, Database, DatabaseDown
from nsl.kit.ids import new_id

TOKENS_REMEMBERED_MAX: Final = 20_000
PLAN_SECONDS: Final = 5.0
PLANS_MAX: Final = 20_000
KEYS_RELOADED_SECONDS: Final = 1.0
TOKEN_CHARACTERS_MAX: Final = 8192


@dataclass(frozen=True, slots=True)
class AccessToken:
    token: str
    expires_in: int
    scopes: tuple[str, ...]


class Tokens:
    """Issues and verifies access tokens (RFC 9068, RS256). ``issuer`` is also the audience: the API itself."""

    def __init__(self, database: Database, signer: TokenSigner, issuer: str) -> None:
        self._database = database
        self._signer = signer
        self.issuer = issuer
        self._keys: list[TokenKey] = []
        self._key_set = KeySet([])
        self._loaded_at = float("-inf")
        self._verified: OrderedDict[str, tuple[Caller, int]] = OrderedDict()
        self._plans: OrderedDict[UUID, tuple[float, Plan]] = OrderedDict()

    async def issue(self, client_id: str, secret: str, method: AuthMethod, scope: str | None) -> AccessToken:
        """The client credentials grant (RFC 6749 section 4.4).

        Raises:
            TokenRefused: ``invalid_client`` (equal for an unknown client and a wrong secret) or ``invalid_scope``.
        """
        client = None
        if (wanted := _uuid(client_id)) is not None:
            async with self._database.transaction() as connection:
                client = await store.client_secret(connection, wanted)
        expected = bytes(32) if client is None else client.secret_sha256
        matches = hmac.compare_digest(hashlib.sha256(secret.encode()).digest(), expected)
        if client is None or not matches or client.auth_method not in (None, method):
            raise TokenRefused("invalid_client", "The client is unknown, its secret is wrong, or it is sent otherwise.")
        scopes = granted_scopes(scope, client.scopes)
        issued = unix_seconds()
        claims = {
            "iss": self.issuer,
            "sub": str(client.id),
            "aud": self.issuer,
            "client_id": str(client.id),
            "tenant": str(client.tenant),
            "scope": " ".join(scopes),
            "roles": ["service"],
            "sid": str(new_id()),
            "jti": str(new_id()),
            "iat": issued,
            "exp": issued + TOKEN_SECONDS,
        }
        key = await self._signing_key()
        token = await self._signer.sign_token(key.kid, key.wrapped, msgspec.json.encode(claims))
        return AccessToken(token, TOKEN_SECONDS, scopes)

    async def verify(self, token: str) -> Caller:
        """Whoever a bearer token stands for, with the plan that holds now.

        Raises:
            BadToken: it is not a valid token of ours.
        """
        known = self._verified.get(token)
        if known is None:
            known = await self._verify(token)
            self._verified[token] = known
            if len(self._verified) > TOKENS_REMEMBERED_MAX:
                self._verified.popitem(last=False)
        caller, expires = known
        if unix_seconds() >= expires:
            self._verified.pop(token, None)
            raise BadToken("The access token has expired; ask for a new one.")
        plan = await self._plan(caller)
        return caller if plan == caller.plan else replace(caller, plan=plan)

    async def key_set(self) -> dict[str, Any]:
        """The public keys (RFC 7517) that verify our tokens."""
        await self._signing_key()
        return {"keys": [_jwk(key) for key in self._keys]}

    async def _verify(self, token: str) -> tuple[Caller, int]:
        if len(token) > TOKEN_CHARACTERS_MAX:
            raise BadToken("The access token is too long to be one of ours.")
        try:
            decoded = await self._decode(token)
        except (JoseError, ValueError) as error:
            raise BadToken("The access token is not valid here; ask for a new one.") from error
        claims = decoded.claims
        try:
            valid = (
                decoded.header.get("typ") == "at+jwt"
                and hmac.compare_digest(str(claims["iss"]), self.issuer)
                and hmac.compare_digest(str(claims["aud"]), self.issuer)
            )
            client = UUID(claims["client_id"])
            caller = Caller(
                subject=claims["sub"],
                tenant=UUID(claims["tenant"]),
                client=client,
                scopes=frozenset(claims["scope"].split()),
                plan=DEFAULT_PLAN,
            )
            expires = int(claims["exp"])
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise BadToken("The access token lacks claims that ours have.") from error
        if not valid:
            raise BadToken("The access token was issued elsewhere, or for something else.")
        return caller, expires

    async def _decode(self, token: str) -> jwt.Token:
        if not self._keys:
            await self._load_keys()
        try:
            return jwt.decode(token, self._key_set, algorithms=["RS256"])
        except InvalidKeyIdError:
            # An unknown kid: another replica may have made a key since, so look, but not for every forgery.
            if monotonic() - self._loaded_at < KEYS_RELOADED_SECONDS:
                raise
            await self._load_keys()
            return jwt.decode(token, self._key_set, algorithms=["RS256"])

    async def _signing_key(self) -> TokenKey:
        """The newest token key; the first one is made when there is none."""
        if not self._keys:
            await self._load_keys()
        if not self._keys:
            kid = new_id().hex
            made = await self._signer.create_token_key(kid)
            async with self._database.transaction() as connection:
                await store.insert_token_key(connection, TokenKey(kid, made.public_key, made.wrapped))
            await self._load_keys()
        return self._keys[0]

    async def _load_keys(self) -> None:
        async with self._database.transaction() as connection:
            found = await store.token_keys(connection)
        # Together, without a pause between them: others verify while this waited.
        self._keys, self._key_set = found, KeySet([RSAKey.import_key(_jwk(key)) for key in found])
        self._loaded_at = monotonic()

    async def _plan(self, caller: Caller) -> Plan:
        """At most some seconds old; an older one serves while the database is down."""
        known = self._plans.get(caller.client)
        if known is not None and monotonic() - known[0] < PLAN_SECONDS:
            return known[1]
        try:
            async with self._database.transaction(caller.tenant) as connection:
                plan = await store.plan(connection, caller.client)
        except DatabaseDown:
            if known is None:
                raise
            plan = known[1]
        if plan is None:
            raise BadToken("The client of this access token is not there any more.")
        self._plans[caller.client] = (monotonic(), plan)
        if len(self._plans) > PLANS_MAX:
            self._plans.popitem(last=False)
        return plan


@dataclass(frozen=True, slots=True)
class NewClient:
    """The secret exists only here and with its owner."""

    client: Client
    secret: str


class Tenancy:
    """Tenants and their clients."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create_tenant(self, name: str, plan: Plan | None) -> Tenant:
        """A new tenant, with the default limits unless others are given."""
        tenant = new_id()
        async with self._database.transaction(tenant) as connection:
            return await store.insert_tenant(connection, tenant, name, plan or DEFAULT_PLAN)

    async def tenants(self, caller: Caller, *, after: UUID | None, limit: int) -> tuple[list[Tenant], UUID | None]:
        """A page of the tenants that the caller's tenant may see, and where the next one begins."""
        async with self._database.transaction(caller.tenant) as connection:
            found = await store.tenants(connection, after=after, limit=limit + 1)
        return found[:limit], found[limit - 1].id if len(found) > limit else None

    async def set_plan(self, tenant: UUID, plan: Plan) -> Tenant:
        """Change a tenant's limits. Raises TenantUnknown."""
        async with self._database.transaction(tenant) as connection:
            found = await store.set_plan(connection, tenant, plan)
        if found is None:
            raise TenantUnknown("There is no such tenant.")
        return found

    async def create_client(
        self,
        caller: Caller,
        *,
        tenant: UUID | None,
        name: str,
        scopes: Collection[Scope],
        auth_method: AuthMethod | None,
    ) -> NewClient:
        """A client with a fresh secret.

        Raises:
            PlatformOnly, ScopeNotHeld, ScopeUnsuitable: the caller may not.
            TenantUnknown: there is no such tenant.
        """
        target = tenant_to_administer(caller, tenant)
        check_scopes_can_be_given(caller, target, scopes)
        async with self._database.transaction(target) as connection:
            if not await store.tenant_exists(connection, target):
                raise TenantUnknown("There is no such tenant.", field="tenant_id")
            return await _new_client(connection, target, name, scopes, auth_method)

    async def clients(self, caller: Caller, *, after: UUID | None, limit: int) -> tuple[list[Client], UUID | None]:
        """A page of the caller's tenant's clients, and where the next one begins."""
        async with self._database.transaction(caller.tenant) as connection:
            found = await store.clients(connection, caller.tenant, after=after, limit=limit + 1)
        return found[:limit], found[limit - 1].id if len(found) > limit else None

    async def bootstrap(self) -> NewClient:
        """The platform's tenant and its administrator, by the owner's role, once.

        Raises:
            AlreadyBootstrapped: they are there.
        """
        tenant = new_id()
        async with self._database.transaction(tenant) as connection:
            if await store.insert_platform_tenant(connection, tenant, "Platform", DEFAULT_PLAN) is None:
                raise AlreadyBootstrapped("The platform has its administrator; this is done once and never again.")
            return await _new_client(connection, tenant, "platform-admin", frozenset(Scope), None)


async def _new_client(
    connection: Connection, tenant: UUID, name: str, scopes: Collection[Scope], auth_method: AuthMethod | None
) -> NewClient:
    secret = random_text()
    client = await store.insert_client(
        connection,
        new_id(),
        tenant,
        name=name,
        secret_sha256=hashlib.sha256(secret.encode()).digest(),
        scopes=scopes,
        auth_method=auth_method,
    )
    return NewClient(client, secret)


class Idempotency:
    """Gives the first answer again to a repeated POST with the same Idempotency-Key, for seven days."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def once[T](
        self, caller: Caller, key: str | None, request: bytes, kind: type[T], act: Callable[[], Awaitable[T]]
    ) -> T:
        """``act``'s answer, or the one that this key was given before.

        Raises:
            IdempotencyKeyReused: the key came with another request.
        """
        if key is None:
            return await act()
        digest = hashlib.sha256(request).digest()
        async with self._database.transaction(caller.tenant) as connection:
            known = await store.recall(connection, caller.tenant, key)
        if known is None:
            answer = await act()
            encoded = msgspec.json.encode(answer)
            async with self._database.transaction(caller.tenant) as connection:
                if await store.remember(connection, caller.tenant, key, digest, encoded):
                    return answer
                known = await store.recall(connection, caller.tenant, key)
        if known is None or known[0] != digest:
            raise IdempotencyKeyReused("This Idempotency-Key came with another request. Use a new key for a new one.")
        return msgspec.json.decode(known[1], type=kind)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _jwk(key: TokenKey) -> dict[str, Any]:
    public = load_der_public_key(key.public_key)
    if not isinstance(public, RSAPublicKey):
        raise TypeError(f"token key {key.kid} is not RSA")
    numbers = public.public_numbers()
    return {
        "kty": "RSA",
        "use": "sig",
        "alg": "RS256",
        "kid": key.kid,
        "n": _base64(numbers.n),
        "e": _base64(numbers.e),
    }


def _base64(number: int) -> str:
    return urlsafe_b64encode(number.to_bytes((number.bit_length() + 7) // 8)).rstrip(b"=").decode()
