"""Logout tokens leave for the applications that a session signed in to (OpenID Connect Back-Channel Logout 1.0)."""

from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import msgspec
import structlog
from prometheus_client import Counter

from nsl.kit.clock import now, unix_seconds
from nsl.kit.db import Connection, Database
from nsl.kit.errors import Unavailable
from nsl.kit.ids import new_id
from nsl.oauth import store
from nsl.oauth.ports import LogoutSigner
from nsl_protocol.enclave.messages import TokenKind

TOKEN_SECONDS: Final = 120
TIMEOUT_SECONDS: Final = 5.0
ATTEMPTS_MAX: Final = 8
EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
_OK: Final = (200, 204)
_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
#: a key that is younger may not be known yet to those who keep our key set
_PUBLISHED_BEFORE: Final = timedelta(hours=1)

_log = structlog.get_logger("nsl.oauth")
_notices = Counter("nsl_logout_notices_total", "Logout notices to applications, by outcome.", ["outcome"])


def _is_elsewhere(uri: str, issuer: str) -> bool:
    """HTTPS and not this machine, which a tenant must not reach through us; a layer on one machine may call itself."""
    parts = urlsplit(uri)
    if urlsplit(issuer).hostname in _LOOPBACK:
        return True
    return parts.scheme == "https" and parts.hostname not in _LOOPBACK


class LogoutNotices:
    """One notice at a time; any number of workers."""

    def __init__(self, database: Database, signer: LogoutSigner, issuer: str) -> None:
        self._database = database
        self._signer = signer
        self._issuer = issuer

    async def step(self) -> int:
        """Tell one application; 0 when none waits."""
        async with self._database.transaction() as connection:
            notice = await store.one(connection, "next_notice")
            if notice is None:
                return 0
            told = await self._tell(connection, notice)
            await self._note(connection, notice, told=told)
        return 1

    async def _tell(self, connection: Connection, notice: dict[str, Any]) -> bool:
        if not _is_elsewhere(notice["uri"], self._issuer):
            return False
        try:
            token = await self._token(connection, notice)
            async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, follow_redirects=False) as client:
                answer = await client.post(notice["uri"], data={"logout_token": token})
        except (httpx.HTTPError, Unavailable):
            return False
        return answer.status_code in _OK

    async def _note(self, connection: Connection, notice: dict[str, Any], *, told: bool) -> None:
        attempts = notice["attempts"] + 1
        if told or attempts >= ATTEMPTS_MAX:
            _notices.labels("told" if told else "given_up").inc()
            await store.do(connection, "delete_notice", id=notice["id"])
        else:
            _notices.labels("postponed").inc()
            await store.do(connection, "postpone_notice", id=notice["id"], seconds=2**attempts)
        if not told:
            _log.warning("application not told of a logout", client=str(notice["client_id"]), attempts=attempts)

    async def _token(self, connection: Connection, notice: dict[str, Any]) -> str:
        key = await store.one(connection, "signing_key", ready=now() - _PUBLISHED_BEFORE)
        if key is None:
            raise Unavailable("There is no key that signs tokens yet.")
        issued = unix_seconds()
        claims = {
            "iss": self._issuer,
            "aud": str(notice["client_id"]),
            "iat": issued,
            "exp": issued + TOKEN_SECONDS,
            "jti": new_id().hex,
            "sub": str(notice["user_id"]),
            "sid": str(notice["session_id"]),
            "events": {EVENT: {}},
        }
        return await self._signer.sign_token(TokenKind.LOGOUT, key["kid"], key["wrapped"], msgspec.json.encode(claims))
