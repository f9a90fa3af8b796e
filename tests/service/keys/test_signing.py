"""Keys over HTTP: every kind of signature verifies elsewhere, every refusal says why, and what leaves is on record."""

import hashlib
import json
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from eth_account import Account
from eth_account.messages import encode_defunct, encode_typed_data
from eth_keys.datatypes import PublicKey
from neo3.core.cryptography import ECCCurve, ECPoint
from neo3.wallet import utils

from nsl_protocol.evm.address import EvmAddress
from nsl_protocol.evm.transaction import FeeMarketTransaction
from tests.protocol.evm.vectors import MAIL
from tests.support.service import Service, Tenant

HALF_OF_P256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551 // 2
DIGEST = hashlib.sha256(b"something").digest()


@pytest.fixture(scope="module")
def keys(api: httpx.Client) -> dict[str, dict[str, Any]]:
    """One key of each curve, and one of each that signs digests."""
    found = {}
    for curve in ("secp256r1", "secp256k1", "ed25519"):
        found[curve] = _made(api.post("/v1/keys", json={"name": curve, "curve": curve}))
        body = {"name": curve, "curve": curve, "policy": {"blind_signing": True}}
        found[f"{curve} blind"] = _made(api.post("/v1/keys", json=body))
    return found


def _made(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code in (200, 201), answer.text
    made: dict[str, Any] = answer.json()
    return made


def _sign(api: httpx.Client, key: dict[str, Any], kind: str, payload: Any, **more: Any) -> httpx.Response:
    return api.post(f"/v1/keys/{key['id']}/sign", json={"kind": kind, "payload": payload, **more})


def _p256(public_key: str, signature: str, digest: bytes) -> None:
    """Raises unless it verifies and is low in s."""
    raw = bytes.fromhex(signature)
    r, s = int.from_bytes(raw[:32]), int.from_bytes(raw[32:])
    assert len(raw) == 64
    assert s <= HALF_OF_P256
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), bytes.fromhex(public_key))
    key.verify(encode_dss_signature(r, s), digest, ec.ECDSA(Prehashed(hashes.SHA256())))


def test_a_key_shows_what_it_is_and_where_it_was_made(api: httpx.Client, keys: dict[str, Any]) -> None:
    key = keys["secp256r1"]
    assert (key["version"], key["state"], key["usages"], key["curve"]) == (1, "active", ["sign"], "secp256r1")
    assert key["policy"] == {}
    assert key["enclave"]["mode"] == "sim"
    assert len(bytes.fromhex(key["enclave"]["measurement"])) == 32
    assert api.get(f"/v1/keys/{key['id']}").json() == key
    assert "wrapped" not in json.dumps(key)


def test_addresses_are_those_of_other_implementations(keys: dict[str, Any]) -> None:
    n3 = keys["secp256r1"]
    point = ECPoint(bytes.fromhex(n3["public_key"]), ECCCurve.SECP256R1, True)
    assert n3["addresses"] == {"neo-n3": utils.script_hash_to_address(utils.public_key_to_script_hash(point))}
    neo_x = keys["secp256k1"]
    public = PublicKey.from_compressed_bytes(bytes.fromhex(neo_x["public_key"]))
    assert neo_x["addresses"] == {"neo-x": public.to_checksum_address()}
    assert keys["ed25519"]["addresses"] == {}


def test_a_message_is_signed_in_the_n3_wallets_envelope(api: httpx.Client, keys: dict[str, Any]) -> None:
    answer = _made(_sign(api, keys["secp256r1"], "message", {"text": "héllo"}))
    salted = answer["salt"].encode() + "héllo".encode()
    envelope = b"\x01\x00\x01\xf0" + bytes((len(salted),)) + salted + b"\x00\x00"
    _p256(answer["public_key"], answer["signature"], hashlib.sha256(envelope).digest())
    assert answer["key_version"] == 1


def test_a_message_is_signed_as_eip_191(api: httpx.Client, keys: dict[str, Any]) -> None:
    key = keys["secp256k1"]
    answer = _made(_sign(api, key, "message", {"hex": "00ff"}))
    signer = Account.recover_message(encode_defunct(b"\x00\xff"), signature=bytes.fromhex(answer["signature"]))
    assert signer == key["addresses"]["neo-x"]


def test_a_message_is_signed_with_ed25519_under_a_prefix(api: httpx.Client, keys: dict[str, Any]) -> None:
    answer = _made(_sign(api, keys["ed25519"], "message", {"text": "hello"}))
    signed = b"Neo Service Layer Signed Message:\n5\nhello"
    Ed25519PublicKey.from_public_bytes(bytes.fromhex(answer["public_key"])).verify(
        bytes.fromhex(answer["signature"]), signed
    )


def test_typed_data_is_signed_as_eip_712(api: httpx.Client, keys: dict[str, Any]) -> None:
    key = keys["secp256k1"]
    answer = _made(_sign(api, key, "typed-data", MAIL))
    signer = Account.recover_message(encode_typed_data(full_message=MAIL), signature=bytes.fromhex(answer["signature"]))
    assert signer == key["addresses"]["neo-x"]
    assert answer["decoded"]["primary_type"] == "Mail"


def test_typed_data_with_a_nul_character_is_signed_too(api: httpx.Client, keys: dict[str, Any]) -> None:
    document = json.loads(json.dumps(MAIL).replace("Hello, Bob!", "\\u0000"))
    _made(_sign(api, keys["secp256k1"], "typed-data", document))


def test_an_evm_transaction_is_signed_and_told(api: httpx.Client, keys: dict[str, Any]) -> None:
    to = EvmAddress.parse("0x" + "11" * 20)
    unsigned = FeeMarketTransaction(12227332, 0, 21000, to, 5, b"", 20 * 10**9, 40 * 10**9)
    payload = {"hex": unsigned.unsigned_bytes().hex()}
    answer = _made(_sign(api, keys["secp256k1"], "evm-transaction", payload, network=12227332))
    assert answer["decoded"]["kind"] == "evm-transaction"
    wrong = _sign(api, keys["secp256k1"], "evm-transaction", payload, network=47763)
    assert (wrong.status_code, wrong.json()["code"]) == (422, "PAYLOAD_UNREADABLE")
    unnamed = _sign(api, keys["secp256k1"], "evm-transaction", payload)
    assert (unnamed.status_code, unnamed.json()["errors"][0]["field"]) == (422, "network")


def test_a_digest_is_signed_only_where_the_policy_allows_it(api: httpx.Client, keys: dict[str, Any]) -> None:
    refused = _sign(api, keys["secp256r1"], "digest", {"hex": DIGEST.hex()})
    assert (refused.status_code, refused.json()["code"]) == (403, "BLIND_SIGNING_NOT_ALLOWED")
    answer = _made(_sign(api, keys["secp256r1 blind"], "digest", {"hex": DIGEST.hex()}))
    _p256(answer["public_key"], answer["signature"], DIGEST)


@pytest.mark.parametrize(
    ("curve", "kind", "payload", "status", "field"),
    [
        ("secp256r1", "message", {}, 400, "payload"),
        ("secp256r1", "message", {"text": "a", "hex": "00"}, 400, "payload"),
        ("secp256r1", "message", {"hex": "0"}, 400, "payload.hex"),
        ("secp256r1", "message", {"hex": "zz"}, 400, "payload.hex"),
        ("secp256r1", "message", {"text": 5}, 400, "payload.text"),
        ("secp256r1", "message", {"words": "a"}, 400, "payload.words"),
        ("secp256r1 blind", "digest", {"hex": "00" * 31}, 400, "payload.hex"),
        ("secp256r1", "n3-transaction", {"hex": "00" * 40}, 422, "payload"),
        ("secp256r1", "evm-transaction", {"hex": "00" * 40}, 422, "kind"),
        ("secp256k1", "n3-transaction", {"hex": "00" * 40}, 422, "kind"),
        ("secp256k1", "typed-data", {"types": {}}, 422, "payload"),
        ("ed25519", "digest", {"hex": "00" * 32}, 422, "kind"),
    ],
)
def test_what_cannot_be_signed_is_told(
    api: httpx.Client, keys: dict[str, Any], curve: str, kind: str, payload: Any, status: int, field: str
) -> None:
    answer = _sign(api, keys[curve], kind, payload, network=1)
    assert answer.status_code == status, answer.text
    assert answer.json()["errors"][0]["field"] == field


def test_a_policy_names_the_kinds_that_are_allowed(api: httpx.Client) -> None:
    body = {"name": "only messages", "curve": "secp256k1", "policy": {"kinds": ["message"]}}
    key = _made(api.post("/v1/keys", json=body))
    assert _sign(api, key, "message", {"text": "a"}).status_code == 200
    refused = _sign(api, key, "typed-data", MAIL)
    assert (refused.status_code, refused.json()["code"]) == (403, "KIND_NOT_ALLOWED")
    unsuitable = api.post("/v1/keys", json=body | {"curve": "ed25519", "policy": {"kinds": ["typed-data"]}})
    assert (unsuitable.status_code, unsuitable.json()["errors"][0]["field"]) == (422, "policy.kinds")


@pytest.mark.parametrize("curve", ["rsa-2048", "p-521", "SECP256R1", ""])
def test_another_curve_is_422_with_the_known_ones(api: httpx.Client, curve: str) -> None:
    answer = api.post("/v1/keys", json={"name": "a", "curve": curve})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "curve")
    assert "secp256r1, secp256k1, ed25519" in answer.json()["detail"]


def test_a_batch_answers_each_item_on_its_own(api: httpx.Client, keys: dict[str, Any]) -> None:
    message = {"kind": "message", "payload": {"text": "a"}}
    items = [
        message,
        {"kind": "digest", "payload": {"hex": DIGEST.hex()}},
        {"kind": "typed-data", "payload": MAIL},
        message,
    ]
    path = f"/v1/keys/{keys['secp256r1']['id']}/sign-batch"
    found = _made(api.post(path, json={"items": items}))["items"]
    codes = [None if each["error"] is None else each["error"]["code"] for each in found]
    assert codes == [None, "BLIND_SIGNING_NOT_ALLOWED", "KIND_UNSUITABLE", None]
    assert found[0]["signature"]["receipt_id"] != found[3]["signature"]["receipt_id"]
    assert api.post(path, json={"items": []}).status_code == 400
    assert api.post(path, json={"items": [message] * 257}).status_code == 400
    assert len(_made(api.post(path, json={"items": [message] * 256}))["items"]) == 256


def test_every_signature_that_leaves_is_on_record(
    service: Service, tenant: Tenant, api: httpx.Client, keys: dict[str, Any]
) -> None:
    answer = _made(_sign(api, keys["secp256k1"], "message", {"text": "on record"}))
    with psycopg.connect(service.environment["NSL_DATABASE_URL"]) as connection:
        connection.execute(f"SET app.current_tenant = '{tenant.id}'")
        row = connection.execute(
            "SELECT key_id::text, kind, signature, signed_by, decoded FROM signatures WHERE id = %s",
            (answer["receipt_id"],),
        ).fetchone()
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM signatures")
    assert row is not None
    assert row[:2] == (keys["secp256k1"]["id"], "message")
    assert row[2].hex() == answer["signature"][:128]
    assert row[3:] == (tenant.credentials["client_id"], answer["decoded"])


def test_a_repeated_request_signs_once(api: httpx.Client, keys: dict[str, Any]) -> None:
    path = f"/v1/keys/{keys['ed25519']['id']}/sign"
    body = {"kind": "message", "payload": {"text": "once"}}
    headers = {"idempotency-key": uuid4().hex}
    first = _made(api.post(path, json=body, headers=headers))
    assert _made(api.post(path, json=body, headers=headers)) == first
    other = api.post(path, json={"kind": "message", "payload": {"text": "twice"}}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "IDEMPOTENCY_KEY_REUSED")
    elsewhere = api.post("/v1/keys", json={"name": "a", "curve": "ed25519"}, headers=headers)
    assert elsewhere.status_code == 409
    assert api.post(path, json=body, headers={"idempotency-key": "k" * 256}).status_code == 400


@pytest.mark.parametrize("name", ["\x00", "a\nb", "\x7f"])
def test_a_name_has_no_control_characters(api: httpx.Client, name: str) -> None:
    answer = api.post("/v1/keys", json={"name": name, "curve": "ed25519"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "name")


@pytest.mark.parametrize("curve", ["secp256r1", "secp256k1", "ed25519"])
def test_a_signature_is_verified_as_it_was_made(api: httpx.Client, curve: str) -> None:
    key, other = (_made(api.post("/v1/keys", json={"name": "v", "curve": curve}))["id"] for _ in range(2))
    body = {"kind": "message", "payload": {"text": "m"}}
    signed = api.post(f"/v1/keys/{key}/sign", json=body).json()
    asked = body | {"signature": signed["signature"], "salt": signed["salt"] or ""}

    def valid(key_id: str, **changes: Any) -> bool:
        answer = api.post(f"/v1/keys/{key_id}/verify", json=asked | changes)
        assert answer.status_code == 200, answer.text
        return bool(answer.json()["valid"])

    assert valid(key)
    assert not valid(other)
    assert not valid(key, payload={"text": "n"})
    assert not valid(key, signature="00" * 64)
    junk = api.post(f"/v1/keys/{key}/verify", json=asked | {"signature": "zz"})
    assert junk.status_code == 400
