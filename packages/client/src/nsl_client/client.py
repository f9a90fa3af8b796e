"""The two clients: ``Client`` for ordinary code, ``AsyncClient`` for asyncio. They have the same methods."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import httpx

from nsl_client import calls
from nsl_client.calls import Call
from nsl_client.clock import wait, wait_async
from nsl_client.errors import NslError
from nsl_client.exchange import Flow, NeedToken, Outcome, Pause, Send, Session
from nsl_client.model import Health, Me, Page, Transaction
from nsl_client.resources import (
    Approvals,
    AsyncApprovals,
    AsyncAudit,
    AsyncClients,
    AsyncCompliance,
    AsyncEnclaves,
    AsyncKeys,
    AsyncLedger,
    AsyncTenants,
    AsyncTransactions,
    Audit,
    Clients,
    Compliance,
    Enclaves,
    Keys,
    Ledger,
    Tenants,
    Transactions,
)

REQUEST_TIMEOUT_SECONDS = 30.0
WAIT_TIMEOUT_SECONDS = 120.0


class Client:
    """The Neo Service Layer from ordinary code. Safe to share between threads; use as a context manager.

    Args:
        base_url: where the API is, such as ``https://nsl.example``.
        client_id: of an OAuth 2.0 client.
        client_secret: its secret.
        refresh_token: of a person who signed in (`nsl login`), in place of the secret; each is used once.
        keep: is given the next refresh token, to be kept for the next time.

    Raises:
        ValueError: ``base_url`` is no http or https address.
        NslError: from every method; ``nsl_client.errors`` draws the tree.
    """

    def __init__(
        self,
        base_url: str,
        client_id: str,
        client_secret: str = "",
        *,
        refresh_token: str | None = None,
        keep: Callable[[str], None] | None = None,
    ) -> None:
        self._session = Session(base_url, client_id, client_secret, refresh_token=refresh_token, keep=keep)
        self._http = httpx.Client(timeout=REQUEST_TIMEOUT_SECONDS)
        self._token_lock = threading.Lock()
        self.tenants = Tenants(self)
        self.clients = Clients(self)
        self.keys = Keys(self)
        self.approvals = Approvals(self)
        self.ledger = Ledger(self)
        self.transactions = Transactions(self)
        self.enclaves = Enclaves(self)
        self.audit = Audit(self)
        self.compliance = Compliance(self)

    @classmethod
    def from_credentials(cls, file: str | Path) -> Self:
        """The client of a credentials file, as ``nsl up`` and ``nsl login`` write it; the latter is kept up to date."""
        return cls(**_credentials(file))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def run[T](self, call: Call[T]) -> T:
        """Carry out a call of ``nsl_client.calls``."""
        return self._drive(self._session.run(call))

    def me(self) -> Me:
        """Who the credentials stand for."""
        return self.run(calls.me())

    def health(self) -> Health:
        """Whether the layer is ready, and each thing it depends on. Needs no credentials."""
        return self.run(calls.health())

    def wait_for_transaction(
        self, transaction_id: str, *, timeout_seconds: float = WAIT_TIMEOUT_SECONDS
    ) -> Transaction:
        """Until it is confirmed.

        Raises:
            TransactionFailed: it ended otherwise.
            Timeout: it has not ended in time; it goes on without us.
        """
        return self._drive(self._session.wait_for(transaction_id, timeout_seconds))

    def every[T](self, page: Callable[..., Page[T]], **query: Any) -> Iterator[T]:
        """All items of a list method, page by page: ``client.every(client.keys.list)``."""
        cursor: str | None = None
        while True:
            found = page(**query, cursor=cursor)
            yield from found.items
            cursor = found.next_cursor
            if cursor is None:
                return

    def _fetch_token(self) -> NslError | None:
        with self._token_lock:
            if self._session.has_token:  # somebody else was quicker
                return None
            try:
                self._drive(self._session.fetch_token())
            except NslError as error:
                return error
            return None

    def _drive[T](self, flow: Flow[T]) -> T:
        outcome: Outcome = None
        try:
            while True:
                action = flow.send(outcome)
                outcome = None
                match action:
                    case Send(request):
                        try:
                            outcome = self._http.send(request)
                        except httpx.RequestError as error:
                            outcome = error
                    case Pause(seconds):
                        wait(seconds)
                    case NeedToken() if not self._session.has_token:
                        outcome = self._fetch_token()
        except StopIteration as end:
            result: T = end.value
            return result


class AsyncClient:
    """The Neo Service Layer from asyncio. Use as an async context manager; arguments and errors as for ``Client``."""

    def __init__(
        self,
        base_url: str,
        client_id: str,
        client_secret: str = "",
        *,
        refresh_token: str | None = None,
        keep: Callable[[str], None] | None = None,
    ) -> None:
        self._session = Session(base_url, client_id, client_secret, refresh_token=refresh_token, keep=keep)
        self._http = httpx.AsyncClient(timeout=REQUEST_TIMEOUT_SECONDS)
        self._token_lock = asyncio.Lock()
        self.tenants = AsyncTenants(self)
        self.clients = AsyncClients(self)
        self.keys = AsyncKeys(self)
        self.approvals = AsyncApprovals(self)
        self.ledger = AsyncLedger(self)
        self.transactions = AsyncTransactions(self)
        self.enclaves = AsyncEnclaves(self)
        self.audit = AsyncAudit(self)
        self.compliance = AsyncCompliance(self)

    @classmethod
    def from_credentials(cls, file: str | Path) -> Self:
        """The client of a credentials file, as ``nsl up`` and ``nsl login`` write it; the latter is kept up to date."""
        return cls(**_credentials(file))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._http.aclose()

    async def run[T](self, call: Call[T]) -> T:
        """Carry out a call of ``nsl_client.calls``."""
        return await self._drive(self._session.run(call))

    async def me(self) -> Me:
        """Who the credentials stand for."""
        return await self.run(calls.me())

    async def health(self) -> Health:
        """Whether the layer is ready, and each thing it depends on. Needs no credentials."""
        return await self.run(calls.health())

    async def wait_for_transaction(
        self, transaction_id: str, *, timeout_seconds: float = WAIT_TIMEOUT_SECONDS
    ) -> Transaction:
        """Until it is confirmed. Raises as ``Client.wait_for_transaction``."""
        return await self._drive(self._session.wait_for(transaction_id, timeout_seconds))

    async def every[T](self, page: Callable[..., Coroutine[Any, Any, Page[T]]], **query: Any) -> AsyncIterator[T]:
        """All items of a list method, page by page."""
        cursor: str | None = None
        while True:
            found = await page(**query, cursor=cursor)
            for item in found.items:
                yield item
            cursor = found.next_cursor
            if cursor is None:
                return

    async def _fetch_token(self) -> NslError | None:
        async with self._token_lock:
            if self._session.has_token:  # somebody else was quicker
                return None
            try:
                await self._drive(self._session.fetch_token())
            except NslError as error:
                return error
            return None

    async def _drive[T](self, flow: Flow[T]) -> T:
        outcome: Outcome = None
        try:
            while True:
                action = flow.send(outcome)
                outcome = None
                match action:
                    case Send(request):
                        try:
                            outcome = await self._http.send(request)
                        except httpx.RequestError as error:
                            outcome = error
                    case Pause(seconds):
                        await wait_async(seconds)
                    case NeedToken() if not self._session.has_token:
                        outcome = await self._fetch_token()
        except StopIteration as end:
            result: T = end.value
            return result


def _credentials(file: str | Path) -> dict[str, Any]:
    path = Path(file)
    read: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if "refresh_token" not in read:
        return {name: str(read[name]) for name in ("base_url", "client_id", "client_secret")}

    def keep(token: str) -> None:
        # Whole or not at all: the token before it is used up.
        new = path.with_name(f".{path.name}.new")
        new.touch(mode=0o600)
        new.write_text(json.dumps({**read, "refresh_token": token}, indent=2), encoding="utf-8")
        new.replace(path)

    found: dict[str, Any] = {name: str(read[name]) for name in ("base_url", "client_id", "refresh_token")}
    return found | {"keep": keep}
