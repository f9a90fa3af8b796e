"""Python SDK of the Neo Service Layer.

    from nsl_client import Client

    with Client.from_credentials(".state/credentials.json") as nsl:
        key = nsl.keys.create("treasury", "secp256r1")

``AsyncClient`` has the same methods for asyncio. Calls that read, and calls that carry an Idempotency-Key (the SDK
makes one for each), are repeated when the connection fails or the API asks to wait.
"""

from nsl_client.client import AsyncClient, Client
from nsl_client.errors import ApiError, ConnectionFailed, NslError, Timeout, TransactionFailed
from nsl_client.model import Balance, Block, Chain, Fees, Key, Page, Signature, Transaction

__all__ = [
    "ApiError",
    "AsyncClient",
    "Balance",
    "Block",
    "Chain",
    "Client",
    "ConnectionFailed",
    "Fees",
    "Key",
    "NslError",
    "Page",
    "Signature",
    "Timeout",
    "Transaction",
    "TransactionFailed",
]
