"""A key as it is shown, and what every handler of keys takes."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar.di import NamedDependency
from litestar.params import HeaderParameter, SkipValidation

from nsl.identity.service import Idempotency
from nsl.keys.model import Key
from nsl.keys.service import Keys
from nsl_protocol.policy.document import Policy

KeysOf = NamedDependency[SkipValidation[Keys]]
Once = NamedDependency[SkipValidation[Idempotency]]
IdempotencyKey = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="The same key and body: the same answer, 7 days",
    ),
]


class EnclaveView(msgspec.Struct, frozen=True):
    """``mode`` is ``sim`` where the enclave is simulated."""

    mode: str
    measurement: str


class KeyView(msgspec.Struct, frozen=True):
    """``state``: active, disabled, destroying or destroyed; only an active key signs.

    ``destroys_at``: when a key that is destroying is destroyed; until then `enable` undoes it.
    """

    id: UUID
    name: str
    curve: str
    version: int
    state: str
    usages: list[str]
    public_key: str
    addresses: dict[str, str]
    policy: Policy
    created_at: datetime
    rotates_at: datetime
    enclave: EnclaveView
    destroys_at: datetime | None = None


def view(key: Key) -> KeyView:
    """A key as it is answered."""
    return KeyView(
        id=key.id,
        name=key.name,
        curve=key.curve.value,
        version=key.version,
        state=key.state.value,
        usages=[usage.value for usage in key.usages],
        public_key=key.public_key.hex(),
        addresses=key.addresses,
        policy=key.policy,
        created_at=key.created_at,
        rotates_at=key.rotates_at,
        enclave=EnclaveView(key.enclave.mode, key.enclave.measurement),
        destroys_at=key.destroys_at,
    )
