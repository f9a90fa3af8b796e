"""Mails leave the outbox: each handed over at least once, again later when the server does not take it."""

import structlog
from prometheus_client import Counter

from nsl.accounts import store
from nsl.accounts.ports import Mailer
from nsl.kit.db import Connection, Database
from nsl.kit.errors import Unavailable

ATTEMPTS_MAX = 12
POSTPONED_SECONDS_MAX = 3600

_log = structlog.get_logger("nsl.accounts")
_mails = Counter("nsl_mails_total", "Mails handed over, postponed and given up.", ["outcome"])


class Outbox:
    """One mail at a time; any number of workers."""

    def __init__(self, database: Database, mailer: Mailer) -> None:
        self._database = database
        self._mailer = mailer

    async def step(self) -> int:
        """Hand one over; 0 when none is waiting."""
        async with self._database.transaction() as connection:
            mail = await store.one(connection, "next_mail")
            if mail is None:
                return 0
            try:
                await self._mailer.send(mail["recipient"], mail["subject"], mail["body"])
            except Unavailable as error:
                await self._postpone(connection, mail, error)
            else:
                await store.do(connection, "delete_mail", id=mail["id"])
                _mails.labels("sent").inc()
        return 1

    async def _postpone(self, connection: Connection, mail: dict[str, object], error: Unavailable) -> None:
        attempts = int(str(mail["attempts"])) + 1
        if attempts >= ATTEMPTS_MAX:
            _mails.labels("given_up").inc()
            _log.error("mail given up", mail=str(mail["id"]), reason=error.detail)
            await store.do(connection, "delete_mail", id=mail["id"])
            return
        _mails.labels("postponed").inc()
        _log.warning("mail postponed", mail=str(mail["id"]), reason=error.detail)
        await store.do(connection, "postpone_mail", id=mail["id"], seconds=min(5 * 2**attempts, POSTPONED_SECONDS_MAX))
