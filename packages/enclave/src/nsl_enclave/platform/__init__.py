"""What an enclave program asks of the machine below it: ``gramine`` runs it in SGX, ``simulated`` in a process."""

from typing import Protocol


class Platform(Protocol):
    """Identity, sealing key and isolation."""

    mode: str
    measurement: str
    security_version: int

    def sealing_key(self) -> bytes:
        """32 bytes that only the same program by the same signer gets on this platform."""

    def isolate(self) -> tuple[str, ...]:
        """Give up what is not needed any more; the names of the layers that are active."""


class Attesting(Platform, Protocol):
    """A platform that can prove which program runs on it."""

    def quote(self, report_data: bytes) -> bytes:
        """Exactly 64 bytes of user report data in, a DCAP quote out."""
