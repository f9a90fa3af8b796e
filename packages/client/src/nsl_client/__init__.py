"""Python SDK of the Neo Service Layer.

    from nsl_client import Client

    with Client.from_credentials(".state/credentials.json") as nsl:
        key = nsl.keys.create("treasury", "secp256r1")

``AsyncClient`` has the same methods for asyncio. Calls that read, and calls that carry an Idempotency-Key (the SDK
makes one for each), are repeated when the connection fails or the API asks to wait.
"""

from nsl_client.client import AsyncClient, Client
from nsl_client.errors import (
    AnswerUnreadable,
    ApiError,
    Conflict,
    ConnectionFailed,
    Denied,
    Malformed,
    NotFound,
    NslError,
    RateLimited,
    Timeout,
    TransactionFailed,
    Unauthenticated,
    Unavailable,
    Unprocessable,
)
from nsl_client.model import (
    Balance,
    BatchResult,
    Block,
    Chain,
    Check,
    ClientInfo,
    ClientSecret,
    Enclave,
    EnclaveInfo,
    Evidence,
    Failure,
    Fees,
    Health,
    History,
    Key,
    Me,
    Mined,
    Page,
    Plan,
    Signature,
    Tenant,
    Transaction,
)

__all__ = [
    "AnswerUnreadable",
    "ApiError",
    "AsyncClient",
    "Balance",
    "BatchResult",
    "Block",
    "Chain",
    "Check",
    "Client",
    "ClientInfo",
    "ClientSecret",
    "Conflict",
    "ConnectionFailed",
    "Denied",
    "Enclave",
    "EnclaveInfo",
    "Evidence",
    "Failure",
    "Fees",
    "Health",
    "History",
    "Key",
    "Malformed",
    "Me",
    "Mined",
    "NotFound",
    "NslError",
    "Page",
    "Plan",
    "RateLimited",
    "Signature",
    "Tenant",
    "Timeout",
    "Transaction",
    "TransactionFailed",
    "Unauthenticated",
    "Unavailable",
    "Unprocessable",
]
