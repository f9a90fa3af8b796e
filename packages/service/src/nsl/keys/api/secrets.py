"""Secret keys over HTTP: encrypt, decrypt, data keys, MACs. Bytes are base64."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, SkipValidation
from litestar.status_codes import HTTP_200_OK
from msgspec import Meta

from nsl.identity.model import Caller, Requires, Scope
from nsl.keys.api.keys import ItemError, Quota, item_error
from nsl.keys.service import Done, SecretKeys
from nsl.kit.errors import Failure
from nsl_protocol.enclave.symmetric import (
    MAC_BYTES,
    ORDERS_MAX,
    OVERHEAD_BYTES,
    PLAINTEXT_BYTES_MAX,
    Authenticate,
    CheckMac,
    Decrypt,
    Encrypt,
    GenerateDataKey,
    version_of,
)

SecretsOf = NamedDependency[SkipValidation[SecretKeys]]

type Base64 = Annotated[bytes, Meta(max_length=PLAINTEXT_BYTES_MAX, description="base64")]
type Context = Annotated[bytes, Meta(max_length=4096, description="base64; has to be brought again to decrypt")]
type Sealed = Annotated[bytes, Meta(max_length=PLAINTEXT_BYTES_MAX + OVERHEAD_BYTES, description="base64")]
type Mac = Annotated[bytes, Meta(min_length=MAC_BYTES, max_length=MAC_BYTES, description="base64, 32 bytes")]


class EncryptRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``context``: associated data: it is bound to the ciphertext, not in it."""

    plaintext: Base64
    context: Context | None = None


class DecryptRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    ciphertext: Sealed
    context: Context | None = None


class DataKeyRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``show``: whether the key is answered in the clear beside its ciphertext."""

    show: bool = True
    context: Context | None = None


class MacRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    data: Base64


class MacCheck(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    data: Base64
    mac: Mac


class EncryptBatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    items: Annotated[list[EncryptRequest], Meta(min_length=1, max_length=ORDERS_MAX)]


class DecryptBatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    items: Annotated[list[DecryptRequest], Meta(min_length=1, max_length=ORDERS_MAX)]


class MacBatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    items: Annotated[list[MacRequest], Meta(min_length=1, max_length=ORDERS_MAX)]


class CiphertextView(msgspec.Struct, frozen=True):
    """``ciphertext``: keep it whole. ``record_id``: of its leaf in the audit log."""

    ciphertext: bytes
    key_version: int
    record_id: UUID


class PlaintextView(msgspec.Struct, frozen=True):
    plaintext: bytes
    key_version: int
    record_id: UUID


class DataKeyView(msgspec.Struct, frozen=True):
    """``plaintext``: 32 bytes to encrypt with; forget them, and let `decrypt` open ``ciphertext`` when it is needed."""

    ciphertext: bytes
    key_version: int
    record_id: UUID
    plaintext: bytes | None = None


class MacView(msgspec.Struct, frozen=True):
    """``mac``: HMAC-SHA256."""

    mac: bytes
    key_version: int
    record_id: UUID


class MacVerdict(msgspec.Struct, frozen=True):
    valid: bool
    key_version: int
    record_id: UUID


class UsedItem(msgspec.Struct, frozen=True):
    """``result``: ciphertext, plaintext or MAC; or ``error``."""

    result: bytes | None = None
    record_id: UUID | None = None
    error: ItemError | None = None


class UsedBatch(msgspec.Struct, frozen=True):
    items: list[UsedItem]
    next_cursor: None = None


@post(
    "/v1/keys/{key_id:uuid}/encrypt",
    operation_id="encrypt",
    summary="Encrypt up to 64 KiB with a secret key",
    tags=["keys"],
    status_code=HTTP_200_OK,
)
async def encrypt(
    caller: Annotated[Caller, Requires(Scope.KEYS_ENCRYPT, resource="key_id")],
    secrets: SecretsOf,
    key_id: FromPath[UUID],
    data: JSONBody[EncryptRequest],
) -> CiphertextView:
    done = _only(await secrets.use(caller, key_id, [Encrypt(data.plaintext, data.context or b"")]))
    return CiphertextView(done.value, version_of(done.value), done.record)


@post(
    "/v1/keys/{key_id:uuid}/encrypt-batch",
    operation_id="encryptBatch",
    summary="Up to 256 in one call, each answered on its own",
    tags=["keys"],
    status_code=HTTP_200_OK,
)
async def encrypt_batch(
    caller: Annotated[Caller, Requires(Scope.KEYS_ENCRYPT, resource="key_id")],
    secrets: SecretsOf,
    quota: Quota,
    key_id: FromPath[UUID],
    data: JSONBody[EncryptBatch],
) -> UsedBatch:
    await quota(len(data.items) - 1)
    tasks = [Encrypt(each.plaintext, each.context or b"") for each in data.items]
    return _batch(await secrets.use(caller, key_id, tasks))


@post(
    "/v1/keys/{key_id:uuid}/decrypt",
    operation_id="decrypt",
    summary="Decrypt what encrypt or data-keys gave",
    tags=["keys"],
    status_code=HTTP_200_OK,
)
async def decrypt(
    caller: Annotated[Caller, Requires(Scope.KEYS_DECRYPT, resource="key_id")],
    secrets: SecretsOf,
    key_id: FromPath[UUID],
    data: JSONBody[DecryptRequest],
) -> PlaintextView:
    done = _only(await secrets.use(caller, key_id, [Decrypt(data.ciphertext, data.context or b"")]))
    return PlaintextView(done.value, version_of(data.ciphertext), done.record)


@post(
    "/v1/keys/{key_id:uuid}/decrypt-batch",
    operation_id="decryptBatch",
    summary="Up to 256 in one call, each answered on its own",
    tags=["keys"],
    status_code=HTTP_200_OK,
)
async def decrypt_batch(
    caller: Annotated[Caller, Requires(Scope.KEYS_DECRYPT, resource="key_id")],
    secrets: SecretsOf,
    quota: Quota,
    key_id: FromPath[UUID],
    data: JSONBody[DecryptBatch],
) -> UsedBatch:
    await quota(len(data.items) - 1)
    tasks = [Decrypt(each.ciphertext, each.context or b"") for each in data.items]
    return _batch(await secrets.use(caller, key_id, tasks))


@post(
    "/v1/keys/{key_id:uuid}/data-keys",
    operation_id="generateDataKey",
    summary="A fresh 256-bit key, encrypted by this one, to encrypt large things with",
    tags=["keys"],
    status_code=HTTP_200_OK,
)
async def generate_data_key(
    caller: Annotated[Caller, Requires(Scope.KEYS_ENCRYPT, resource="key_id")],
    secrets: SecretsOf,
    key_id: FromPath[UUID],
    data: JSONBody[DataKeyRequest],
) -> DataKeyView:
    done = _only(await secrets.use(caller, key_id, [GenerateDataKey(data.show, data.context or b"")]))
    return DataKeyView(done.value, version_of(done.value), done.record, done.data_key)


@post(
    "/v1/keys/{key_id:uuid}/mac",
    operation_id="mac",
    summary="HMAC-SHA256 of up to 64 KiB",
    tags=["keys"],
    status_code=HTTP_200_OK,
)
async def mac(
    caller: Annotated[Caller, Requires(Scope.KEYS_SIGN, resource="key_id")],
    secrets: SecretsOf,
    key_id: FromPath[UUID],
    data: JSONBody[MacRequest],
) -> MacView:
    done = _only(await secrets.use(caller, key_id, [Authenticate(data.data)]))
    return MacView(done.value, done.key.secret_version, done.record)


@post(
    "/v1/keys/{key_id:uuid}/mac-batch",
    operation_id="macBatch",
    summary="Up to 256 in one call, each answered on its own",
    tags=["keys"],
    status_code=HTTP_200_OK,
)
async def mac_batch(
    caller: Annotated[Caller, Requires(Scope.KEYS_SIGN, resource="key_id")],
    secrets: SecretsOf,
    quota: Quota,
    key_id: FromPath[UUID],
    data: JSONBody[MacBatch],
) -> UsedBatch:
    await quota(len(data.items) - 1)
    return _batch(await secrets.use(caller, key_id, [Authenticate(each.data) for each in data.items]))


@post(
    "/v1/keys/{key_id:uuid}/mac/verify",
    operation_id="verifyMac",
    summary="Whether a MAC is the data's; compared in constant time, inside the enclave",
    tags=["keys"],
    status_code=HTTP_200_OK,
)
async def verify_mac(
    caller: Annotated[Caller, Requires(Scope.KEYS_SIGN, resource="key_id")],
    secrets: SecretsOf,
    key_id: FromPath[UUID],
    data: JSONBody[MacCheck],
) -> MacVerdict:
    done = _only(await secrets.use(caller, key_id, [CheckMac(data.data, data.mac)]))
    return MacVerdict(done.value == b"\1", done.key.secret_version, done.record)


#: what ``nsl.http`` mounts
HANDLERS = (
    encrypt,
    encrypt_batch,
    decrypt,
    decrypt_batch,
    generate_data_key,
    mac,
    mac_batch,
    verify_mac,
)


def _only(results: Sequence[Done | Failure]) -> Done:
    """Raises the failure, where it is one."""
    (result,) = results
    if isinstance(result, Failure):
        raise result
    return result


def _batch(results: Sequence[Done | Failure]) -> UsedBatch:
    return UsedBatch(
        [
            UsedItem(error=item_error(each)) if isinstance(each, Failure) else UsedItem(each.value, each.record)
            for each in results
        ]
    )
