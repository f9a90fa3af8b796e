"""The keys that sign tokens: made and held by the enclave, new every 7 days, with overlap.

A key is published an hour before it signs, so that whoever caches the key set has it in time, and stays published
until the last token that it signed has expired. A key that is withdrawn is gone at once, with every token it signed.
"""

import asyncio
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key
from joserfc.jwk import RSAKey

from nsl.identity import store
from nsl.identity.errors import RootReplaced
from nsl.identity.ports import TokenSigner
from nsl.identity.store import TokenKey
from nsl.kit.clock import monotonic, now, pause
from nsl.kit.db import Database
from nsl.kit.ids import new_id
from nsl_protocol.enclave.messages import TokenKind

ROTATION: Final = timedelta(days=7)
PUBLISHED_BEFORE: Final = timedelta(hours=1)
PUBLISHED_AFTER: Final = timedelta(hours=1)
RELOADED_SECONDS: Final = 0.05
#: how long the keys are believed without asking, so that one made by another replica is taken up
BELIEVED_SECONDS: Final = 300.0


@dataclass(frozen=True, slots=True)
class _Keys:
    """Newest first, and each ready to verify, by its id."""

    keys: tuple[TokenKey, ...]
    verifying: dict[str, RSAKey]


class Keyring:
    """Signs with the present key; finds the key of a token."""

    def __init__(self, database: Database, signer: TokenSigner) -> None:
        self._database = database
        self._signer = signer
        self._keys = _Keys((), {})
        self._loaded_at = float("-inf")
        self._loading = asyncio.Lock()

    async def sign(self, kind: TokenKind, claims: dict[str, Any]) -> str:
        """A token over these claims. Raises EnclaveDown."""
        key, encoded = await self._signing_key(), msgspec.json.encode(claims)
        try:
            return await self._signer.sign_token(kind, key.kid, key.wrapped, encoded)
        except RootReplaced:
            await self.reload()
            key = await self._signing_key()
            return await self._signer.sign_token(kind, key.kid, key.wrapped, encoded)

    async def verifying(self, kid: str) -> RSAKey:
        """Raises KeyError for a key that is not ours, or not any more."""
        if kid not in self._keys.verifying:
            asked_at = monotonic()
            async with self._loading:
                # Another replica may have made a key just now. Forgeries must not make us ask for each of them: all
                # that wait here share one look, and looks come at a distance.
                if self._loaded_at < asked_at:
                    await pause(max(0.0, self._loaded_at + RELOADED_SECONDS - asked_at))
                    await self._load()
        return self._keys.verifying[kid]

    async def key_set(self) -> dict[str, Any]:
        """The public keys (RFC 7517) that verify our tokens."""
        await self._signing_key()
        return {"keys": [_jwk(key) for key in self._keys.keys]}

    async def reload(self) -> None:
        """Ask again which keys there are: one was withdrawn."""
        async with self._loading:
            await self._load()

    async def _signing_key(self) -> TokenKey:
        """The newest key that has been published long enough; the first is made when there is none."""
        if not self._keys.keys or monotonic() - self._loaded_at > BELIEVED_SECONDS:
            async with self._loading:
                await self._load()
                newest = self._keys.keys[0] if self._keys.keys else None
                if newest is None or newest.created_at < now() - ROTATION + PUBLISHED_BEFORE:
                    await self._make()
                    await self._load()
        ready = now() - PUBLISHED_BEFORE
        return next((key for key in self._keys.keys if key.created_at <= ready), self._keys.keys[-1])

    async def _make(self) -> None:
        async with self._database.transaction() as connection:
            await store.lock_token_keys(connection)
            keys = await store.token_keys(connection, made_after=now() - ROTATION + PUBLISHED_BEFORE)
            if keys:
                return
            kid = new_id().hex
            made = await self._signer.create_token_key(kid)
            await store.insert_token_key(connection, kid, made.public_key, made.wrapped)

    async def _load(self) -> None:
        began = monotonic()
        async with self._database.transaction() as connection:
            keys = await store.token_keys(connection, made_after=now() - ROTATION - PUBLISHED_AFTER)
        self._keys = _Keys(tuple(keys), {key.kid: RSAKey.import_key(_jwk(key)) for key in keys})
        self._loaded_at = began


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
