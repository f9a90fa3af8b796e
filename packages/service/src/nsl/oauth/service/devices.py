"""The device flow (RFC 8628): a program without a browser shows a code, which the person types in elsewhere."""

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from nsl.accounts.model import Session
from nsl.accounts.service import Sessions
from nsl.identity.errors import TokenRefused
from nsl.identity.model import Client, granted_scopes
from nsl.identity.service import OneTime, hashed, note_by
from nsl.kit.clock import random_bytes
from nsl.kit.db import Database
from nsl.kit.replicas import SingleUse
from nsl.oauth.model import OPENID_SCOPES

SECONDS: Final = 600
INTERVAL_SECONDS: Final = 3
# No vowels and nothing that looks like something else (RFC 8628 section 6.1).
_LETTERS: Final = "BCDFGHJKLMNPQRSTVWXZ"
_LETTERS_COUNT: Final = 8


@dataclass(frozen=True, slots=True)
class Device:
    """What the program is told."""

    device_code: str
    user_code: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """What the person is asked: whether this application may have these scopes."""

    client_id: UUID
    client_name: str
    scopes: tuple[str, ...]


class Devices:
    """Codes under way, kept by their digests."""

    def __init__(self, database: Database, sessions: Sessions, single_use: SingleUse) -> None:
        self._database = database
        self._sessions = sessions
        self._single_use = single_use
        self._one_time = OneTime(database)

    async def begin(self, client: Client, scope: str | None) -> Device:
        """A new pair of codes. Raises TokenRefused."""
        scopes = granted_scopes(scope, (*client.scopes, *OPENID_SCOPES))
        user_code = "".join(_LETTERS[byte % len(_LETTERS)] for byte in _even_bytes())
        data = {
            "client": str(client.id),
            "name": client.name,
            "scopes": list(scopes),
            "status": "waiting",
            # An application acts in its own tenant alone; ours, in whichever the person works in.
            "tenant": None if client.tenant is None else str(client.tenant),
        }
        await self._one_time.make("device-user", data, seconds=SECONDS, secret=user_code)
        device_code = await self._one_time.make(
            "device", {"client": str(client.id), "user_code": user_code}, seconds=SECONDS
        )
        return Device(device_code, f"{user_code[:4]}-{user_code[4:]}")

    async def waiting(self, user_code: str) -> Waiting | None:
        """What a code that somebody typed is for, if it waits."""
        data = await self._one_time.look("device-user", _plain(user_code))
        if data is None or data["status"] != "waiting":
            return None
        return Waiting(UUID(data["client"]), data["name"], tuple(data["scopes"]))

    async def decide(self, user_code: str, session: Session, *, given: bool) -> bool:
        """The person's answer, in the tenant that they work in.

        False when the code does not wait any more, or is of another tenant's application.
        """
        code = _plain(user_code)
        data = await self._one_time.look("device-user", code)
        if data is None or data["status"] != "waiting" or data["tenant"] not in (None, str(session.tenant)):
            return False
        if await self._one_time.take("device-user", code) is None:
            return False
        decided: dict[str, Any] = data | {"status": "given" if given else "denied"}
        if given:
            made = await self._sessions.fork(session)
            decided |= {"tenant": str(made.tenant), "session": str(made.id)}
        await self._one_time.make("device-user", decided, seconds=SECONDS, secret=code)
        async with self._database.transaction(session.tenant) as connection:
            action = "device.allowed" if given else "device.denied"
            await note_by(connection, session.tenant, action, str(session.user), data["client"])
        return True

    async def redeem(self, client: Client, device_code: str) -> tuple[Session, tuple[str, ...]]:
        """The session that the person gave. Raises TokenRefused with the words of RFC 8628 section 3.5."""
        device = await self._one_time.look("device", device_code)
        if device is None or UUID(device["client"]) != client.id:
            raise TokenRefused("expired_token", "The device code is unknown, was used, or is too old.")
        if not await self._single_use.first(f"device:{hashed(device_code.encode())}", seconds=INTERVAL_SECONDS):
            raise TokenRefused("slow_down", f"Ask every {INTERVAL_SECONDS} seconds at most.")
        data = await self._one_time.look("device-user", device["user_code"])
        if data is None:
            raise TokenRefused("expired_token", "The code is too old; begin again.")
        if data["status"] == "waiting":
            raise TokenRefused("authorization_pending", "The person has not decided yet.")
        if await self._one_time.take("device", device_code) is None:
            raise TokenRefused("expired_token", "The device code was used.")
        await self._one_time.take("device-user", device["user_code"])
        if data["status"] == "denied":
            raise TokenRefused("access_denied", "The person said no.")
        session = await self._sessions.of(UUID(data["tenant"]), UUID(data["session"]))
        if session is None:
            raise TokenRefused("access_denied", "The person has ended this session.")
        return session, tuple(data["scopes"])


def _even_bytes() -> list[int]:
    """Random bytes for letters, each letter as likely as any other."""
    most = 256 - 256 % len(_LETTERS)
    found: list[int] = []
    while len(found) < _LETTERS_COUNT:
        found += [byte for byte in random_bytes(_LETTERS_COUNT) if byte < most]
    return found[:_LETTERS_COUNT]


def _plain(user_code: str) -> str:
    return "".join(letter for letter in user_code.upper() if letter in _LETTERS)
