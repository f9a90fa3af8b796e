"""What an enclave program asks of the machine below it: ``gramine`` runs it in SGX, ``simulated`` in a process."""

from typing import Protocol

from nsl_protocol.attestation.verify import TrustAnchor


class Platform(Protocol):
    """Identity, proof of identity, sealing key and isolation.

    Attributes:
        mode: ``hw`` or ``sim``, for people; whoever must know reads it from a quote's certificate chain.
        measurement: 32 bytes as lower-case hex.
        anchor: the root that quotes of peers must chain to.
    """

    mode: str
    measurement: str
    security_version: int
    anchor: TrustAnchor

    def quote(self, report_data: bytes) -> bytes:
        """Exactly 64 bytes of user report data in, a DCAP quote out. Raises PlatformError."""

    def collateral(self, at: float) -> bytes | None:
        """What is said of this platform at that Unix time, as JSON; None where a PCCS has to be asked."""

    def sealing_key(self) -> bytes:
        """32 bytes that only the same program by the same signer gets on this platform."""

    def isolate(self) -> tuple[str, ...]:
        """Give up what is not needed any more; the names of the layers that are active."""
