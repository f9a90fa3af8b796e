"""Signing in with a wallet: a message of ours, signed by the key of an address.

On Neo X it is EIP-4361; on Neo N3 the same text in the wallets' salted envelope. The text is ours and kept until it
comes back, so it is compared and not parsed.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

from coincurve import PublicKey as Secp256k1PublicKey
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from nsl.accounts import store
from nsl.accounts.errors import InvalidCredentials, SecondFactorThere, SecondFactorUnknown
from nsl.identity.model import Caller, Role
from nsl.identity.service import OneTime, found_tenant, join, note, take
from nsl.kit.clock import now, random_bytes
from nsl.kit.db import Connection, Database
from nsl.kit.decoding import Unreadable
from nsl.kit.ids import new_id
from nsl_protocol.errors import CodecError
from nsl_protocol.evm.address import EvmAddress
from nsl_protocol.evm.messages import message_hash
from nsl_protocol.n3.address import ScriptHash
from nsl_protocol.n3.keys import PublicKey
from nsl_protocol.n3.verification import account
from nsl_protocol.n3.wire import var_bytes

CHALLENGE_SECONDS: Final = 300
_HALF_ORDER: Final = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
_N3_SIGNATURE_BYTES: Final = 64
_EVM_SIGNATURE_BYTES: Final = 65
_SALT_CHARACTERS_MAX: Final = 64


class Wallets:
    """``chain_ids`` are those of the configured networks, by chain."""

    def __init__(self, database: Database, issuer: str, chain_ids: Mapping[str, int]) -> None:
        self._database = database
        self._one_time = OneTime(database)
        self._issuer = issuer
        self._chain_ids = chain_ids

    async def challenge(self, chain: str, address: str) -> str:
        """The message that the address's key shall sign, good for five minutes and once. Raises Unreadable."""
        normal = _address(chain, address)
        issued = now().replace(microsecond=0)
        expires = issued + timedelta(seconds=CHALLENGE_SECONDS)
        name = {"neo-x": "Ethereum", "neo-n3": "Neo N3"}[chain]
        message = (
            f"{urlsplit(self._issuer).netloc} wants you to sign in with your {name} account:\n{normal}\n\n"
            f"Sign in to the Neo Service Layer. This moves nothing and costs nothing.\n\n"
            f"URI: {self._issuer}\nVersion: 1\nChain ID: {self._chain_ids.get(chain, 0)}\n"
            f"Nonce: {random_bytes(12).hex()}\nIssued At: {issued.strftime('%Y-%m-%dT%H:%M:%SZ')}\n"
            f"Expiration Time: {expires.strftime('%Y-%m-%dT%H:%M:%SZ')}"
        )
        data = {"chain": chain, "address": normal}
        await self._one_time.make("wallet", data, seconds=CHALLENGE_SECONDS, secret=message)
        return message

    async def prove(self, message: str, signature: str, public_key: str | None, salt: str | None) -> tuple[str, str]:
        """The chain and address whose key signed a message of ours.

        Raises:
            InvalidCredentials: not of ours, used, expired, or signed by another key.
        """
        async with self._database.transaction() as connection:
            data = await take(connection, "wallet", message)
        if data is None:
            raise InvalidCredentials("This message is unknown, was used, or has expired; ask for a new one.")
        chain, address = data["chain"], data["address"]
        try:
            raw = bytes.fromhex(signature.removeprefix("0x"))
            signer = (
                _evm_signer(message, raw)
                if chain == "neo-x"
                else _n3_signer(message, raw, bytes.fromhex(public_key or ""), salt or "")
            )
        except (ValueError, CodecError, InvalidSignature) as error:
            raise InvalidCredentials("The signature cannot be read, or is not right.") from error
        if signer != address:
            raise InvalidCredentials("Another key than this address's signed the message.")
        return chain, address

    async def user(self, chain: str, address: str) -> UUID:
        """The person whose wallet this is; a new one, with a tenant of their own, where nobody's it was."""
        async with self._database.transaction() as connection:
            found = await store.user_by(connection, "wallet", chain=chain, address=address)
        if found is not None:
            return found
        user = new_id()
        async with self._database.transaction(subject=user) as connection:
            await store.insert_user(connection, user, None, address, verified=False)
            if await store.one(connection, "insert_wallet", chain=chain, address=address, id=user) is None:
                raise InvalidCredentials("This wallet signed in at the same moment; try again.")
            tenant = await found_tenant(connection, address)
            await join(connection, tenant, user, [Role.TENANT_ADMIN])
        return user

    async def link(self, caller: Caller, chain: str, address: str) -> None:
        """From now on this wallet signs the caller in. Raises SecondFactorThere."""
        async with self._database.transaction(caller.tenant, subject=caller.id) as connection:
            if await store.one(connection, "insert_wallet", chain=chain, address=address, id=caller.id) is None:
                raise SecondFactorThere("This wallet belongs to an account already.")
            await note(connection, caller, "wallet.linked", address, chain=chain)

    async def linked(self, caller: Caller) -> list[dict[str, Any]]:
        """The caller's wallets: chain, address, created_at."""
        async with self._database.transaction(caller.tenant, subject=caller.id) as connection:
            return await store.every(connection, "wallets", id=caller.id)

    async def unlink(self, caller: Caller, chain: str, address: str) -> None:
        """Raises SecondFactorUnknown; and for the last way to sign in, SecondFactorThere."""
        async with self._database.transaction(caller.tenant, subject=caller.id) as connection:
            await _keep_a_way(connection, caller.id)
            if await store.one(connection, "delete_wallet", id=caller.id, chain=chain, address=address) is None:
                raise SecondFactorUnknown("There is no such wallet of yours.")
            await note(connection, caller, "wallet.unlinked", address, chain=chain)


async def _keep_a_way(connection: Connection, user: UUID) -> None:
    password = await store.one(connection, "password", id=user)
    ways = len(await store.every(connection, "wallets", id=user)) + len(await store.passkeys(connection, user))
    if password is None and ways <= 1:
        raise SecondFactorThere("This is your only way to sign in; add another first.")


def _address(chain: str, text: str) -> str:
    try:
        if chain == "neo-x":
            return str(EvmAddress.parse(text))
        return ScriptHash.from_address(text).address
    except CodecError as error:
        raise Unreadable(str(error), field="address") from error


def _evm_signer(message: str, raw: bytes) -> str:
    """The address that an EIP-191 signature, r‖s‖v, recovers to."""
    if len(raw) != _EVM_SIGNATURE_BYTES:
        raise ValueError("not r‖s‖v")
    recovery = raw[64] - 27 if raw[64] >= 27 else raw[64]  # noqa: PLR2004 - the Yellow Paper's v
    if int.from_bytes(raw[32:64]) > _HALF_ORDER or recovery not in (0, 1):
        raise ValueError("high s or a strange v")
    key = Secp256k1PublicKey.from_signature_and_message(
        raw[:64] + bytes((recovery,)), message_hash(message.encode()), hasher=None
    )
    return str(EvmAddress.from_public_key(key.format(compressed=False)))


def _n3_signer(message: str, raw: bytes, public_key: bytes, salt: str) -> str:
    """The address of the key, if its signature over the wallets' envelope is right."""
    if len(salt) > _SALT_CHARACTERS_MAX or not salt.isascii() or len(raw) != _N3_SIGNATURE_BYTES:
        raise ValueError("a strange salt, or not r‖s")
    key = PublicKey(public_key)
    envelope = b"\x01\x00\x01\xf0" + var_bytes(salt.encode() + message.encode()) + b"\x00\x00"
    point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public_key)
    encoded = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
    point.verify(encoded, envelope, ec.ECDSA(hashes.SHA256()))
    return account(key).address
