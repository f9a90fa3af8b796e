"""The API under a name that passkeys can be for, a browser, and an application that people sign in to."""

import os
import subprocess
import threading
import time
from collections.abc import Generator
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, sync_playwright

from nsl.cli.up.process import console_script, free_port
from tests.service.console.visits import SignIn, browser
from tests.support.people import Person
from tests.support.require import require
from tests.support.service import Service

CHROMIUM = Path("/usr/bin/chromium")
READY_SECONDS = 60


@pytest.fixture(scope="session")
def console(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """The address of one more replica, whose name is localhost: browsers make no passkeys for an IP address."""
    port = free_port()
    environment = {name: value for name, value in service.environment.items() if name != "NSL_DATABASE_OWNER_URL"}
    environment |= {
        "NSL_HTTP_PORT": str(port),
        "NSL_METRICS_PORT": str(free_port()),
        "NSL_ISSUER": f"http://localhost:{port}",
    }
    log = tmp_path_factory.mktemp("console") / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [console_script("nsl"), "serve"], env=os.environ | environment, stdout=output, stderr=output
        )
        try:
            _wait(process, f"http://127.0.0.1:{port}/health/ready", log)
            yield environment["NSL_ISSUER"]
        finally:
            process.terminate()
            process.wait(timeout=30)


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            httpx.get(url, trust_env=False)
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"the API did not start: {log.read_text()[-2000:]}")


@pytest.fixture(scope="module")
def chromium(console: str) -> Generator[Browser]:
    """After the API and for one module alone: while it lives, its event loop counts as this thread's running one."""
    require(CHROMIUM.exists(), f"there is no {CHROMIUM}: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class Application:
    """Where an application's people come back to; ``answers`` holds what they brought."""

    address: str
    answers: list[dict[str, str]] = field(default_factory=list)


@pytest.fixture
def application() -> Generator[Application]:
    class Arrival(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the name is the base class's
            parts = urlsplit(self.path)
            if parts.path == "/back":
                made.answers.append({name: values[0] for name, values in parse_qs(parts.query).items()})
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>Application</title><link rel=icon href='data:,'><p>Arrived")

        def log_message(self, *_: Any) -> None:
            """Nothing: the test asks for ``answers``."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Arrival)
    made = Application(f"http://127.0.0.1:{server.server_port}/back")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def sign_in(service: Service) -> Generator[SignIn]:
    """Browsers in which somebody signs in."""
    with ExitStack() as opened:

        def make(person: Person, **more: str) -> tuple[httpx.Client, httpx.Response]:
            client = opened.enter_context(browser(service))
            answer = client.post("/console/login", data={"email": person.email, "password": person.password} | more)
            assert answer.status_code == 303, answer.text
            return client, answer

        yield make
