"""Manifests: the first is its hash, the next needs its custodians."""

from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from nsl_protocol.attestation.policy import EnclaveRule, Floors
from nsl_protocol.cluster.manifest import (
    Custodian,
    Manifest,
    Program,
    SignedManifest,
    read_genesis,
    read_update,
    sign_off,
)
from nsl_protocol.errors import CodecError

KEYS = [Ed25519PrivateKey.generate() for _ in range(3)]
CUSTODIANS = tuple(
    Custodian(f"custodian-{number}", key.public_key().public_bytes_raw().hex(), f"{number:064x}")
    for number, key in enumerate(KEYS)
)
GENESIS = Manifest(
    version=1,
    custodians=CUSTODIANS,
    threshold=2,
    programs={Program.KME: (EnclaveRule(mrenclave="11" * 32),)},
    clients={"api": "22" * 32},
)
SIGNED = sign_off(GENESIS)
CLUSTER = SIGNED.digest


def update(signers: int = 2, **changed: Any) -> bytes:
    text = sign_off(msgspec.structs.replace(GENESIS, **({"version": 2, "cluster": CLUSTER.hex()} | changed)))
    for custodian, key in list(zip(CUSTODIANS, KEYS, strict=True))[:signers]:
        text = text.signed_by(custodian.name, key)
    return msgspec.json.encode(text)


def test_the_genesis_is_known_by_its_hash() -> None:
    document = msgspec.json.encode(SIGNED)
    assert read_genesis(document) == (CLUSTER, GENESIS)
    assert read_genesis(document, CLUSTER)[0] == CLUSTER
    with pytest.raises(CodecError, match="is the genesis of cluster"):
        read_genesis(document, bytes(32))
    with pytest.raises(CodecError, match="not a first manifest"):
        read_genesis(update())


def test_an_update_needs_enough_custodians() -> None:
    _, found = read_update(update(), CLUSTER, GENESIS, GENESIS)
    assert found.version == 2
    for signers in (0, 1):
        with pytest.raises(CodecError, match=f"signed by {signers} custodians; it takes 2"):
            read_update(update(signers), CLUSTER, GENESIS, GENESIS)


def test_one_custodians_signature_does_not_count_twice_or_for_another() -> None:
    signed = msgspec.json.decode(update(1), type=SignedManifest)
    only = signed.signatures["custodian-0"]
    for signatures in ({"custodian-0": only, "custodian-1": only}, {"custodian-0": only, "stranger": only}):
        document = msgspec.json.encode(SignedManifest(signed.manifest, signatures))
        with pytest.raises(CodecError, match="signed by 1"):
            read_update(document, CLUSTER, GENESIS, GENESIS)


def test_a_changed_text_loses_its_signatures() -> None:
    signed = msgspec.json.decode(update(3), type=SignedManifest)
    changed = SignedManifest(signed.manifest.replace('"version":2', '"version":3'), signed.signatures)
    with pytest.raises(CodecError, match="signed by 0"):
        read_update(msgspec.json.encode(changed), CLUSTER, GENESIS, GENESIS)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"cluster": "33" * 32}, "another cluster"),
        ({"threshold": 1}, "changes the custodians"),
        ({"custodians": CUSTODIANS[:2]}, "changes the custodians"),
    ],
)
def test_an_update_of_something_else_is_refused(changed: dict[str, Any], reason: str) -> None:
    with pytest.raises(CodecError, match=reason):
        read_update(update(3, **changed), CLUSTER, GENESIS, GENESIS)


def test_an_old_version_is_refused() -> None:
    _, second = read_update(update(), CLUSTER, GENESIS, GENESIS)
    with pytest.raises(CodecError, match="version 2 holds already"):
        read_update(update(), CLUSTER, GENESIS, second)


@pytest.mark.parametrize(
    "text",
    [
        b"{}",
        b"[]",
        b"\xff",
        msgspec.json.encode(SignedManifest("{}")),
        msgspec.json.encode(SignedManifest(SIGNED.manifest.replace('"threshold":2', '"threshold":4'))),
        msgspec.json.encode(SignedManifest(SIGNED.manifest.replace("custodian-1", "custodian-0"))),
        msgspec.json.encode(SignedManifest(SIGNED.manifest.replace('"kme"', '"ave"'))),
        msgspec.json.encode(SignedManifest(SIGNED.manifest.replace('"version":1', '"version":2'))),
        msgspec.json.encode(SignedManifest(SIGNED.manifest.replace('"version":1', '"version":1,"surprise":1'))),
        msgspec.json.encode(SignedManifest(SIGNED.manifest.replace("11" * 32, "1"))),
    ],
)
def test_what_is_no_manifest_is_refused(text: bytes) -> None:
    with pytest.raises(CodecError):
        read_genesis(text)


def test_only_listed_programs_have_a_policy() -> None:
    assert GENESIS.policy(Program.KME, Floors()).enclaves == (EnclaveRule(mrenclave="11" * 32),)
    assert GENESIS.policy(Program.CBE, Floors()).enclaves == ()
