"""What the provider needs of the enclave. Raises Unavailable."""

from typing import Protocol

from nsl_protocol.enclave.messages import TokenKind


class LogoutSigner(Protocol):
    """Signs logout tokens, for the worker."""

    async def sign_token(self, kind: TokenKind, kid: str, wrapped: bytes, claims: bytes) -> str: ...
