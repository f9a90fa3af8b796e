"""Deposit addresses over HTTP: made once for each payer, found again, signed for, and ruled by the key above."""

import hashlib
from typing import Any
from uuid import uuid4

import httpx
import pytest

from nsl_client.addresses import neox_address
from tests.service.keys.answers import done, refused
from tests.support.service import Service

MESSAGE = {"kind": "message", "payload": {"text": "mine"}}
ONCE = {"rate": [{"seconds": 3600, "count_max": 1}]}


def _key(api: httpx.Client, curve: str = "secp256k1", **more: Any) -> str:
    return str(done(api.post("/v1/keys", json={"name": "deposits", "curve": curve} | more))["id"])


def _make(api: httpx.Client, key: str, **body: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = done(api.post(f"/v1/keys/{key}/addresses", json=body))["items"]
    return items


@pytest.mark.parametrize("curve", ["secp256k1", "secp256r1"])
def test_each_payer_has_one_address_and_it_is_found_again(api: httpx.Client, curve: str) -> None:
    key = _key(api, curve)
    place = f"/v1/keys/{key}/addresses"
    assert done(api.get(place)) == {"items": [], "next_cursor": None, "chain_code": None, "extended_public_key": None}
    ann, bob = _make(api, key, references=["ann", "bob"])
    assert (ann["index"], bob["index"]) == (0, 1)
    assert ann["address"] != bob["address"]
    assert _make(api, key, references=["bob", "cat", "bob"]) == [bob, *_make(api, key, references=["cat"]), bob]
    assert [each["index"] for each in _make(api, key, count=3)] == [3, 4, 5]
    assert done(api.get(place, params={"reference": "bob"}))["items"] == [bob]
    assert done(api.get(place, params={"address": ann["address"]}))["items"] == [ann]
    if curve == "secp256k1":
        assert done(api.get(place, params={"address": ann["address"].lower()}))["items"] == [ann]
    first = done(api.get(place, params={"limit": 4}))
    rest = done(api.get(place, params={"limit": 4, "cursor": first["next_cursor"]}))
    assert [each["index"] for each in first["items"] + rest["items"]] == [0, 1, 2, 3, 4, 5]
    assert rest["next_cursor"] is None


def test_whoever_has_the_xpub_finds_them_and_the_enclave_vouches_for_it(api: httpx.Client) -> None:
    key = _key(api)
    made = done(api.post(f"/v1/keys/{key}/addresses", json={"count": 5}))
    assert [each["address"] for each in made["items"]] == [
        neox_address(made["extended_public_key"], index) for index in range(5)
    ]
    statement = done(api.get(f"/v1/keys/{key}/attestation", params={"nonce": "00" * 32}))["statement"]
    assert statement["chain_code_sha256"] == hashlib.sha256(bytes.fromhex(made["chain_code"])).hexdigest()


def test_a_signature_of_an_address_is_its_own(api: httpx.Client) -> None:
    key = _key(api)
    ann, bob = _make(api, key, count=2)
    made = done(api.post(f"/v1/keys/{key}/sign", json=MESSAGE | {"address_index": 1}))
    assert made["public_key"] == bob["public_key"]
    check = MESSAGE | {"signature": made["signature"]}

    def valid(**more: int) -> bool:
        return bool(done(api.post(f"/v1/keys/{key}/verify", json=check | more))["valid"])

    assert [valid(address_index=1), valid(address_index=0), valid()] == [True, False, False]
    unmade = api.post(f"/v1/keys/{key}/verify", json=check | {"address_index": 2})
    assert refused(unmade) == (422, "ADDRESS_UNKNOWN")
    batch = {"items": [MESSAGE | {"address_index": index} for index in (0, 1)] + [MESSAGE]}
    signed = [each["signature"] for each in done(api.post(f"/v1/keys/{key}/sign-batch", json=batch))["items"]]
    keys = [each["public_key"] for each in signed]
    assert keys[:2] == [ann["public_key"], bob["public_key"]]
    assert keys[2] == done(api.get(f"/v1/keys/{key}"))["public_key"]


def test_the_key_s_rates_count_over_all_its_addresses_and_its_freeze_stops_them(api: httpx.Client) -> None:
    key = _key(api, policy=ONCE)
    place = f"/v1/keys/{key}/sign"
    done(api.post(place, json=MESSAGE | {"address_index": 7}))
    for more in ({"address_index": 8}, {}):
        answer = api.post(place, json=MESSAGE | more)
        assert answer.status_code == 403
        assert "WINDOW_EXCEEDED" in answer.text
    done(api.post(f"/v1/keys/{key}/freeze"))
    assert refused(api.post(place, json=MESSAGE | {"address_index": 7})) == (409, "KEY_FROZEN")
    assert refused(api.post(f"/v1/keys/{key}/addresses", json={"count": 1})) == (409, "KEY_FROZEN")


def test_a_transfer_comes_from_an_address_that_was_made(api: httpx.Client) -> None:
    key = _key(api)
    (ann,) = _make(api, key, references=["ann"])
    transfer = {
        "kind": "transfer", "chain": "neo-x", "from_key": key, "asset": "GAS", "to": ann["address"], "amount": "1",
    }  # fmt: skip

    def asked(index: int) -> httpx.Response:
        headers = {"Idempotency-Key": uuid4().hex}
        return api.post("/v1/transactions", json=transfer | {"address_index": index}, headers=headers)

    assert refused(asked(1)) == (422, "ADDRESS_UNKNOWN")
    accepted = asked(0).json()
    assert (accepted["sender"], accepted["address_index"]) == (ann["address"], 0)


@pytest.mark.parametrize(
    "body",
    [
        {}, {"count": 0}, {"count": 1001}, {"count": 1, "references": ["a"]}, {"references": [""]},
        {"references": ["a\n"]}, {"references": ["a" * 201]}, {"references": [None]},
    ],
)  # fmt: skip
def test_what_is_asked_is_read_once_at_the_edge(api: httpx.Client, body: dict[str, Any]) -> None:
    assert api.post(f"/v1/keys/{_key(api)}/addresses", json=body).status_code == 400


def test_there_are_none_below_other_curves_or_for_other_tenants(api: httpx.Client, service: Service) -> None:
    ed25519 = _key(api, "ed25519")
    assert refused(api.post(f"/v1/keys/{ed25519}/addresses", json={"count": 1})) == (422, "KIND_UNSUITABLE")
    below = api.post(f"/v1/keys/{ed25519}/sign", json=MESSAGE | {"address_index": 0})
    assert refused(below) == (422, "KIND_UNSUITABLE")
    with service.tenant().client() as elsewhere:
        key = _key(api)
        for answer in (
            elsewhere.post(f"/v1/keys/{key}/addresses", json={"count": 1}),
            elsewhere.get(f"/v1/keys/{key}/addresses"),
        ):
            assert refused(answer) == (404, "KEY_NOT_FOUND")
