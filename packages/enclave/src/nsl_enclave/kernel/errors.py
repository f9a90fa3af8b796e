"""Why an enclave will not.

EnclaveError
├── PlatformError    the machine below is not what an enclave needs, or answered what it may not answer
├── SealError        the seal cannot be opened: another platform, another program, tampered, or newer than this code
├── ManifestError    the cluster's manifest cannot be read, or is not the one that holds
├── Violation        a peer broke the protocol; its connection ends, and after authentication the peer
└── Refusal          an answer: what was asked is not allowed
"""


class EnclaveError(Exception):
    """Base of the enclave's own errors; the text never holds a secret."""


class PlatformError(EnclaveError):
    """The machine below is not what an enclave needs, or its answer is not to be trusted. The text says what to set."""


class SealError(EnclaveError):
    """The sealed state cannot be opened. The enclave does not start, and never makes a new root by itself."""


class ManifestError(EnclaveError):
    """The cluster's manifest cannot be read, or is not the one that holds."""


class Violation(EnclaveError):
    """A peer sent what it may not send."""


class Refusal(EnclaveError):
    """Becomes a ``Refused`` answer. ``code`` is stable; ``reason`` says what would change it."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
