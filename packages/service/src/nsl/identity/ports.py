"""What identity needs of the enclave. Raises EnclaveDown (Unavailable)."""

from typing import Protocol

from nsl_protocol.enclave.messages import TokenKeyCreated


class TokenSigner(Protocol):
    """Makes the keys that sign access tokens, and signs with them."""

    async def create_token_key(self, kid: str) -> TokenKeyCreated: ...

    async def sign_token(self, kid: str, wrapped: bytes, claims: bytes) -> str: ...
