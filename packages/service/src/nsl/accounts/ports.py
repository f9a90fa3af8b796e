"""What accounts need of others."""

from typing import Protocol


class Sealer(Protocol):
    """Encrypts secrets that must be read again, inside the enclave. Raises Unavailable."""

    async def seal(self, purpose: str, secret: bytes) -> bytes: ...

    async def unseal(self, purpose: str, sealed: bytes) -> bytes: ...


class Mailer(Protocol):
    """Hands one mail over for delivery. Raises Unavailable when it should be tried again."""

    async def send(self, recipient: str, subject: str, body: str) -> None: ...


class BreachedPasswords(Protocol):
    """Passwords that are known from breaches."""

    async def known(self, password: str) -> bool: ...
