"""Mail by an SMTP server (RFC 5321), or as files for a layer that runs on one machine."""

from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from urllib.parse import unquote, urlsplit

import aiosmtplib

from nsl.kit.clock import now
from nsl.kit.errors import Unavailable
from nsl.kit.ids import new_id

TIMEOUT_SECONDS = 20


class MailRefused(Unavailable):
    code = "MAIL_UNAVAILABLE"


class SmtpMailer:
    """``url``: ``smtps://user:password@host:465`` (TLS from the first byte) or ``smtp://…:587`` (STARTTLS is required
    unless the host is this machine)."""

    def __init__(self, url: str, sender: str) -> None:
        self._parts = urlsplit(url)
        self._sender = sender

    async def send(self, recipient: str, subject: str, body: str) -> None:
        """Hand one mail over. Raises MailRefused."""
        parts = self._parts
        local = parts.hostname in ("127.0.0.1", "::1", "localhost")
        try:
            await aiosmtplib.send(
                _message(self._sender, recipient, subject, body),
                hostname=parts.hostname,
                port=parts.port,
                username=None if parts.username is None else unquote(parts.username),
                password=None if parts.password is None else unquote(parts.password),
                use_tls=parts.scheme == "smtps",
                start_tls=None if local or parts.scheme == "smtps" else True,
                timeout=TIMEOUT_SECONDS,
            )
        except (aiosmtplib.SMTPException, OSError) as error:
            raise MailRefused(f"The mail server does not take it: {type(error).__name__}.") from error


class FileMailer:
    """Every mail becomes a file in a folder that only we can read."""

    def __init__(self, folder: Path, sender: str) -> None:
        self._folder = folder
        self._sender = sender

    async def send(self, recipient: str, subject: str, body: str) -> None:
        """Write one mail."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / f"{new_id()}.eml"
        path.touch(mode=0o600)
        path.write_bytes(_message(self._sender, recipient, subject, body).as_bytes(policy=SMTP))


def _message(sender: str, recipient: str, subject: str, body: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, recipient, subject
    message["Date"] = now()
    message.set_content(body)
    return message
