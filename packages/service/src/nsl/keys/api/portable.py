"""Keys that come from elsewhere, keys that may leave, and what the enclave says of a key, over HTTP."""

import base64
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter, SkipValidation
from litestar.status_codes import HTTP_200_OK
from msgspec import Meta

from nsl.identity.model import Caller, Requires, Scope
from nsl.identity.service import Note
from nsl.keys.api.keys import curve_of, usages_of
from nsl.keys.api.views import ExportRecipients, IdempotencyKey, KeyView, Once, recipients, view
from nsl.keys.model import ROTATION_DAYS, Usage
from nsl.keys.service import NewImport, PortableKeys
from nsl.kit.clock import random_bytes
from nsl.kit.decoding import Label
from nsl_protocol.attestation.binding import NONCE_BYTES
from nsl_protocol.attestation.keys import DestructionCertificate, KeyAttestation, StatementDocument
from nsl_protocol.enclave.portable import KeyAttested
from nsl_protocol.policy.document import Policy

PortableOf = NamedDependency[SkipValidation[PortableKeys]]
Hex32 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
ENCRYPTED_BYTES_MAX = 4096

AskersNonce = Annotated[
    str | None,
    QueryParameter(pattern="^[0-9a-f]{64}$", description="32 random bytes in hex; left out: one is made"),
]


class ImportParametersView(msgspec.Struct, frozen=True):
    """What a private key is encrypted with before it is sent. Verify it first: the layer did not.

    The quote's report data must be that of purpose ``import`` over the cluster that you have pinned, your nonce and
    ``wrapping_key`` (X25519). ``quote`` is base64, the rest hex. ``key_id``: of the key to be; it is used once.
    """

    key_id: UUID
    wrapping_key: str
    nonce: str
    cluster: str
    quote: str
    collateral: dict[str, str]


class ImportKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``encrypted_key``: HPKE to ``wrapping_key``, over everything else here that the enclave knows (hex).

    ``id``: the ``key_id`` of the import parameters. The SDK makes the whole: ``nsl_client.portable.encrypt_key``.
    """

    id: UUID
    name: Label
    curve: Annotated[str, Meta(max_length=40)]
    wrapping_key: Hex32
    encrypted_key: Annotated[str, Meta(pattern="^([0-9a-f]{2})+$", max_length=2 * ENCRYPTED_BYTES_MAX)]
    usages: Annotated[tuple[Usage, ...], Meta(max_length=10)] = ()
    policy: Policy | None = None
    rotation_days: Annotated[int, Meta(ge=1, le=3650)] = ROTATION_DAYS
    exportable: bool = False
    export_recipients: ExportRecipients = []


class ExportKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``recipient``: one of the key's ``export_recipients``."""

    recipient: Hex32


class ExportView(msgspec.Struct, frozen=True):
    """A private key, encrypted (HPKE, hex) to ``recipient``, bound to cluster, tenant, key, version and curve."""

    cluster: str
    tenant_id: UUID
    key_id: UUID
    version: int
    curve: str
    public_key: str
    recipient: str
    encrypted_key: str


@get(
    "/v1/keys/import-parameters",
    operation_id="getImportParameters",
    summary="What a private key is encrypted with, and the enclave's proof that it alone can open it",
    tags=["keys"],
)
async def get_import_parameters(
    caller: Annotated[Caller, Requires(Scope.KEYS_IMPORT)],
    portable: PortableOf,
    nonce: Annotated[str, QueryParameter(pattern="^[0-9a-f]{64}$", description="32 random bytes in hex")],
) -> ImportParametersView:
    found = await portable.import_parameters(bytes.fromhex(nonce))
    return ImportParametersView(
        key_id=found.key_id,
        wrapping_key=found.wrapping_key.hex(),
        nonce=nonce,
        cluster=found.quoted.cluster.hex(),
        quote=base64.b64encode(found.quoted.quote).decode(),
        collateral=_collateral(found.quoted.collateral),
    )


@post(
    "/v1/keys/import",
    operation_id="importKey",
    summary="Take in a private key that is encrypted to the enclave; it says `imported` for good",
    tags=["keys"],
)
async def import_key(
    caller: Annotated[Caller, Requires(Scope.KEYS_IMPORT)],
    portable: PortableOf,
    idempotency: Once,
    data: JSONBody[ImportKey],
    idempotency_key: IdempotencyKey = None,
) -> KeyView:
    new = NewImport(
        id=data.id,
        name=data.name,
        curve=curve_of(data.curve),
        usages=usages_of(data.usages, curve_of(data.curve)),
        policy=data.policy or Policy(),
        rotation_days=data.rotation_days,
        recipients=recipients(exportable=data.exportable, named=data.export_recipients),
        wrapping_key=bytes.fromhex(data.wrapping_key),
        encrypted=bytes.fromhex(data.encrypted_key),
    )

    async def act(note: Note[KeyView]) -> KeyView:
        made = await portable.import_key(caller, new, lambda connection, key: note(connection, view(key)))
        return view(made)

    return await idempotency.once(caller, idempotency_key, ("importKey", data), KeyView, act)


@post(
    "/v1/keys/{key_id:uuid}/export",
    operation_id="exportKey",
    summary="The private key, encrypted to a recipient who was named when it was made",
    tags=["keys"],
    status_code=HTTP_200_OK,
)
async def export_key(
    caller: Annotated[Caller, Requires(Scope.KEYS_EXPORT, resource="key_id")],
    portable: PortableOf,
    key_id: FromPath[UUID],
    data: JSONBody[ExportKey],
) -> ExportView:
    # Without an Idempotency-Key: what is given out is kept nowhere.
    made = await portable.export(caller, key_id, bytes.fromhex(data.recipient))
    return ExportView(
        cluster=made.cluster.hex(),
        tenant_id=made.tenant,
        key_id=key_id,
        version=made.key.version,
        curve=made.key.curve.value,
        public_key=made.key.public_key.hex(),
        recipient=data.recipient,
        encrypted_key=made.encrypted.hex(),
    )


@get(
    "/v1/keys/{key_id:uuid}/attestation",
    operation_id="getKeyAttestation",
    summary="What the enclave says of a key: where it was made, whether it can leave, its rules; signed inside it",
    tags=["keys"],
)
async def get_key_attestation(
    caller: Annotated[Caller, Requires(Scope.KEYS_READ, resource="key_id")],
    portable: PortableOf,
    key_id: FromPath[UUID],
    nonce: AskersNonce = None,
) -> KeyAttestation:
    asked = random_bytes(NONCE_BYTES) if nonce is None else bytes.fromhex(nonce)
    return _attestation(await portable.attestation(caller.tenant, key_id, asked))


@get(
    "/v1/keys/{key_id:uuid}/destruction-certificate",
    operation_id="getDestructionCertificate",
    summary="That a key was destroyed: signed inside the enclave, with the day when no backup holds it any more",
    tags=["keys"],
)
async def get_destruction_certificate(
    caller: Annotated[Caller, Requires(Scope.KEYS_READ, resource="key_id")],
    portable: PortableOf,
    key_id: FromPath[UUID],
    nonce: AskersNonce = None,
) -> DestructionCertificate:
    asked = random_bytes(NONCE_BYTES) if nonce is None else bytes.fromhex(nonce)
    made, final_at = await portable.certificate(caller.tenant, key_id, asked)
    return DestructionCertificate(_attestation(made), final_at)


def _attestation(made: KeyAttested) -> KeyAttestation:
    return KeyAttestation(
        statement=StatementDocument.of(made.statement),
        signature=made.signature.hex(),
        log_key=made.log_key.hex(),
        manifest_version=made.manifest_version,
        quote=base64.b64encode(made.quote).decode(),
        collateral=_collateral(made.collateral),
    )


#: what ``nsl.http`` mounts
HANDLERS = (get_import_parameters, import_key, export_key, get_key_attestation, get_destruction_certificate)


def _collateral(document: bytes | None) -> dict[str, str]:
    read = {} if document is None else msgspec.json.decode(document, type=dict[str, str | None])
    return {name: text for name, text in read.items() if text is not None}
