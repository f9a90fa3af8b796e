"""Second factors: one-time passwords (RFC 6238) with recovery codes, and passkeys (WebAuthn)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

import pyotp
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from nsl.accounts import store
from nsl.accounts.errors import InvalidCredentials, LinkInvalid, SecondFactorThere, SecondFactorUnknown
from nsl.accounts.model import Passkey, User, digest, link_data
from nsl.accounts.ports import Sealer
from nsl.identity.model import Caller
from nsl.identity.service import OneTime, note, take
from nsl.kit.clock import random_bytes, unix_seconds
from nsl.kit.db import Connection, Database
from nsl.kit.ids import new_id

STEP_SECONDS: Final = 30
RECOVERY_CODES: Final = 10
CHALLENGE_SECONDS: Final = 300
_RECOVERY_BYTES: Final = 10


@dataclass(frozen=True, slots=True)
class Enrolment:
    """Shown this once. ``secret`` is Base32."""

    secret: str
    otpauth_uri: str
    recovery_codes: tuple[str, ...]


class SecondFactors:
    """What a person proves besides a password, or instead of one."""

    def __init__(self, database: Database, sealer: Sealer, issuer: str) -> None:
        self._database = database
        self._sealer = sealer
        self._one_time = OneTime(database)
        self._origin = issuer
        self._relying_party = urlsplit(issuer).hostname or "localhost"

    async def enrol_totp(self, caller: Caller, name: str) -> Enrolment:
        """A new secret, in place of one that was never confirmed.

        Raises:
            SecondFactorThere: one is confirmed already.
        """
        secret = pyotp.random_base32()
        sealed = await self._sealer.seal(_purpose(caller.id), secret.encode())
        codes = [random_bytes(_RECOVERY_BYTES).hex() for _ in range(RECOVERY_CODES)]
        async with self._database.transaction(caller.tenant, subject=caller.id) as connection:
            if await store.one(connection, "put_totp", id=caller.id, secret=sealed) is None:
                raise SecondFactorThere("One-time passwords are set up already; remove them first.")
            await store.set_recovery_codes(connection, caller.id, [digest(code) for code in codes])
            await note(connection, caller, "totp.enrolled", caller.subject)
        uri = pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name="Neo Service Layer")
        return Enrolment(secret, uri, tuple(codes))

    async def confirm_totp(self, caller: Caller, code: str) -> None:
        """From now on a password alone is not enough. Raises InvalidCredentials, SecondFactorUnknown."""
        async with self._database.transaction(caller.tenant, subject=caller.id) as connection:
            if await store.one(connection, "totp", id=caller.id) is None:
                raise SecondFactorUnknown("No one-time password is being set up.")
            if not await self._totp(connection, caller.id, code, confirmed=False):
                raise InvalidCredentials("This one-time password is not right.")
            await note(connection, caller, "totp.confirmed", caller.subject)

    async def remove_totp(self, caller: Caller) -> None:
        """A password alone is enough again. Raises SecondFactorUnknown."""
        async with self._database.transaction(caller.tenant, subject=caller.id) as connection:
            if await store.one(connection, "delete_totp", id=caller.id) is None:
                raise SecondFactorUnknown("No one-time passwords are set up.")
            await store.do(connection, "delete_recovery_codes", id=caller.id)
            await note(connection, caller, "totp.removed", caller.subject)

    async def needed(self, connection: Connection, user: UUID) -> bool:
        """Whether this person's password alone is not enough; as that person."""
        row = await store.one(connection, "totp", id=user)
        return row is not None and bool(row["confirmed"])

    async def check(self, connection: Connection, user: UUID, code: str) -> bool:
        """Whether this is a one-time password or a recovery code of theirs; it is not, the second time."""
        if await self._totp(connection, user, code, confirmed=True):
            return True
        recovery = digest(code.strip().lower())
        return await store.one(connection, "use_recovery_code", id=user, sha256=recovery) is not None

    async def _totp(self, connection: Connection, user: UUID, code: str, *, confirmed: bool) -> bool:
        row = await store.one(connection, "totp", id=user)
        if row is None or row["confirmed"] is not confirmed:
            return False
        secret = (await self._sealer.unseal(_purpose(user), row["secret"])).decode()
        totp, present = pyotp.TOTP(secret), unix_seconds() // STEP_SECONDS
        # One step to either side for clocks that differ (RFC 6238 section 5.2).
        for step in (present, present - 1, present + 1):
            if pyotp.utils.strings_equal(totp.generate_otp(step), code.strip()):
                return await store.one(connection, "use_totp", id=user, step=step) is not None
        return False

    async def passkey_options(self, caller: Caller, user: User) -> dict[str, Any]:
        """What a browser needs to make a passkey."""
        known = await self.passkeys(caller)
        options = generate_registration_options(
            rp_id=self._relying_party,
            rp_name="Neo Service Layer",
            user_id=user.id.bytes,
            user_name=user.email or user.display_name,
            user_display_name=user.display_name,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
            ),
            exclude_credentials=[PublicKeyCredentialDescriptor(id=each.credential_id) for each in known],
        )
        secret = bytes_to_base64url(options.challenge)
        data = {"user": caller.subject}
        await self._one_time.make("passkey-new", data, seconds=CHALLENGE_SECONDS, secret=secret)
        found: dict[str, Any] = json.loads(options_to_json(options))
        return found

    async def add_passkey(self, caller: Caller, credential: dict[str, Any], name: str) -> UUID:
        """Raises LinkInvalid for an answer to no question of ours."""
        identifier = new_id()
        async with self._database.transaction(caller.tenant, subject=caller.id) as connection:
            challenge = await _challenge(connection, "passkey-new", credential, caller.subject)
            try:
                made = verify_registration_response(
                    credential=credential,
                    expected_challenge=challenge,
                    expected_rp_id=self._relying_party,
                    expected_origin=self._origin,
                    require_user_verification=True,
                )
            except (WebAuthnException, ValueError, KeyError, TypeError) as error:
                raise LinkInvalid("This passkey cannot be taken.", field="credential") from error
            row = await store.one(
                connection,
                "insert_passkey",
                credential_id=made.credential_id,
                user_id=caller.id,
                id=identifier,
                name=name,
                public_key=made.credential_public_key,
                sign_count=made.sign_count,
            )
            if row is None:
                raise SecondFactorThere("This passkey is known already.")
            await note(connection, caller, "passkey.added", str(identifier))
        return identifier

    async def passkeys(self, caller: Caller) -> Sequence[Passkey]:
        """The caller's own."""
        async with self._database.transaction(caller.tenant, subject=caller.id) as connection:
            return await store.passkeys(connection, caller.id)

    async def remove_passkey(self, caller: Caller, passkey: UUID) -> None:
        """Raises SecondFactorUnknown."""
        async with self._database.transaction(caller.tenant, subject=caller.id) as connection:
            if await store.one(connection, "delete_passkey", id=passkey, user_id=caller.id) is None:
                raise SecondFactorUnknown("There is no such passkey of yours.")
            await note(connection, caller, "passkey.removed", str(passkey))

    async def passkey_challenge(self) -> dict[str, Any]:
        """What a browser needs to sign in with a passkey, whosever it is."""
        options = generate_authentication_options(
            rp_id=self._relying_party, user_verification=UserVerificationRequirement.REQUIRED
        )
        secret = bytes_to_base64url(options.challenge)
        await self._one_time.make("passkey-use", {}, seconds=CHALLENGE_SECONDS, secret=secret)
        found: dict[str, Any] = json.loads(options_to_json(options))
        return found

    async def passkey_user(self, credential: dict[str, Any]) -> UUID:
        """Whose passkey answered. Raises InvalidCredentials, equal for whatever is wrong."""
        try:
            raw = base64url_to_bytes(str(credential["rawId"]))
            async with self._database.transaction() as connection:
                challenge = await _challenge(connection, "passkey-use", credential, None)
                user = await store.user_by(connection, "passkey", credential_id=raw)
            if user is None:
                raise InvalidCredentials("This passkey is not known here.")
            async with self._database.transaction(subject=user) as connection:
                known = next(each for each in await store.passkeys(connection, user) if each.credential_id == raw)
                done = verify_authentication_response(
                    credential=credential,
                    expected_challenge=challenge,
                    expected_rp_id=self._relying_party,
                    expected_origin=self._origin,
                    credential_public_key=known.public_key,
                    credential_current_sign_count=known.sign_count,
                    require_user_verification=True,
                )
                await store.do(connection, "use_passkey", id=known.id, sign_count=done.new_sign_count)
        except (WebAuthnException, LinkInvalid, ValueError, KeyError, TypeError, StopIteration) as error:
            raise InvalidCredentials("This passkey is not known here.") from error
        return user


async def _challenge(connection: Connection, purpose: str, credential: dict[str, Any], user: str | None) -> bytes:
    """The challenge that a credential answers, if it is one of ours that nobody answered. Raises LinkInvalid."""
    try:
        said = json.loads(base64url_to_bytes(credential["response"]["clientDataJSON"]))["challenge"]
        challenge = base64url_to_bytes(said)
    except (ValueError, KeyError, TypeError) as error:
        raise LinkInvalid("This is no answer of a passkey.", field="credential") from error
    data = link_data(await take(connection, purpose, bytes_to_base64url(challenge)))
    if data.get("user") != user:
        raise LinkInvalid("This answers somebody else's question.", field="credential")
    return challenge


def _purpose(user: UUID) -> str:
    return f"totp:{user}"
