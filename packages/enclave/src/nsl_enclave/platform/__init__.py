"""What an enclave program asks of the machine below it. ``simulated`` is the only platform of this version."""

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
