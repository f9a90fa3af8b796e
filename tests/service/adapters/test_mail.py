"""Mails reach a real SMTP server, or a folder; known passwords are asked for without being told."""

import hashlib
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import pytest_asyncio
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as MessageHandler

from nsl.adapters.breached_passwords import PwnedPasswords
from nsl.adapters.mail import FileMailer, MailRefused, SmtpMailer
from nsl.cli.up.process import free_port

SENDER = "Layer <no-reply@layer.example>"


class Inbox(MessageHandler):
    """Keeps what comes; refuses one address for now."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[tuple[str, str, str]] = []

    async def handle_RCPT(self, _: object, __: object, envelope: object, address: str, ___: object) -> str:  # noqa: N802
        if address.startswith("later"):
            return "451 try again later"
        envelope.rcpt_tos.append(address)  # type: ignore[attr-defined]
        return "250 OK"

    def handle_message(self, message: object) -> None:
        self.messages.append((message["To"], message["Subject"], message.get_payload()))  # type: ignore[index,attr-defined]


@pytest_asyncio.fixture
async def smtp() -> AsyncIterator[tuple[str, Inbox]]:
    inbox = Inbox()
    controller = Controller(inbox, hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        yield f"smtp://127.0.0.1:{controller.port}", inbox
    finally:
        controller.stop()


async def test_a_mail_reaches_a_real_server(smtp: tuple[str, Inbox]) -> None:
    url, inbox = smtp
    await SmtpMailer(url, SENDER).send("ada@example.org", "Hello", "A link: https://layer.example/#token=x\n")
    to, subject, body = inbox.messages[0]
    assert (to, subject) == ("ada@example.org", "Hello")
    assert "https://layer.example/#token=x" in body


async def test_what_the_server_does_not_take_comes_again_later(smtp: tuple[str, Inbox]) -> None:
    with pytest.raises(MailRefused):
        await SmtpMailer(smtp[0], SENDER).send("later@example.org", "Hello", "text")
    with pytest.raises(MailRefused):
        await SmtpMailer(f"smtp://127.0.0.1:{free_port()}", SENDER).send("ada@example.org", "Hello", "text")


@pytest.mark.parametrize("text", ["a\r\nBcc: eve@example.org", "a\nb"])
async def test_no_header_is_smuggled_in(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match="linefeed"):
        await FileMailer(tmp_path, SENDER).send("ada@example.org", text, "text")


async def test_a_file_is_ours_alone(tmp_path: Path) -> None:
    await FileMailer(tmp_path / "mail", SENDER).send("ada@example.org", "Hello", "text")
    (file,) = (tmp_path / "mail").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


@pytest.fixture
def ranges() -> Iterator[tuple[str, list[str]]]:
    """A service that speaks the range protocol and knows one password."""
    digest = hashlib.sha1(b"hunter2-hunter2", usedforsecurity=False).hexdigest().upper()
    asked: list[str] = []

    class Ranges(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            lines = [f"{digest[5:]}:42", f"{'0' * 35}:0"] if self.path == f"/range/{digest[:5]}" else []
            self.send_response(200)
            self.end_headers()
            self.wfile.write("\r\n".join(lines).encode())

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = HTTPServer(("127.0.0.1", 0), Ranges)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


async def test_a_known_password_is_found_by_five_digits_of_its_hash(ranges: tuple[str, list[str]]) -> None:
    async with PwnedPasswords(ranges[0]) as service:
        assert await service.known("hunter2-hunter2")
        assert not await service.known("nobody-knows-this-one")
    assert all(len(path) == len("/range/") + 5 for path in ranges[1])


async def test_a_service_that_is_down_keeps_nobody_from_a_password() -> None:
    async with PwnedPasswords(f"http://127.0.0.1:{free_port()}") as service:
        assert not await service.known("anything")
