"""Keys over HTTP: made, listed, signed with."""

from dataclasses import replace
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, SkipValidation
from litestar.status_codes import HTTP_200_OK
from msgspec import Meta

from nsl.identity.model import Caller, Requires, Scope
from nsl.identity.service import Note
from nsl.keys.api.addresses import AddressesOf
from nsl.keys.api.requesting import RequestSignature, ScoreBody, insist_on_requesters, together
from nsl.keys.api.views import (
    AliasText,
    ExportRecipients,
    IdempotencyKey,
    KeysOf,
    KeyView,
    Once,
    Tags,
    recipients,
    view,
)
from nsl.keys.errors import CurveUnsupported, SigningRefused, UsageUnsuitable
from nsl.keys.model import ROTATION_DAYS, USAGES_OF_CURVE, Labels, Usage
from nsl.keys.service import Approving, Made, Signed, ToSign, decoded, verifies
from nsl.kit.db import Connection
from nsl.kit.decoding import Label, Unreadable
from nsl.kit.errors import Failure, Malformed
from nsl.kit.limits import Spend
from nsl_protocol.enclave.messages import SIGN_ORDERS_MAX, Curve
from nsl_protocol.enclave.signable import AddressIndex
from nsl_protocol.policy.document import Kind, Policy

PAGE_MAX = 200
MESSAGE_BYTES_MAX = 65_536
#: as so many requests, making one does
RSA_KEY_COUNTS = 20

Quota = NamedDependency[SkipValidation[Spend]]
ApprovingOf = NamedDependency[SkipValidation[Approving]]


class CreateKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``curve``: secp256r1 (pays on Neo N3), secp256k1 (pays on Neo X), ed25519, rsa-3072; aes-256-gcm, hmac-sha256.

    ``usages``: what it is for; left out, all that a key of the curve can do. The enclave keeps to it.

    ``policy``: what the key may sign; the enclave keeps to it, and it stays as it is.
    ``exportable`` with ``export_recipients``: whom the enclave may ever encrypt the private key to. Fixed from here on.
    """

    name: Label
    curve: Annotated[str, Meta(max_length=40)]
    usages: Annotated[tuple[Usage, ...], Meta(max_length=10)] = ()
    policy: Policy | None = None
    rotation_days: Annotated[int, Meta(ge=1, le=3650)] = ROTATION_DAYS
    exportable: bool = False
    export_recipients: ExportRecipients = []
    alias: AliasText | None = None
    tags: Tags = {}


class MessagePayload(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``text`` or ``hex``, one of them."""

    text: Annotated[str, Meta(max_length=MESSAGE_BYTES_MAX)] | None = None
    hex: Annotated[str, Meta(max_length=2 * MESSAGE_BYTES_MAX)] | None = None


class HexPayload(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    hex: Annotated[str, Meta(min_length=2, max_length=524_288)]


class SignRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``payload``: for message `{text}` or `{hex}`, for digest and transactions `{hex}`, for typed-data the document.

    ``network``: the N3 magic number or EVM chain id that a transaction is for. ``address_index``: that of an address
    below the key, whose key signs it.
    """

    kind: Kind
    payload: dict[str, Any]
    network: Annotated[int, Meta(ge=0, le=2**53 - 1)] | None = None
    address_index: AddressIndex | None = None


class SignRequested(SignRequest, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A request to sign, which the client has signed, and a scorer has scored, where the policy wants that."""

    request_signature: RequestSignature | None = None
    risk_score: ScoreBody | None = None


class SignApproved(SignRequested, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A request to sign. ``approval_id``: of the approval of exactly this, where the policy wants one."""

    approval_id: UUID | None = None


class SignBatchRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    items: Annotated[list[SignRequested], Meta(min_length=1, max_length=SIGN_ORDERS_MAX)]


class VerifyRequest(SignRequest, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A request to sign, and what came of it. ``salt``: as ``sign`` answered it, for messages of secp256r1 keys."""

    signature: Annotated[str, Meta(pattern="^([0-9a-f]{128}|[0-9a-f]{130}|[0-9a-f]{768})$")]
    salt: Annotated[str, Meta(max_length=64)] = ""


class VerdictView(msgspec.Struct, frozen=True):
    """``key_version``: by whose public key."""

    valid: bool
    key_version: int


class SignatureView(msgspec.Struct, frozen=True):
    """``signature``: hex of r‖s, with v (1b or 1c) for secp256k1; of Ed25519; or of RSASSA-PSS with SHA-256.

    ``salt``: of the N3 message envelope.
    """

    signature: str
    public_key: str
    algorithm: str
    key_version: int
    decoded: dict[str, Any]
    receipt_id: UUID
    enclave_mode: str
    salt: str | None = None


class ItemError(msgspec.Struct, frozen=True):
    code: str
    detail: str


class BatchItem(msgspec.Struct, frozen=True):
    """One of both."""

    signature: SignatureView | None = None
    error: ItemError | None = None


class BatchView(msgspec.Struct, frozen=True):
    items: list[BatchItem]
    next_cursor: None = None


@post("/v1/keys", operation_id="createKey", summary="Make a key inside the enclave", tags=["keys"])
async def create_key(
    caller: Annotated[Caller, Requires(Scope.KEYS_CREATE)],
    keys: KeysOf,
    quota: Quota,
    idempotency: Once,
    data: JSONBody[CreateKey],
    idempotency_key: IdempotencyKey = None,
) -> KeyView:
    curve = curve_of(data.curve)
    if curve is Curve.RSA_3072:
        # The enclave does nothing else for the quarter of a second that it takes.
        await quota(RSA_KEY_COUNTS - 1)
    named = recipients(exportable=data.exportable, named=data.export_recipients)

    async def act(note: Note[KeyView]) -> KeyView:
        made = await keys.create(
            caller,
            labels=Labels(data.name, data.alias, data.tags),
            curve=curve,
            usages=usages_of(data.usages, curve),
            policy=data.policy or Policy(),
            rotation_days=data.rotation_days,
            recipients=named,
            note=lambda connection, made: note(connection, view(made)),
        )
        return view(made)

    return await idempotency.once(caller, idempotency_key, ("createKey", data), KeyView, act)


@post(
    "/v1/keys/{key_id:uuid}/sign",
    operation_id="sign",
    summary="Sign: the enclave parses what it signs",
    tags=["keys"],
    status_code=HTTP_200_OK,
)
async def sign(
    caller: Annotated[Caller, Requires(Scope.KEYS_SIGN, resource="key_id")],
    keys: KeysOf,
    idempotency: Once,
    approving: ApprovingOf,
    key_id: FromPath[UUID],
    data: JSONBody[SignApproved],
    idempotency_key: IdempotencyKey = None,
) -> SignatureView:
    item = to_sign(data)
    await insist_on_requesters(caller, keys, key_id, [data.request_signature])

    async def act(note: Note[SignatureView]) -> SignatureView:
        approval = item.approval
        if data.approval_id is not None:
            approval = together(await approving.carried(caller.tenant, key_id, data.approval_id), approval)

        async def signed(connection: Connection, results: Signed) -> None:
            await note(connection, _signature(results[0]))

        return _signature((await keys.sign(caller, key_id, [replace(item, approval=approval)], signed))[0])

    return await idempotency.once(caller, idempotency_key, ("sign", (key_id, data)), SignatureView, act)


@post(
    "/v1/keys/{key_id:uuid}/sign-batch",
    operation_id="signBatch",
    summary="Up to 256 signatures, each answered on its own",
    tags=["keys"],
    status_code=HTTP_200_OK,
)
async def sign_batch(
    caller: Annotated[Caller, Requires(Scope.KEYS_SIGN, resource="key_id")],
    keys: KeysOf,
    quota: Quota,
    idempotency: Once,
    key_id: FromPath[UUID],
    data: JSONBody[SignBatchRequest],
    idempotency_key: IdempotencyKey = None,
) -> BatchView:
    # The request itself has counted once; a batch of n counts n.
    await quota(len(data.items) - 1)
    items = list(map(to_sign, data.items))
    await insist_on_requesters(caller, keys, key_id, [each.request_signature for each in data.items])

    async def act(note: Note[BatchView]) -> BatchView:
        async def signed(connection: Connection, results: Signed) -> None:
            await note(connection, _batch(results))

        return _batch(await keys.sign(caller, key_id, items, signed))

    return await idempotency.once(caller, idempotency_key, ("signBatch", (key_id, data)), BatchView, act)


@post(
    "/v1/keys/{key_id:uuid}/verify",
    operation_id="verify",
    summary="Whether a signature is this key's over exactly that",
    tags=["keys"],
    status_code=HTTP_200_OK,
)
async def verify(
    caller: Annotated[Caller, Requires(Scope.KEYS_READ, resource="key_id")],
    keys: KeysOf,
    addresses: AddressesOf,
    key_id: FromPath[UUID],
    data: JSONBody[VerifyRequest],
) -> VerdictView:
    key = await keys.get(caller.tenant, key_id)
    below = None
    if data.address_index is not None:
        below = (await addresses.at(caller.tenant, key_id, data.address_index)).public_key
    signature = bytes.fromhex(data.signature)
    return VerdictView(verifies(key, to_sign(data), signature, data.salt, public_key=below), key.version)


#: what ``nsl.http`` mounts
HANDLERS = (create_key, sign, sign_batch, verify)


def curve_of(text: str) -> Curve:
    """Raises CurveUnsupported."""
    try:
        return Curve(text)
    except ValueError:
        known = ", ".join(Curve)
        raise CurveUnsupported(f"Keys of this version are {known}, not {text!r}.", field="curve") from None


def usages_of(named: tuple[Usage, ...], curve: Curve) -> tuple[Usage, ...]:
    """Those that are named, or all of the curve. Raises UsageUnsuitable."""
    can = USAGES_OF_CURVE[curve]
    unsuitable = [each for each in named if each not in can]
    if unsuitable:
        raise UsageUnsuitable(f"A key of {curve} is for {', '.join(can)}, not for {unsuitable[0]}.", field="usages")
    return tuple(dict.fromkeys(named)) or can


def to_sign(request: SignRequest) -> ToSign:
    item = ToSign(request.kind, _content(request), request.network, request.address_index)
    if not isinstance(request, SignRequested):
        return item
    signature, score = request.request_signature, request.risk_score
    return replace(
        item,
        approval=None if signature is None else signature.given,
        score=None if score is None else score.given,
    )


def _content(request: SignRequest) -> bytes:
    if request.kind is Kind.TYPED_DATA:
        return msgspec.json.encode(request.payload)
    if request.kind is Kind.MESSAGE:
        message = _payload(request, MessagePayload)
        if (message.text is None) == (message.hex is None):
            raise Malformed("A message is either text or hex.", field="payload")
        return message.text.encode() if message.text is not None else _hex(message.hex or "")
    payload = _hex(_payload(request, HexPayload).hex)
    if request.kind is Kind.DIGEST and len(payload) != 32:  # noqa: PLR2004 - a digest
        raise Malformed("A digest is 32 bytes of hex.", field="payload.hex")
    return payload


def _payload[T](request: SignRequest, kind: type[T]) -> T:
    try:
        return msgspec.convert(request.payload, kind)
    except msgspec.ValidationError as error:
        raise Unreadable.because(error, within="payload") from error


def _hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text.removeprefix("0x"))
    except ValueError as error:
        raise Malformed("This is not hex.", field="payload.hex") from error


def _signature(made: Made | Failure) -> SignatureView:
    """Raises the failure, where it is one."""
    if isinstance(made, Failure):
        raise made
    signature = made.signature
    v = b"" if signature.recovery is None else bytes((27 + signature.recovery,))
    return SignatureView(
        signature=(signature.signature + v).hex(),
        public_key=signature.public_key.hex(),
        algorithm=signature.algorithm,
        key_version=made.key.version,
        decoded=decoded(signature),
        receipt_id=made.receipt,
        enclave_mode=made.key.enclave.mode,
        salt=signature.salt,
    )


def _batch(results: Signed) -> BatchView:
    return BatchView(list(map(_batch_item, results)))


def _batch_item(result: Made | Failure) -> BatchItem:
    if isinstance(result, Failure):
        return BatchItem(error=item_error(result))
    return BatchItem(signature=_signature(result))


def item_error(failure: Failure) -> ItemError:
    """Of one item of a batch."""
    return ItemError(failure.enclave_code if isinstance(failure, SigningRefused) else failure.code, failure.detail)
