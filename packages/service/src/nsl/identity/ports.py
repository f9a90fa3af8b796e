"""What identity needs of the enclave, and of the other replicas. Raises EnclaveDown (Unavailable)."""

from typing import Protocol

from nsl_protocol.enclave.messages import TokenKeyCreated, TokenKind


class TokenSigner(Protocol):
    """Makes the keys that sign tokens, and signs with them."""

    async def create_token_key(self, kid: str) -> TokenKeyCreated: ...

    async def sign_token(self, kind: TokenKind, kid: str, wrapped: bytes, claims: bytes) -> str: ...
