"""Tokens: issued, verified, refreshed, introspected; what a limit costs; what sign-ins cost those who are signed in.

The server is the one that ``nsl serve`` runs, with Redis where it is installed.
"""

import asyncio
import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from multiprocessing import get_context
from statistics import median, quantiles
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import httpx
import psycopg
from argon2 import PasswordHasher

from bench.api import _free_port, _parts, _ready
from bench.figures import Figure, report, say, wants_json
from bench.load import exchange
from nsl.identity.model import DEFAULT_PLAN, Caller
from nsl.identity.service import Tokens
from nsl.identity.service.tokens import _Remembered
from nsl.kit.limits import LocalLimiter

SECONDS = 3.0
CONNECTIONS = 16
LOGINS = 50
PASSWORD = "correct-horse-battery-9-staple"


def request(method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    """One HTTP/1.1 request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: bench", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def form(path: str, auth: tuple[str, str], **fields: str) -> bytes:
    """A form of a client that proves itself with HTTP Basic."""
    basic = base64.b64encode(":".join(auth).encode()).decode()
    content_type = "application/x-www-form-urlencoded"
    return request("POST", path, urlencode(fields).encode(), Content_Type=content_type, Authorization=f"Basic {basic}")


async def rate(port: int, ask: bytes) -> float:
    """Answers per second to the same request over 16 connections."""
    loop = asyncio.get_running_loop()
    end, count = loop.time() + SECONDS, 0

    def following() -> bytes | None:
        nonlocal count
        if loop.time() >= end:
            return None
        count += 1
        return ask

    began = loop.time()
    await exchange(port, following, CONNECTIONS)
    return count / (loop.time() - began)


def microseconds(what: Callable[[], object], times: int = 100_000) -> float:
    """The cost of one call in this process."""
    began = time.perf_counter()
    for _ in range(times):
        what()
    return (time.perf_counter() - began) / times * 1e6


def known_cost() -> float:
    """A token that was verified before: the hot path's own code, its caches filled by hand."""
    tokens = Tokens.__new__(Tokens)
    caller = Caller(str(uuid4()), uuid4(), uuid4(), frozenset(), DEFAULT_PLAN)
    text = "x" * 900
    tokens._remembered = {text: _Remembered(caller, time.monotonic() + 600, ())}  # type: ignore[assignment]

    class Confirmed:
        """As ``Revocations`` answers while it is confirmed, at the same cost."""

        at = time.monotonic()

        def confirmed(self) -> bool:
            return time.monotonic() - self.at < 600

    tokens._revocations = Confirmed()  # type: ignore[assignment]
    assert tokens.known(text) is caller
    return microseconds(lambda: tokens.known(text))


async def latencies(url: str, token: str, seconds: float) -> list[float]:
    """Milliseconds of single requests, some hundred a second."""
    found: list[float] = []
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=20) as http:
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            began = time.perf_counter()
            (await http.get(url)).raise_for_status()
            found.append((time.perf_counter() - began) * 1000)
            await asyncio.sleep(0.005)
    return found


async def sign_ins(base_url: str, email: str, seconds: float) -> dict[int, int]:
    """50 people who sign in at once, again and again; how many answers of each status."""
    answers: dict[int, int] = {}
    end = time.monotonic() + seconds
    async with httpx.AsyncClient(base_url=base_url, timeout=30, limits=httpx.Limits(max_connections=LOGINS)) as http:

        async def one() -> None:
            while time.monotonic() < end:
                answer = await http.post("/v1/auth/login", json={"email": email, "password": PASSWORD})
                answers[answer.status_code] = answers.get(answer.status_code, 0) + 1
                if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
                    await asyncio.sleep(int(answer.headers["retry-after"]))  # as it was told

        await asyncio.gather(*(one() for _ in range(LOGINS)))
    return answers


def sign_ins_elsewhere(base_url: str, email: str, seconds: float) -> dict[int, int]:
    """The same in a process of its own, whose work does not delay what is measured here."""
    return asyncio.run(sign_ins(base_url, email, seconds))


def somebody(environment: dict[str, str]) -> str:
    """A verified person with a password and a tenant, written by the application's own role."""
    user, tenant, email = uuid4(), uuid4(), f"{uuid4().hex}@example.org"
    hashed = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1).hash(PASSWORD)
    with psycopg.connect(environment["NSL_DATABASE_URL"]) as app:
        app.execute("SELECT set_config('app.current_subject', %s, true)", [str(user)])
        app.execute("SELECT set_config('app.current_tenant', %s, true)", [str(tenant)])
        app.execute(
            "INSERT INTO tenants (id, name, requests_per_minute, key_requests_per_minute)"
            " VALUES (%s, 'p', 10000000, 10000000)", [tenant],
        )  # fmt: skip
        app.execute(
            "INSERT INTO users (id, email, email_verified_at, display_name) VALUES (%s, %s, now(), 'p')", [user, email]
        )
        app.execute("INSERT INTO passwords (user_id, hash) VALUES (%s, %s)", [user, hashed])
        app.execute("INSERT INTO memberships (tenant_id, user_id, roles) VALUES (%s, %s, '{analyst}')", [tenant, user])
    return email


@asynccontextmanager
async def server() -> AsyncIterator[tuple[int, dict[str, str], str, tuple[str, str]]]:
    """The API with everything on: its port, its environment, a key's id, a client's id and secret."""
    async with _parts() as (environment, tenant, key, auth):
        port = _free_port()
        command = [sys.executable, "-m", "bench.api_server", "layers", str(port), str(tenant)]
        process = subprocess.Popen(command, env=os.environ | environment, stderr=subprocess.DEVNULL)
        try:
            await _ready(port, process)
            yield port, environment, key, auth
        finally:
            process.terminate()
            process.wait()


async def measure() -> dict[str, Any]:
    """Everything that needs the server."""
    found: dict[str, Any] = {}
    async with server() as (port, environment, key, auth):
        base_url = f"http://127.0.0.1:{port}"
        issue = form("/oauth2/token", auth, grant_type="client_credentials")
        found["issue"] = await rate(port, issue)
        answer = httpx.post(f"{base_url}/oauth2/token", data={"grant_type": "client_credentials"}, auth=auth)
        token = answer.json()["access_token"]
        found["introspect"] = await rate(port, form("/oauth2/introspect", auth, token=token))
        say(f"issue {found['issue']:.0f}/s, introspect {found['introspect']:.0f}/s")
        email = somebody(environment)
        found["refresh"] = refreshes(base_url, email)
        url = f"{base_url}/v1/keys/{key}"
        await latencies(url, token, 1.0)
        rounds = [await _beside(url, base_url, token, email) for _ in range(3)]
        found["alone"] = median(each[0] for each in rounds)
        found["beside"] = median(each[1] for each in rounds)
        found["answers"] = rounds[-1][2]
        say(f"p99 {found['alone']:.2f} ms alone, {found['beside']:.2f} ms beside sign-ins: {found['answers']}")
    return found


def refreshes(base_url: str, email: str) -> float:
    """Rotations per second of one family, each with the token of the one before."""
    with httpx.Client(base_url=base_url, timeout=20) as http:
        answer = http.post("/v1/auth/login", json={"email": email, "password": PASSWORD}).json()
        began, count = time.perf_counter(), 0
        while time.perf_counter() - began < SECONDS:
            answer = http.post("/v1/auth/refresh", json={"refresh_token": answer["refresh_token"]}).json()
            count += 1
        return count / (time.perf_counter() - began)


async def _beside(url: str, base_url: str, token: str, email: str) -> tuple[float, float, dict[int, int]]:
    """The p99 of a read alone, and beside 50 people who sign in."""
    alone = quantiles(await latencies(url, token, 2 * SECONDS), n=100)[98]
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        load = asyncio.get_running_loop().run_in_executor(pool, sign_ins_elsewhere, base_url, email, 2 * SECONDS + 3)
        await asyncio.sleep(2)  # until its process is there and the queue is full
        beside = quantiles(await latencies(url, token, 2 * SECONDS), n=100)[98]
        return alone, beside, await load


def main() -> int:
    as_json = wants_json(__doc__)
    found = asyncio.run(measure())
    known = known_cost()
    limiter = LocalLimiter()
    limit = microseconds(lambda: limiter.take_now("subject", 1_000_000_000))
    beside, alone = found["beside"], found["alone"]
    refused = found["answers"].get(503, 0)
    figures = [
        Figure("issue", found["issue"], "tokens/s"),
        Figure("verify_known", known, "us", "<= 10", known <= 10),
        Figure("refresh", found["refresh"], "rotations/s, one after the other"),
        Figure("introspect", found["introspect"], "requests/s"),
        Figure("limiter", limit, "us/request"),
        Figure("read_p99_beside_sign_ins", beside, "ms", "< 1.5 x peer", beside < 1.5 * alone, "alone", alone),
        Figure("sign_ins_refused", refused, "answers 503", "> 0", refused > 0),
    ]
    say(json.dumps(found["answers"]))
    return report("auth", figures, as_json=as_json)


if __name__ == "__main__":
    sys.exit(main())
