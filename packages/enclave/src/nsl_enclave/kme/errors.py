"""What the KME answers when it will not."""

from nsl_enclave.kernel.errors import EnclaveError


class Refusal(EnclaveError):
    """Becomes a ``Refused`` answer. ``code`` is stable; ``reason`` says what would change it."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
