"""RSA-3072 keys over HTTP: what they sign, by another library's word, and that nobody waits for a batch of them."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import httpx
import pytest
from Crypto.Hash import SHA256
from Crypto.PublicKey import RSA
from Crypto.Signature import pss

from tests.service.keys.answers import done, refused
from tests.support.service import Tenant

MESSAGE = {"kind": "message", "payload": {"text": "I own this key"}}
ENVELOPE = b"Neo Service Layer Signed Message (RSA):\n14\nI own this key"
BLIND = {"kinds": ["message", "digest"], "blind_signing": True}


@pytest.fixture(scope="module")
def key(api: httpx.Client) -> dict[str, Any]:
    return done(api.post("/v1/keys", json={"name": "rsa", "curve": "rsa-3072", "policy": BLIND}))


def _checked(key: dict[str, Any], digest: SHA256.SHA256Hash, signature: str) -> None:
    """Raises ValueError: PyCryptodome says that it does not hold."""
    public_key = RSA.import_key(bytes.fromhex(key["public_key"]))
    assert (public_key.size_in_bits(), public_key.e) == (3072, 65537)
    pss.new(public_key, salt_bytes=32).verify(digest, bytes.fromhex(signature))


def test_messages_and_digests_hold_by_another_library(api: httpx.Client, key: dict[str, Any]) -> None:
    place = f"/v1/keys/{key['id']}"
    assert key["addresses"] == {}
    made = done(api.post(f"{place}/sign", json=MESSAGE))
    assert made["algorithm"] == "rsassa-pss-sha256"
    _checked(key, SHA256.new(ENVELOPE), made["signature"])
    document = SHA256.new(b"a document")
    digest = {"kind": "digest", "payload": {"hex": document.hexdigest()}}
    signature = done(api.post(f"{place}/sign", json=digest))["signature"]
    _checked(key, document, signature)
    with pytest.raises(ValueError, match="Incorrect signature"):
        _checked(key, SHA256.new(b"another"), signature)
    for body, valid in ((digest, True), (MESSAGE, False)):
        assert done(api.post(f"{place}/verify", json=body | {"signature": signature}))["valid"] is valid


def test_what_is_no_message_is_not_for_it(api: httpx.Client, key: dict[str, Any]) -> None:
    place = f"/v1/keys/{key['id']}/sign"
    for body in (
        {"kind": "n3-transaction", "payload": {"hex": "00"}, "network": 1},
        {"kind": "typed-data", "payload": {}},
        MESSAGE | {"address_index": 0},
    ):
        assert refused(api.post(place, json=body)) == (422, "KIND_UNSUITABLE")


def test_it_is_vouched_for(api: httpx.Client, key: dict[str, Any]) -> None:
    statement = done(api.get(f"/v1/keys/{key['id']}/attestation"))["statement"]
    assert (statement["curve"], statement["public_key"]) == ("rsa-3072", key["public_key"])


def test_others_are_answered_while_a_batch_is_worked_on(api: httpx.Client, key: dict[str, Any], tenant: Tenant) -> None:
    other = done(api.post("/v1/keys", json={"name": "other", "curve": "ed25519"}))["id"]
    began = Event()

    def batch() -> None:
        with tenant.client() as client:
            began.set()
            items = done(client.post(f"/v1/keys/{key['id']}/sign-batch", json={"items": [MESSAGE] * 256}))["items"]
            assert all(each["signature"] for each in items)

    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(batch)
        began.wait(10)
        answered = 0
        while not working.done():
            done(api.post(f"/v1/keys/{other}/sign", json=MESSAGE))
            answered += not working.done()
        working.result()
    assert answered >= 5, "one thing at a time would have answered one of them, or two"


def test_making_one_counts_as_twenty_requests(tenant: Tenant) -> None:
    limited = tenant.service.tenant({"requests_per_minute": 1000, "key_requests_per_minute": 30})
    with limited.client() as api:
        done(api.post("/v1/keys", json={"name": "a", "curve": "rsa-3072"}))
        assert refused(api.post("/v1/keys", json={"name": "b", "curve": "rsa-3072"}))[0] == 429
        done(api.post("/v1/keys", json={"name": "c", "curve": "ed25519"}))
