"""Keystores: the two vectors of the Web3 Secret Storage definition, and those that eth-account writes."""

import json
from typing import Any

import pytest
from eth_account import Account
from hypothesis import given, settings
from hypothesis import strategies as st

from nsl_protocol.errors import ChecksumError, CodecError, LimitError
from nsl_protocol.evm.keystore import read_keystore

SECRET = "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d"
PBKDF2: dict[str, Any] = {
    "crypto": {
        "cipher": "aes-128-ctr",
        "cipherparams": {"iv": "6087dab2f9fdbbfaddc31a909735c1e6"},
        "ciphertext": "5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46",
        "kdf": "pbkdf2",
        "kdfparams": {
            "c": 262144,
            "dklen": 32,
            "prf": "hmac-sha256",
            "salt": "ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd",
        },
        "mac": "517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2",
    },
    "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6",
    "version": 3,
}
SCRYPT: dict[str, Any] = {
    "crypto": {
        "cipher": "aes-128-ctr",
        "cipherparams": {"iv": "83dbcc02d8ccb40e466191a123791e0e"},
        "ciphertext": "d172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c",
        "kdf": "scrypt",
        "kdfparams": {
            "dklen": 32,
            "n": 262144,
            "p": 8,
            "r": 1,
            "salt": "ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19",
        },
        "mac": "2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097",
    },
    "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6",
    "version": 3,
}


@pytest.mark.parametrize("vector", [PBKDF2, SCRYPT], ids=["pbkdf2", "scrypt"])
def test_the_published_vectors_open(vector: dict[str, Any]) -> None:
    assert read_keystore(json.dumps(vector).encode(), "testpassword").hex() == SECRET
    with pytest.raises(ChecksumError):
        read_keystore(json.dumps(vector).encode(), "testpasswor")


@pytest.mark.parametrize("kdf", ["scrypt", "pbkdf2"])
def test_what_another_implementation_writes_opens(kdf: str) -> None:
    secret = bytes(range(1, 33))
    written = Account.encrypt(secret, "pässword", kdf=kdf, iterations=2)
    assert read_keystore(json.dumps(written).encode(), "pässword") == secret


def changed(**crypto: Any) -> bytes:
    return json.dumps(PBKDF2 | {"crypto": PBKDF2["crypto"] | crypto}).encode()


WRONG = {
    "nothing": b"",
    "a list": b"[]",
    "version 1": json.dumps(PBKDF2 | {"version": 1}).encode(),
    "another cipher": changed(cipher="aes-256-cbc"),
    "another kdf": changed(kdf="argon2"),
    "another length": changed(ciphertext="00" * 31),
    "a short iv": changed(cipherparams={"iv": "00"}),
    "a scrypt n that is no power of two": changed(kdf="scrypt", kdfparams=SCRYPT["crypto"]["kdfparams"] | {"n": 1000}),
    "no utf-8": b'{"version": "\xff"}',
}
TOO_MUCH = {
    "memory": changed(kdf="scrypt", kdfparams=SCRYPT["crypto"]["kdfparams"] | {"n": 1 << 24, "r": 8}),
    "rounds": changed(kdfparams=PBKDF2["crypto"]["kdfparams"] | {"c": 2**31 - 1}),
    "bytes": b" " * 65_537,
}


@pytest.mark.parametrize("document", WRONG.values(), ids=WRONG)
def test_what_is_no_keystore_is_refused(document: bytes) -> None:
    with pytest.raises(CodecError):
        read_keystore(document, "testpassword")


@pytest.mark.parametrize("document", TOO_MUCH.values(), ids=TOO_MUCH)
def test_what_costs_too_much_is_refused(document: bytes) -> None:
    with pytest.raises(LimitError):
        read_keystore(document, "testpassword")


@settings(max_examples=50)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_keystore_or_a_codec_error(document: bytes) -> None:
    with pytest.raises(CodecError):
        read_keystore(document, "")
