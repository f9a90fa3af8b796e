"""Access tokens: issued to clients, verified once, remembered."""

import asyncio
import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from nsl.identity import store
from nsl.identity.errors import BadToken, TokenRefused
from nsl.identity.model import DEFAULT_PLAN, TOKEN_SECONDS, AuthMethod, Caller, ClientSecret, Plan, granted_scopes
from nsl.identity.ports import TokenSigner
from nsl.identity.store import TokenKey
from nsl.kit.clock import monotonic, unix_seconds
from nsl.kit.db import Database, DatabaseDown
from nsl.kit.ids import new_id

TOKENS_REMEMBERED_MAX: Final = 20_000
TOKEN_CHARACTERS_MAX: Final = 8192
#: how long a client's plan, and that it still exists, is believed without asking
PLAN_SECONDS: Final = 1.0
#: how long a plan serves while the database is down
PLAN_STALE_SECONDS: Final = 60.0
KEYS_RELOADED_SECONDS: Final = 1.0
_ALGORITHM: Final = "RS256"
_TYPE: Final = "at+jwt"


@dataclass(frozen=True, slots=True)
class AccessToken:
    token: str
    expires_in: int
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Keyring:
    """The token keys, newest first, and each ready to verify, by its id."""

    keys: tuple[TokenKey, ...]
    verifying: dict[str, RSAKey]


@dataclass(slots=True)
class _Verified:
    """A token whose signature and claims were checked. Times are of the monotonic clock, except ``expires``."""

    caller: Caller
    expires: int
    believed_until: float
    read_at: float


class Tokens:
    """Issues and verifies access tokens (RFC 9068, RS256). ``issuer`` is also the audience: the API itself."""

    def __init__(self, database: Database, signer: TokenSigner, issuer: str) -> None:
        self._database = database
        self._signer = signer
        self.issuer = issuer
        self._keyring = _Keyring((), {})
        self._loaded_at = float("-inf")
        self._loading = asyncio.Lock()
        self._verified: OrderedDict[str, _Verified] = OrderedDict()

    async def issue(self, client_id: str, secret: str, method: AuthMethod, scope: str | None) -> AccessToken:
        """The client credentials grant (RFC 6749 section 4.4).

        Raises:
            TokenRefused: ``invalid_client`` (equal for an unknown client and a wrong secret) or ``invalid_scope``.
        """
        client = await self._proved(client_id, secret, method)
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

    def known(self, token: str) -> Caller | None:
        """Whoever a token stands for that was verified a moment ago; None: ask ``verify``."""
        entry = self._verified.get(token)
        return entry.caller if entry is not None and monotonic() < entry.believed_until else None

    async def verify(self, token: str) -> Caller:
        """Whoever a bearer token stands for, with the plan that holds now.

        Raises:
            BadToken: it is not a valid token of ours, or its client was removed.
        """
        entry = self._verified.get(token)
        if entry is None:
            caller, expires = await self._read(token)
            entry = _Verified(caller, expires, believed_until=float("-inf"), read_at=float("-inf"))
        remaining = entry.expires - unix_seconds()
        if remaining <= 0:
            self._verified.pop(token, None)
            raise BadToken("The access token has expired; ask for a new one.")
        plan = await self._plan(entry)
        if plan is None:
            self._verified.pop(token, None)
            raise BadToken("The client of this access token is not there any more.")
        if plan != entry.caller.plan:
            entry.caller = replace(entry.caller, plan=plan)
        entry.believed_until = monotonic() + min(PLAN_SECONDS, remaining)
        self._verified[token] = entry
        self._verified.move_to_end(token)
        if len(self._verified) > TOKENS_REMEMBERED_MAX:
            self._verified.popitem(last=False)
        return entry.caller

    async def key_set(self) -> dict[str, Any]:
        """The public keys (RFC 7517) that verify our tokens."""
        await self._signing_key()
        return {"keys": [_jwk(key) for key in self._keyring.keys]}

    async def _proved(self, client_id: str, secret: str, method: AuthMethod) -> ClientSecret:
        client = None
        if (wanted := _uuid(client_id)) is not None:
            async with self._database.transaction() as connection:
                client = await store.client_secret(connection, wanted)
        expected = bytes(32) if client is None else client.secret_sha256
        matches = hmac.compare_digest(hashlib.sha256(secret.encode()).digest(), expected)
        if client is None or not matches or client.auth_method not in (None, method):
            raise TokenRefused("invalid_client", "The client is unknown, its secret is wrong, or it is sent otherwise.")
        return client

    async def _read(self, token: str) -> tuple[Caller, int]:
        """Check the signature and every claim but the expiry. Raises BadToken."""
        if len(token) > TOKEN_CHARACTERS_MAX:
            raise BadToken("The access token is too long to be one of ours.")
        try:
            header = jws.extract_compact(token.encode()).headers()
            key = await self._verifying_key(str(header["kid"]))
            claims = jwt.decode(token, key, algorithms=[_ALGORITHM]).claims
            ours = header["typ"] == _TYPE and claims["iss"] == self.issuer and claims["aud"] == self.issuer
            caller = Caller(
                subject=str(claims["sub"]),
                tenant=UUID(claims["tenant"]),
                client=UUID(claims["client_id"]),
                scopes=frozenset(claims["scope"].split()),
                plan=DEFAULT_PLAN,
            )
            expires = int(claims["exp"])
        except (JoseError, KeyError, ValueError, TypeError, AttributeError) as error:
            raise BadToken("The access token is not valid here; ask for a new one.") from error
        if not ours:
            raise BadToken("The access token was issued elsewhere, or for something else.")
        return caller, expires

    async def _verifying_key(self, kid: str) -> RSAKey:
        """Raises KeyError for one that is not ours."""
        if kid not in self._keyring.verifying:
            async with self._loading:
                # Another replica may have made a key since; but a forgery must not make us ask each time.
                if monotonic() - self._loaded_at > KEYS_RELOADED_SECONDS:
                    await self._load_keys()
        return self._keyring.verifying[kid]

    async def _signing_key(self) -> TokenKey:
        """The newest token key; the first one is made when there is none."""
        if not self._keyring.keys:
            async with self._loading:
                await self._load_keys()
                if not self._keyring.keys:
                    await self._make_key()
                    await self._load_keys()
        return self._keyring.keys[0]

    async def _make_key(self) -> None:
        async with self._database.transaction() as connection:
            await store.lock_token_keys(connection)
            if await store.token_keys(connection):
                return
            kid = new_id().hex
            made = await self._signer.create_token_key(kid)
            await store.insert_token_key(connection, TokenKey(kid, made.public_key, made.wrapped))

    async def _load_keys(self) -> None:
        async with self._database.transaction() as connection:
            keys = await store.token_keys(connection)
        self._keyring = _Keyring(tuple(keys), {key.kid: RSAKey.import_key(_jwk(key)) for key in keys})
        self._loaded_at = monotonic()

    async def _plan(self, entry: _Verified) -> Plan | None:
        """The client's limits now; None when it was removed. What was read before serves while the database is down."""
        caller = entry.caller
        try:
            async with self._database.transaction(caller.tenant) as connection:
                plan = await store.plan(connection, caller.client)
        except DatabaseDown:
            if monotonic() - entry.read_at > PLAN_STALE_SECONDS:
                raise
            return caller.plan
        entry.read_at = monotonic()
        return plan


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
        "alg": _ALGORITHM,
        "kid": key.kid,
        "n": _base64(numbers.n),
        "e": _base64(numbers.e),
    }


def _base64(number: int) -> str:
    return urlsafe_b64encode(number.to_bytes((number.bit_length() + 7) // 8)).rstrip(b"=").decode()
