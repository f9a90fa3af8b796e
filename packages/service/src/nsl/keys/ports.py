"""What the keys slice needs of the enclave. Raises EnclaveDown (Unavailable); ``create_key`` also EnclaveRefused."""

from collections.abc import Sequence
from typing import Protocol

from nsl_protocol.enclave.messages import Curve, KeyCreated, Refused, Signature, SignOrder, Status
from nsl_protocol.enclave.wrapped import KeyName


class KeyEnclave(Protocol):
    """Makes keys and signs with them."""

    async def status(self) -> Status: ...

    async def create_key(self, name: KeyName, curve: Curve, *, blind_signing: bool) -> KeyCreated: ...

    async def sign(self, orders: Sequence[SignOrder]) -> tuple[Signature | Refused, ...]: ...
