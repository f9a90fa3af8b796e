"""People for tests: registered, verified by the mail that was really sent, and signed in."""

import email
import email.policy
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

PASSWORD = "correct-horse-battery-9-staple"
MAIL_SECONDS = 15
_TOKEN = re.compile(r"#token=([\w-]+)")


def mailed_token(folder: Path, address: str, subject: str) -> str:
    """The token of the newest mail to an address with this subject, once it has come."""
    deadline = time.monotonic() + MAIL_SECONDS
    while time.monotonic() < deadline:
        for path in sorted(folder.glob("*.eml"), reverse=True):
            message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
            if message["To"] == address and message["Subject"] == subject:
                body = message.get_content()
                if found := _TOKEN.search(body):
                    return found[1]
        time.sleep(0.05)  # the worker sends it
    raise AssertionError(f"no mail {subject!r} to {address} in {folder}")


@dataclass
class Person:
    """Somebody with an account, signed in: ``tokens`` is the answer of the sign-in."""

    base_url: str
    email: str
    password: str
    tokens: dict[str, Any]

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens['access_token']}"}

    def client(self) -> httpx.Client:
        """HTTP as this person."""
        return httpx.Client(base_url=self.base_url, headers=self.headers, timeout=20, trust_env=False)

    def login(self, **more: Any) -> httpx.Response:
        """Sign in once more."""
        body = {"email": self.email, "password": self.password} | more
        return httpx.post(f"{self.base_url}/v1/auth/login", json=body, timeout=20, trust_env=False)


def register(base_url: str, mail: Path, address: str | None = None, password: str = PASSWORD) -> Person:
    """Register somebody, verify the address, sign in."""
    address = address or f"{uuid4().hex[:12]}@example.org"
    with httpx.Client(base_url=base_url, timeout=20, trust_env=False) as http:
        body = {"email": address, "password": password, "display_name": "Ada"}
        answer = http.post("/v1/auth/register", json=body)
        assert answer.status_code == 202, answer.text
        token = mailed_token(mail, address, "Verify your address")
        answer = http.post("/v1/auth/verify-email", json={"token": token})
        assert answer.status_code == 200, answer.text
        answer = http.post("/v1/auth/login", json={"email": address, "password": password})
        assert answer.status_code == 200, answer.text
    return Person(base_url, address, password, answer.json())
