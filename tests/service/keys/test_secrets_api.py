"""Secret keys over HTTP, with a real enclave."""

from base64 import b64decode, b64encode
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.service import Service


def text(content: bytes) -> str:
    return b64encode(content).decode()


@pytest.fixture(scope="module")
def api(service: Service) -> Iterator[httpx.Client]:
    with service.client(service.token(service.tenant().credentials)) as client:
        yield client


def made(api: httpx.Client, curve: str, **more: Any) -> str:
    answer = api.post("/v1/keys", json={"name": "secret", "curve": curve, **more})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def test_a_key_says_what_it_is_for(api: httpx.Client) -> None:
    key = api.get(f"/v1/keys/{made(api, 'aes-256-gcm')}").json()
    assert (key["usages"], key["addresses"]) == (["encrypt", "decrypt"], {})
    answer = api.post("/v1/keys", json={"name": "x", "curve": "aes-256-gcm", "usages": ["sign"]})
    assert (answer.status_code, answer.json()["code"]) == (422, "USAGE_UNSUITABLE")


def test_encrypt_decrypt_and_data_keys(api: httpx.Client) -> None:
    path = f"/v1/keys/{made(api, 'aes-256-gcm')}"
    context = {"context": text(b"invoices")}
    sealed = api.post(f"{path}/encrypt", json={"plaintext": text(b"secret"), **context}).json()
    opened = api.post(f"{path}/decrypt", json={"ciphertext": sealed["ciphertext"], **context}).json()
    assert b64decode(opened["plaintext"]) == b"secret"
    other = api.post(f"{path}/decrypt", json={"ciphertext": sealed["ciphertext"]})
    assert (other.status_code, other.json()["code"]) == (422, "CIPHERTEXT_NOT_AUTHENTIC")
    data = api.post(f"{path}/data-keys", json={}).json()
    opened = api.post(f"{path}/decrypt", json={"ciphertext": data["ciphertext"]}).json()
    assert opened["plaintext"] == data["plaintext"]
    assert api.post(f"{path}/data-keys", json={"show": False}).json()["plaintext"] is None


def test_a_rotated_key_opens_what_it_sealed_before(api: httpx.Client) -> None:
    path = f"/v1/keys/{made(api, 'aes-256-gcm')}"
    sealed = api.post(f"{path}/encrypt", json={"plaintext": text(b"secret")}).json()
    assert sealed["key_version"] == 1
    before = api.get(path).json()
    rotated = api.post(f"{path}/rotate").json()
    assert (rotated["version"], rotated["rotation_due"]) == (2, False)
    assert rotated["public_key"] == before["public_key"]
    opened = api.post(f"{path}/decrypt", json={"ciphertext": sealed["ciphertext"]}).json()
    assert (b64decode(opened["plaintext"]), opened["key_version"]) == (b"secret", 1)
    assert api.post(f"{path}/encrypt", json={"plaintext": ""}).json()["key_version"] == 2
    once = {"Idempotency-Key": "rotate-once"}
    assert [api.post(f"{path}/rotate", headers=once).json()["version"] for _ in range(2)] == [3, 3]
    assert api.get("/v1/keys", params={"rotation_due": True}).json()["items"] == []


def test_what_is_asked_of_the_wrong_key_says_what_it_can(api: httpx.Client) -> None:
    path = f"/v1/keys/{made(api, 'hmac-sha256')}"
    answer = api.post(f"{path}/encrypt", json={"plaintext": ""})
    assert (answer.status_code, answer.json()["code"]) == (422, "KIND_UNSUITABLE")
    assert "it can: mac, verify-mac" in answer.json()["detail"]
    answer = api.post(f"{path}/sign", json={"kind": "message", "payload": {"text": "m"}})
    assert answer.json()["code"] == "KIND_UNSUITABLE"
    signing = f"/v1/keys/{made(api, 'ed25519')}"
    assert api.post(f"{signing}/mac", json={"data": ""}).json()["code"] == "KIND_UNSUITABLE"


def test_macs(api: httpx.Client) -> None:
    path = f"/v1/keys/{made(api, 'hmac-sha256')}"
    mac = api.post(f"{path}/mac", json={"data": text(b"m")}).json()["mac"]
    assert api.post(f"{path}/mac/verify", json={"data": text(b"m"), "mac": mac}).json()["valid"] is True
    assert api.post(f"{path}/mac/verify", json={"data": text(b"n"), "mac": mac}).json()["valid"] is False


def test_a_usage_is_kept_to_by_the_enclave(api: httpx.Client) -> None:
    path = f"/v1/keys/{made(api, 'aes-256-gcm', usages=['encrypt'])}"
    assert api.get(path).json()["policy"]["kinds"] == ["encrypt", "data-key"]
    sealed = api.post(f"{path}/encrypt", json={"plaintext": text(b"x")}).json()["ciphertext"]
    refused = api.post(f"{path}/decrypt", json={"ciphertext": sealed})
    assert (refused.status_code, refused.json()["code"]) == (403, "KIND_NOT_ALLOWED")


def test_batches_answer_each_on_its_own(api: httpx.Client) -> None:
    path = f"/v1/keys/{made(api, 'aes-256-gcm')}"
    items = [{"plaintext": text(str(number).encode())} for number in range(256)]
    sealed = api.post(f"{path}/encrypt-batch", json={"items": items}).json()["items"]
    ciphertexts = [{"ciphertext": each["result"]} for each in sealed]
    ciphertexts[7] = {"ciphertext": text(b"junk")}
    opened = api.post(f"{path}/decrypt-batch", json={"items": ciphertexts}).json()["items"]
    assert opened[7]["error"]["code"] == "CIPHERTEXT_NOT_AUTHENTIC"
    assert [b64decode(each["result"]) for each in opened[:7]] == [str(number).encode() for number in range(7)]
    assert len({each["record_id"] for each in sealed}) == 256
    mac = f"/v1/keys/{made(api, 'hmac-sha256')}/mac-batch"
    results = api.post(mac, json={"items": [{"data": text(b"a")}, {"data": text(b"a")}]}).json()["items"]
    assert results[0]["result"] == results[1]["result"]


def test_a_disabled_key_does_nothing(api: httpx.Client) -> None:
    path = f"/v1/keys/{made(api, 'aes-256-gcm')}"
    api.post(f"{path}/disable")
    answer = api.post(f"{path}/encrypt", json={"plaintext": ""})
    assert (answer.status_code, answer.json()["code"]) == (409, "KEY_NOT_ACTIVE")
