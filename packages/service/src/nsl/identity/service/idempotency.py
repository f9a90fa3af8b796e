"""The first answer to a POST with an Idempotency-Key, given again to the same request for seven days.

The answer is written in the database transaction that makes what it tells of: both are there, or neither is. Of
requests under one key that come at once, a process works at one: what the others do would be undone, and would have
counted in a key's windows.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID
from weakref import WeakValueDictionary

import msgspec

from nsl.identity import store
from nsl.identity.errors import IdempotencyKeyReused
from nsl.identity.model import Caller
from nsl.kit.db import Connection, Database, work_for

#: notes an answer inside the transaction that makes it true, as that transaction's last statement
type Note[T] = Callable[[Connection, T], Awaitable[None]]


class _AnsweredMeanwhile(Exception):
    """The same key was answered by a request at the same time; what this one did must not stay."""


class Idempotency:
    """Remembers answers, by tenant and key."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._at_work: WeakValueDictionary[tuple[UUID, str], asyncio.Lock] = WeakValueDictionary()

    async def once[T](
        self,
        caller: Caller,
        key: str | None,
        request: tuple[str, Any],
        kind: type[T],
        act: Callable[[Note[T]], Awaitable[T]],
    ) -> T:
        """``act``'s answer, or the one that this key was given before.

        Args:
            request: the operation's name and its input; another one under the same key is a conflict.
            kind: the type of the answer.
            act: does it; it awaits the note it is given inside the transaction that makes the answer true.

        Raises:
            IdempotencyKeyReused: the key came with another request.
        """
        if key is None:
            return await act(_not_noted)
        digest = hashlib.sha256(msgspec.json.encode(request, order="deterministic")).digest()

        async def note(connection: Connection, answer: T) -> None:
            await work_for(connection, caller.tenant)
            if not await store.remember(connection, caller.tenant, key, digest, msgspec.json.encode(answer)):
                raise _AnsweredMeanwhile

        async with self._at_work.setdefault((caller.tenant, key), asyncio.Lock()):
            known = await self._recall(caller, key)
            if known is None:
                try:
                    return await act(note)
                except _AnsweredMeanwhile:  # in another process
                    known = await self._recall(caller, key)
        if known is None or known[0] != digest:
            raise IdempotencyKeyReused("This Idempotency-Key came with another request. Use a new key for a new one.")
        return msgspec.json.decode(known[1], type=kind)

    async def _recall(self, caller: Caller, key: str) -> tuple[bytes, bytes] | None:
        async with self._database.transaction(caller.tenant) as connection:
            return await store.recall(connection, caller.tenant, key)


async def _not_noted(_: Connection, __: Any) -> None:
    """For a request without a key."""
