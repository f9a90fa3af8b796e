"""What the keys slice needs of the enclave.

Every method raises EnclaveDown (Unavailable); those that make or change keys also EnclaveRefused (Denied), whose code
is the enclave's.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from nsl_protocol.attestation.binding import Purpose
from nsl_protocol.enclave.below import KeysDerived
from nsl_protocol.enclave.evaluation import Evaluated
from nsl_protocol.enclave.lifecycle import ChangeApproval, KeyChange, KeyChanged
from nsl_protocol.enclave.membership import Quoted
from nsl_protocol.enclave.messages import Curve, ImportKey, KeyCreated, Refused, Signature, SignOrder, Status
from nsl_protocol.enclave.policies import PolicyChanged
from nsl_protocol.enclave.portable import KeyAttested, KeyExported
from nsl_protocol.enclave.signable import Signable
from nsl_protocol.enclave.symmetric import Product, UseOrder
from nsl_protocol.enclave.wrapped import KeyName
from nsl_protocol.policy.document import Policy


class KeyChanger(Protocol):
    """Makes the editions of a key that its life leads through."""

    async def change_key(
        self,
        name: KeyName,
        wrapped: bytes,
        change: KeyChange,
        wait_seconds: int = 0,
        approval: ChangeApproval | None = None,
    ) -> KeyChanged:
        """The edition that a change leads to. Nothing is changed by it alone."""

    async def enter_key(self, name: KeyName, wrapped: bytes) -> None:
        """Make an edition the present one, for good; when it is already, that is well."""


class KeyEnclave(Protocol):
    """Makes keys and signs with them."""

    async def status(self) -> Status: ...

    async def create_key(
        self, name: KeyName, curve: Curve, policy: Policy, *, recipients: Sequence[bytes] = ()
    ) -> KeyCreated: ...

    async def evaluate(self, name: KeyName, wrapped: bytes, what: Signable) -> Evaluated:
        """What signing would come to. Raises EnclaveRefused, RootReplaced."""

    async def derive_keys(self, name: KeyName, wrapped: bytes, first: int, count: int) -> KeysDerived:
        """Public keys below. Raises EnclaveRefused, RootReplaced."""

    async def sign(self, orders: Sequence[SignOrder], *, slow: bool = False) -> tuple[Signature | Refused, ...]:
        """A result for each order, in order. ``slow``: each takes milliseconds, so that others go between them."""


class SecretEnclave(Protocol):
    """Lets secret keys work."""

    async def use(self, orders: Sequence[UseOrder]) -> tuple[Product | Refused, ...]: ...


class PolicyEnclave(Protocol):
    """Makes the editions of a key in which another policy holds, or waits to."""

    @property
    def cluster(self) -> bytes: ...

    async def change_policy(
        self, name: KeyName, wrapped: bytes, policy: Policy, expires_at: int, approvals: Mapping[str, bytes]
    ) -> PolicyChanged:
        """Nothing is changed by it alone."""

    async def settle_policy(self, name: KeyName, wrapped: bytes, *, withdrawn: bool) -> PolicyChanged:
        """The policy that waits holds, or waits no more. Nothing is changed by it alone."""


class PortableEnclave(Protocol):
    """Takes keys from elsewhere, gives them to their recipients, and says what they are."""

    async def status(self) -> Status: ...

    async def proof(self, purpose: Purpose, nonce: bytes) -> Quoted:
        """A fresh quote with its collateral, for a caller to verify."""

    async def import_key(self, order: ImportKey) -> KeyCreated:
        """On return it is the register's."""

    async def export_key(self, name: KeyName, wrapped: bytes, recipient: bytes) -> KeyExported:
        """Encrypted to that recipient."""

    async def attest_key(self, name: KeyName, wrapped: bytes, nonce: bytes) -> KeyAttested:
        """With the quote's collateral."""


class Holdings(Protocol):
    """What accounts hold, by the chain's own word."""

    async def holdings(self, chain: str, address: str, contracts: Sequence[str]) -> Sequence[str] | None:
        """Amounts with their assets, such as ``1.5 GAS``: native ones, and of these contracts; on N3 all others.

        None: no node says so.
        """
