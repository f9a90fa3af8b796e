"""A key as it is shown, and what every handler of keys takes."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar.di import NamedDependency
from litestar.params import HeaderParameter, SkipValidation
from msgspec import Meta

from nsl.identity.service import Idempotency, Note
from nsl.keys.errors import RecipientUnsuitable
from nsl.keys.model import Key
from nsl.keys.service import Keys
from nsl.kit.clock import now
from nsl.kit.db import Connection
from nsl_protocol.attestation.keys import Origin
from nsl_protocol.enclave.lifecycle import KeyState
from nsl_protocol.enclave.portable import RECIPIENTS_MAX
from nsl_protocol.policy.document import Policy

type ProofText = Annotated[
    str, Meta(pattern=r"^([0-9a-f]{2}){64,2048}$(?!\n)", description="hex: a signature, or an assertion of a passkey")
]
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


#: X25519 public keys, hex
ExportRecipients = Annotated[
    list[Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]],
    Meta(max_length=RECIPIENTS_MAX, description="X25519 public keys in hex: `nsl keys export-recipient` makes one"),
]


#: as the CLI tells it from an id: no UUID has it
AliasText = Annotated[
    str,
    Meta(
        pattern=r"^(?![0-9a-f]{8}-[0-9a-f]{4}-)[a-z0-9][a-z0-9._/-]{0,62}$(?!\n)",
        description="Small letters, digits, `.`, `_`, `/`, `-`; one live key of a tenant has it at a time",
    ),
]
TAGS_MAX = 32
TagName = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._/-]{0,62}$(?!\n)")]
Tags = Annotated[
    dict[TagName, Annotated[str, Meta(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$(?!\n)")]],
    Meta(max_length=TAGS_MAX, description="What you want to find the key by, by name"),
]


class EnclaveView(msgspec.Struct, frozen=True):
    """``mode`` is ``sim`` where the enclave is simulated."""

    mode: str
    measurement: str


class KeyView(msgspec.Struct, frozen=True):
    """``state``: active, disabled, destroying, frozen or destroyed; only an active key signs.

    ``destroys_at``: when a key that is destroying is destroyed; until then `enable` undoes it.
    ``origin``: generated (in the enclave) or imported. ``exportable`` and to whom was fixed when the key was made. The
    enclave has both sealed with the key: `GET /v1/keys/{id}/attestation` proves it.
    ``version``: of a secret key, which is rotated at ``rotates_at``; any other is to be replaced by then, by people.
    ``alias`` and ``tags`` are the tenant's own. ``last_used_at``: its last use came within the minute after that.
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
    origin: str = Origin.GENERATED.value
    exportable: bool = False
    export_recipients: list[str] = []
    alias: str | None = None
    tags: dict[str, str] = {}
    last_used_at: datetime | None = None
    frozen_at: datetime | None = None
    rotation_due: bool = False


def view(key: Key) -> KeyView:
    """A key as it is answered."""
    return KeyView(
        id=key.id,
        name=key.labels.name,
        curve=key.curve.value,
        version=key.secret_version,
        state=key.state.value,
        usages=[usage.value for usage in key.usages],
        public_key=key.public_key.hex(),
        addresses=key.addresses,
        policy=key.policy,
        created_at=key.created_at,
        rotates_at=key.rotates_at,
        enclave=EnclaveView(key.enclave.mode, key.enclave.measurement),
        destroys_at=key.destroys_at,
        origin=key.origin.value,
        exportable=bool(key.recipients),
        export_recipients=[each.hex() for each in key.recipients],
        alias=key.labels.alias,
        tags=dict(key.labels.tags),
        last_used_at=key.last_used_at,
        frozen_at=key.frozen_at,
        rotation_due=key.state is KeyState.ACTIVE and key.rotates_at <= now(),
    )


def viewed(note: Note[KeyView]) -> Note[Key]:
    """The note of a key's view, taken of the key."""

    async def noted(connection: Connection, key: Key) -> None:
        await note(connection, view(key))

    return noted


def recipients(*, exportable: bool, named: list[str]) -> tuple[bytes, ...]:
    """Whom a new key may be exported to. Raises RecipientUnsuitable: it is exportable to nobody, or not and to some."""
    if exportable != bool(named):
        raise RecipientUnsuitable(
            "A key is exportable to the export_recipients that are named with it; name them, or leave both out.",
            field="export_recipients",
        )
    return tuple(map(bytes.fromhex, named))
