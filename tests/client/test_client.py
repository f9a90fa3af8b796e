"""Both clients over a real socket: tokens, retries, pages, errors."""

import asyncio
import json
from urllib.parse import parse_qs

import pytest

from nsl_client import (
    AnswerUnreadable,
    ApiError,
    AsyncClient,
    Client,
    ConnectionFailed,
    NotFound,
    Unauthenticated,
    calls,
)
from nsl_client.exchange import ATTEMPTS_MAX
from tests.client.conftest import Runner
from tests.client.scripted import TOKEN_PATH, Answer, ScriptedServer

ME = {"subject": "s", "tenant": "t", "client_id": "c", "scopes": ["keys:read"]}
TRANSACTION = {
    "id": "1", "chain": "neo-n3", "kind": "transfer", "state": "accepted", "created_at": "2026-01-01T00:00:00Z",
    "from_key": "k", "sender": "a", "asset": "GAS", "to": "b", "amount": "1",
}  # fmt: skip
TRANSFER = {"chain": "neo-n3", "from_key": "k", "asset": "GAS", "to": "b", "amount": "1"}


async def test_a_token_is_fetched_first_and_sent(run: Runner) -> None:
    with ScriptedServer(Answer(body=ME)) as server:
        found = await run(server.url, calls.me())
    assert found.scopes == ["keys:read"]
    token, call = server.seen
    assert token.path == TOKEN_PATH
    assert parse_qs(token.body.decode()) == {
        "grant_type": ["client_credentials"], "client_id": ["id"], "client_secret": ["secret"],
    }  # fmt: skip
    assert call.headers["authorization"] == "Bearer token-1"
    assert call.headers["user-agent"].startswith("nsl-client/")


async def test_health_needs_no_token_and_reads_a_503_as_an_answer(run: Runner) -> None:
    check = {"ok": False, "essential": True, "latency_ms": 1.5, "detail": "down"}
    with ScriptedServer(Answer(503, {"status": "unavailable", "checks": {"database": check}})) as server:
        health = await run(server.url, calls.health())
    assert health.status == "unavailable"
    assert health.checks["database"].detail == "down"
    assert server.tokens == 0
    assert "authorization" not in server.calls[0].headers


async def test_an_idempotency_key_is_made_once_and_kept_over_retries(run: Runner) -> None:
    script = [Answer(drop=True), Answer(503, {}), Answer(502, b"bad gateway"), Answer(202, TRANSACTION)]
    with ScriptedServer(*script) as server:
        made = await run(server.url, calls.create_transfer(**TRANSFER))
    assert made.id == "1"
    assert len({each.headers["idempotency-key"] for each in server.calls}) == 1
    assert len({each.body for each in server.calls}) == 1
    assert len(server.calls) == 4


async def test_two_calls_have_two_idempotency_keys_unless_the_caller_gives_one() -> None:
    first, second = (calls.create_transfer(**TRANSFER) for _ in range(2))
    assert first.idempotency_key != second.idempotency_key
    assert calls.create_transfer(**TRANSFER, idempotency_key="mine").idempotency_key == "mine"


async def test_what_cannot_be_repeated_is_sent_once(run: Runner) -> None:
    with ScriptedServer(Answer(drop=True)) as server:
        with pytest.raises(ConnectionFailed):
            await run(server.url, calls.create_client("c", ["keys:read"]))
        assert len(server.calls) == 1


async def test_what_cannot_be_repeated_is_repeated_after_429_which_did_nothing(run: Runner) -> None:
    made = {"client_id": "c", "client_secret": "s", "scopes": []}
    with ScriptedServer(Answer(429, {}, {"retry-after": "0"}), Answer(201, made)) as server:
        assert (await run(server.url, calls.create_client("c", []))).client_secret == "s"


async def test_nobody_listens(run: Runner) -> None:
    with ScriptedServer() as server:
        url = server.url
    with pytest.raises(ConnectionFailed, match="could not be reached"):
        await run(url, calls.me())


async def test_a_refused_token_is_fetched_anew_once(run: Runner) -> None:
    with ScriptedServer(Answer(401, {}), Answer(body=ME)) as server:
        await run(server.url, calls.me())
    assert [each.headers["authorization"] for each in server.calls] == ["Bearer token-1", "Bearer token-2"]
    with ScriptedServer(Answer(401, {}), Answer(401, {"code": "INVALID_TOKEN", "detail": "no"})) as server:
        with pytest.raises(Unauthenticated):
            await run(server.url, calls.me())
        assert server.tokens == 2


async def test_a_problem_becomes_a_typed_error(run: Runner) -> None:
    problem = {
        "type": "about:blank", "title": "Not Found", "status": 404, "detail": "There is no such key.",
        "code": "KEY_NOT_FOUND", "request_id": "r-1", "errors": [{"field": "id", "message": "unknown"}],
    }  # fmt: skip
    with ScriptedServer(Answer(404, problem)) as server, pytest.raises(NotFound) as caught:
        await run(server.url, calls.get_key("k"))
    error = caught.value
    assert (error.status, error.code, error.detail, error.request_id) == (
        404, "KEY_NOT_FOUND", "There is no such key.", "r-1",
    )  # fmt: skip
    assert [(each.field, each.message) for each in error.errors] == [("id", "unknown")]


async def test_an_answer_that_is_not_the_apis(run: Runner) -> None:
    with ScriptedServer(Answer(200, b"<html>")) as server, pytest.raises(AnswerUnreadable, match="/v1/me"):
        await run(server.url, calls.me())
    with ScriptedServer(Answer(500, b"<html>")) as server, pytest.raises(ApiError, match="UNKNOWN"):
        await run(server.url, calls.me())


async def test_identifiers_cannot_leave_their_place_in_the_path(run: Runner) -> None:
    with ScriptedServer(Answer(404, {})) as server, pytest.raises(NotFound):
        await run(server.url, calls.get_key("../tenants?x=1"))
    assert server.calls[0].path == "/v1/keys/..%2Ftenants%3Fx%3D1"


async def test_many_calls_at_once_fetch_one_token() -> None:
    with ScriptedServer(*[Answer(body=ME)] * 20) as server:
        async with AsyncClient(server.url, "id", "secret") as client:
            await asyncio.gather(*(client.me() for _ in range(20)))
        assert server.tokens == 1


def test_many_threads_fetch_one_token() -> None:
    import concurrent.futures

    with ScriptedServer(*[Answer(body=ME)] * 20) as server, Client(server.url, "id", "secret") as client:
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            assert len(list(pool.map(lambda _: client.me(), range(20)))) == 20
        assert server.tokens == 1


def test_a_token_is_renewed_before_it_ends() -> None:
    with ScriptedServer(*[Answer(body=ME)] * 2, token_seconds=31) as server, Client(server.url, "i", "s") as client:
        client.me()
        client._session._valid_until -= 2  # as if two seconds had passed
        client.me()
        assert server.tokens == 2


PAGES = [
    {"items": [{"id": "1", "name": "a"}, {"id": "2", "name": "b"}], "next_cursor": "2"},
    {"items": [{"id": "3", "name": "c"}], "next_cursor": None},
]


async def test_every_item_of_every_page() -> None:
    with ScriptedServer(*[Answer(body=page) for page in PAGES * 2]) as server:
        async with AsyncClient(server.url, "id", "secret") as client:
            assert [each.name async for each in client.every(client.tenants.list, limit=2)] == ["a", "b", "c"]

        def names() -> list[str]:
            with Client(server.url, "id", "secret") as sync:
                return [each.name for each in sync.every(sync.tenants.list, limit=2)]

        assert await asyncio.to_thread(names) == ["a", "b", "c"]
    assert [each.path for each in server.calls] == ["/v1/tenants?limit=2", "/v1/tenants?limit=2&cursor=2"] * 2


async def test_wait_until_confirmed_or_failed() -> None:
    failure = {"code": "EXPIRED", "message": "too late", "retryable": True}
    script = [
        Answer(body=TRANSACTION), Answer(body=TRANSACTION | {"state": "submitted"}),
        Answer(body=TRANSACTION | {"state": "confirmed", "block_height": 7}),
        Answer(body=TRANSACTION | {"state": "expired", "failure": failure}),
        Answer(body=TRANSACTION),
    ]  # fmt: skip
    from nsl_client import Timeout, TransactionFailed

    with ScriptedServer(*script) as server:
        async with AsyncClient(server.url, "id", "secret") as client:
            assert (await client.wait_for_transaction("1")).block_height == 7
            with pytest.raises(TransactionFailed, match="EXPIRED: too late") as caught:
                await client.wait_for_transaction("1")
            assert caught.value.transaction.state == "expired"
            with pytest.raises(Timeout, match="still accepted"):
                await client.wait_for_transaction("1", timeout_seconds=0)


async def test_waiting_survives_an_api_that_is_away_for_a_while() -> None:
    away = [Answer(503, {"code": "UNAVAILABLE"})] * ATTEMPTS_MAX
    with ScriptedServer(*away, Answer(body=TRANSACTION | {"state": "confirmed"})) as server:
        async with AsyncClient(server.url, "id", "secret") as client:
            assert (await client.wait_for_transaction("1", timeout_seconds=30)).state == "confirmed"
    async with AsyncClient(server.url, "id", "secret") as client:
        with pytest.raises(ConnectionFailed):
            await client.wait_for_transaction("1", timeout_seconds=0)


async def test_an_api_below_a_path(run: Runner) -> None:
    with ScriptedServer(Answer(body={"status": "ready", "checks": {}})) as server:
        await run(f"{server.url}/layer/", calls.health())
    assert server.calls[0].path == "/layer/health/ready"


@pytest.mark.parametrize("url", ["nsl.example", "ftp://nsl.example", ""])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(ValueError, match="base_url"):
        Client(url, "id", "secret")


def test_credentials_file(tmp_path) -> None:
    with ScriptedServer(Answer(body=ME)) as server:
        file = tmp_path / "credentials.json"
        file.write_text(json.dumps({"base_url": server.url, "client_id": "a", "client_secret": "b", "scopes": []}))
        with Client.from_credentials(file) as client:
            assert client.me().tenant == "t"


def test_both_clients_have_the_same_methods() -> None:
    def public(kind: type) -> set[str]:
        return {name for name in dir(kind) if not name.startswith("_")} - {"close"}

    assert public(Client) == public(AsyncClient)
    with ScriptedServer() as server, Client(server.url, "i", "s") as client:
        other = AsyncClient(server.url, "i", "s")
        for name in ("tenants", "clients", "keys", "ledger", "transactions"):
            assert public(type(getattr(client, name))) == public(type(getattr(other, name)))
