"""Keys taken in, given out and vouched for on the command line, against the whole layer."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from eth_account import Account

from nsl_protocol.n3.keys import PublicKey, wif_encode
from nsl_protocol.n3.nep2 import ScryptParameters, encrypt
from nsl_protocol.n3.verification import account
from tests.support.live import NSL, Live

SECRET = bytes(range(1, 33))
N3_ADDRESS = account(PublicKey.of(SECRET)).address
EVM_ADDRESS = str(Account.from_key(SECRET).address)


@dataclass(frozen=True)
class Desk:
    """A user's folder, with what he has pinned."""

    live: Live
    folder: Path

    @property
    def trust(self) -> str:
        return str(self.folder / "trust.json")

    def file(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text)
        return str(path)


@pytest.fixture
def desk(live: Live, tmp_path: Path) -> Desk:
    made = Desk(live, tmp_path)
    cluster = live.state / "cluster"
    root = str(cluster / "simulation" / "root.der")
    live.nsl("enclave", "trust", "--manifest", str(cluster / "manifest"), "--root", root, "--out", made.trust)
    return made


def failed(done: subprocess.CompletedProcess[str], status: int = 1) -> str:
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert SECRET.hex() not in done.stdout + done.stderr
    return " ".join(done.stderr.split())


def test_keys_come_in_from_every_form_that_wallets_write(desk: Desk) -> None:
    phrase = desk.file("phrase", "pässphrase\n")
    rsa_key = rsa.generate_private_key(65537, 3072).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    nep2 = encrypt(SECRET, "pässphrase", ScryptParameters())
    keystore = json.dumps(Account.encrypt(SECRET, "pässphrase", iterations=1024))
    for arguments, chain, address in (
        (("--wif-file", desk.file("wif", wif_encode(SECRET) + "\n")), "neo-n3", N3_ADDRESS),
        (("--nep2-file", desk.file("nep2", nep2), "--passphrase-file", phrase), "neo-n3", N3_ADDRESS),
        (("--keystore-file", desk.file("store", keystore), "--passphrase-file", phrase), "neo-x", EVM_ADDRESS),
        (("--hex-file", desk.file("hex", "0x" + SECRET.hex()), "--curve", "secp256k1"), "neo-x", EVM_ADDRESS),
        (("--pem-file", desk.file("pem", rsa_key.decode())), None, None),
    ):
        made = desk.live.json("keys", "import", "mine", "--trust", desk.trust, *arguments)
        assert (made["origin"], made["addresses"]) == ("imported", {} if chain is None else {chain: address})
        assert desk.live.json("keys", "sign", made["id"], "hello")["public_key"] == made["public_key"]


def test_a_key_can_be_typed_in_and_is_never_shown(desk: Desk) -> None:
    command = [NSL, "keys", "import", "typed", "--trust", desk.trust, "--curve", "ed25519", "--json"]
    done = subprocess.run(
        command, input=SECRET.hex() + "\n", env=desk.live.environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert SECRET.hex() not in done.stdout + done.stderr
    assert json.loads(done.stdout[done.stdout.index("{") :])["origin"] == "imported"


def test_what_cannot_be_imported_says_what_to_do(desk: Desk) -> None:
    key = desk.file("hex", SECRET.hex())
    wif = desk.file("wif", wif_encode(SECRET))
    phrase = desk.file("phrase", "wrong")
    nep2 = desk.file("nep2", encrypt(SECRET, "right", ScryptParameters(n=2)))
    trusted = ("--trust", desk.trust)
    cases: dict[str, tuple[str, ...]] = {
        "name what you have pinned": ("--hex-file", key, "--curve", "ed25519"),
        "name it with --curve": (*trusted, "--hex-file", key),
        "name one file": (*trusted, "--hex-file", key, "--wif-file", wif),
        "is of secp256r1": (*trusted, "--wif-file", wif, "--curve", "ed25519"),
        "passphrase is wrong": (*trusted, "--nep2-file", nep2, "--passphrase-file", phrase),
        "32 bytes of hex": (*trusted, "--hex-file", phrase, "--curve", "ed25519"),
        "cannot be read": (*trusted, "--hex-file", str(desk.folder / "none"), "--curve", "ed25519"),
        "is no trust file": ("--trust", phrase, "--hex-file", key, "--curve", "ed25519"),
        "not proven to be a trusted enclave": (
            "--trust",
            desk.file("other.json", json.dumps(json.loads(Path(desk.trust).read_text()) | {"cluster": "00" * 32})),
            "--hex-file", key, "--curve", "ed25519",
        ),
    }  # fmt: skip
    for sentence, arguments in cases.items():
        assert sentence in failed(desk.live.nsl("keys", "import", "a", *arguments, check=False)), sentence


def test_the_tenant_is_the_credentials_and_not_the_layers_word(desk: Desk) -> None:
    own = json.loads(desk.live.credentials.read_text())
    nameless = desk.file("credentials.json", json.dumps({k: v for k, v in own.items() if k != "tenant_id"}))
    arguments = ("keys", "import", "a", "--trust", desk.trust, "--curve", "ed25519", "--credentials", nameless)
    key = ("--hex-file", desk.file("hex", SECRET.hex()))
    assert "name yours with --tenant" in failed(desk.live.nsl(*arguments, *key, check=False))
    assert desk.live.json(*arguments, *key, "--tenant", own["tenant_id"])["origin"] == "imported"
    other = ("--tenant", "0190d5a7-0000-7000-8000-000000000000")
    assert "was not encrypted for this tenant" in failed(desk.live.nsl(*arguments, *key, *other, check=False))


def test_a_key_goes_out_to_its_recipient_and_is_opened_without_a_network(desk: Desk) -> None:
    recipient, out = desk.folder / "recovery.json", desk.folder / "export.json"
    public = desk.live.json("keys", "export-recipient", "--out", str(recipient))["public_key"]
    assert recipient.stat().st_mode & 0o777 == 0o600
    made = desk.live.json("keys", "create", "portable", "--curve", "secp256k1", "--export-recipient", public)
    assert made["export_recipients"] == [public]
    desk.live.nsl("keys", "export", made["id"], "--recipient-file", str(recipient), "--out", str(out))
    opened = desk.folder / "key.hex"
    offline = {"PATH": os.environ["PATH"]}

    def open_export(public_key: str) -> subprocess.CompletedProcess[str]:
        command = [NSL, "keys", "open-export", str(out), "--private-key-file", str(recipient)]
        arguments = ["--public-key", public_key, "--out", str(opened)]
        return subprocess.run([*command, *arguments], env=offline, capture_output=True, text=True, check=False)

    assert "is the private key of" in failed(open_export("02" + "ab" * 32))
    assert open_export(made["public_key"]).returncode == 0
    assert opened.stat().st_mode & 0o777 == 0o600
    secret = bytes.fromhex(opened.read_text())
    assert Account.from_key(secret).address.lower() == made["addresses"]["neo-x"].lower()
    assert "is there already" in failed(open_export(made["public_key"]))
    thief = desk.file("thief", "ab" * 32)
    refused = desk.live.nsl("keys", "export", made["id"], "--recipient-file", thief, "--out", thief + ".o", check=False)
    assert "is none of the 1 recipients who were named" in failed(refused)
    assert "scope" not in failed(refused)


def steps(document: dict[str, Any]) -> set[str]:
    return {each["outcome"] for each in document["steps"]}


def test_a_key_is_vouched_for_and_anybody_verifies_it(desk: Desk) -> None:
    key = desk.live.json("keys", "create", "vouched for", "--curve", "ed25519")
    out = str(desk.folder / "attestation.json")
    said = desk.live.json("keys", "attestation", key["id"], "--trust", desk.trust, "--out", out)
    assert said["accepted"] is True
    assert steps(said) == {"holds"}
    assert (said["statement"]["origin"], said["statement"]["exportable"]) == ("generated", False)
    assert desk.live.json("keys", "verify-attestation", out, "--trust", desk.trust)["accepted"] is True
    assert "holds" in desk.live.nsl("keys", "verify-attestation", out, "--trust", desk.trust).stdout
    without = desk.live.nsl("keys", "verify-attestation", out, "--json", check=False)
    assert without.returncode == 1
    assert steps(json.loads(without.stdout)) == {"unanchored"}
    document = json.loads(Path(out).read_text())
    document["statement"]["origin"] = "imported"
    forged = desk.file("forged.json", json.dumps(document))
    refused = desk.live.nsl("keys", "verify-attestation", forged, "--trust", desk.trust, "--json", check=False)
    assert refused.returncode == 1
    assert "refused" in steps(json.loads(refused.stdout))
    late = ("--trust", desk.trust, "--at", "2099-01-01", "--json")
    assert desk.live.nsl("keys", "verify-attestation", out, *late, check=False).returncode == 1
    broken = desk.file("broken.json", "{}")
    assert "no attestation" in failed(desk.live.nsl("keys", "verify-attestation", broken, check=False))
