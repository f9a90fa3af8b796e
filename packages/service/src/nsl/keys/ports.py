"""What the keys slice needs of the enclave. Raises EnclaveDown (Unavailable); ``create_key`` also EnclaveRefused."""

from collections.abc import Sequence
from typing import Protocol

from nsl_protocol.enclave.messages import Curve, KeyCreated, KeyName, Refused, Signature, SignOrder, Status


class KeyEnclave(Protocol):
    """Makes keys and signs with them."""

    async def status(self) -> Status: ...

    async def create_key(self, name: KeyName, curve: Curve, *, blind_signing: bool) -> KeyCreated: ...

    async def sign(self, orders: Sequence[SignOrder]) -> tuple[Signature | Refused, ...]: ...
