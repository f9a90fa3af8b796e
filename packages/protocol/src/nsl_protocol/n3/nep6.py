"""NEP-6 wallet files: JSON with accounts, their NEP-2 keys and contracts.

Strict where wallets are lenient: a field that NEP-6 does not have, a field twice, an address twice or a contract
whose script is not the address's is an error.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nsl_protocol.errors import CodecError, LimitError
from nsl_protocol.n3 import nep2
from nsl_protocol.n3.address import ScriptHash
from nsl_protocol.n3.keys import PublicKey
from nsl_protocol.n3.nep2 import STANDARD, ScryptParameters
from nsl_protocol.n3.verification import single

VERSION = "1.0"
WALLET_BYTES_MAX = 1 << 20
ACCOUNTS_MAX = 4096


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a verification script: its name and its contract type."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Contract:
    """What verifies the account; ``deployed`` means by a contract on chain, whose script stands there."""

    script: bytes
    parameters: tuple[Parameter, ...]
    deployed: bool = False


@dataclass(frozen=True, slots=True)
class Account:
    """One account. ``key`` is NEP-2 text; None means that the wallet only watches it."""

    account: ScriptHash
    key: str | None
    contract: Contract | None
    label: str | None = None
    default: bool = False
    lock: bool = False
    extra: Any = None

    def private_key(self, passphrase: str, scrypt: ScryptParameters) -> bytes:
        """The private key (32 bytes).

        Raises:
            ChecksumError: the passphrase is wrong.
            CodecError: the account has no key.
        """
        if self.key is None:
            raise CodecError("the account is only watched", field="key")
        return nep2.decrypt(self.key, passphrase, scrypt)


@dataclass(frozen=True, slots=True)
class Wallet:
    """A wallet file."""

    accounts: tuple[Account, ...]
    name: str | None = None
    scrypt: ScryptParameters = STANDARD
    version: str = VERSION
    extra: Any = None

    def __post_init__(self) -> None:
        if len(self.accounts) > ACCOUNTS_MAX:
            raise LimitError(f"more than {ACCOUNTS_MAX}", field="accounts")
        if len({account.account for account in self.accounts}) != len(self.accounts):
            raise CodecError("the same address twice", field="accounts")

    def to_json(self) -> str:
        """The file's text."""
        scrypt = {"n": self.scrypt.n, "r": self.scrypt.r, "p": self.scrypt.p}
        accounts = [_account_document(account) for account in self.accounts]
        head = {"name": self.name, "version": self.version, "scrypt": scrypt}
        return json.dumps(head | {"accounts": accounts, "extra": self.extra}, indent=2, ensure_ascii=False)


def single_account(private: bytes, passphrase: str, scrypt: ScryptParameters = STANDARD) -> Account:
    """The account of one private key (32 bytes), encrypted."""
    script = single(PublicKey.of(private))
    contract = Contract(script, (Parameter("signature", "Signature"),))
    return Account(ScriptHash.of(script), nep2.encrypt(private, passphrase, scrypt), contract)


def parse(text: str) -> Wallet:
    """Read a wallet file.

    Raises:
        CodecError: not JSON, not a NEP-6 document, or one that contradicts itself. ``field`` says where.
        LimitError: above a MiB, too many accounts, or scrypt parameters no one should run.
    """
    if len(text) > WALLET_BYTES_MAX:
        raise LimitError(f"more than {WALLET_BYTES_MAX} characters")
    try:
        document = json.loads(text, object_pairs_hook=_no_duplicates)
    except (json.JSONDecodeError, RecursionError) as error:
        raise CodecError(f"not JSON: {error}") from None
    _fields(document, "wallet", {"version", "scrypt", "accounts"}, {"name", "extra"})
    version = _text(document["version"], "version")
    if version != VERSION:
        raise CodecError(f"version {version} is unknown, only {VERSION} is", field="version")
    cost = document["scrypt"]
    _fields(cost, "scrypt", {"n", "r", "p"}, set())
    return Wallet(
        accounts=tuple(_account(each) for each in _list(document["accounts"], "accounts")),
        name=_optional_text(document.get("name"), "name"),
        scrypt=ScryptParameters(*(_integer(cost[part], "scrypt") for part in "nrp")),
        version=version,
        extra=document.get("extra"),
    )


def _account(document: Any) -> Account:
    _fields(document, "account", {"address"}, {"label", "isDefault", "lock", "key", "contract", "extra"})
    owner = ScriptHash.from_address(_text(document["address"], "address"))
    contract = _contract(document.get("contract"))
    if contract and not contract.deployed and ScriptHash.of(contract.script) != owner:
        raise CodecError("the script is not that of the address", field="contract")
    return Account(
        account=owner,
        key=_optional_text(document.get("key"), "key"),
        contract=contract,
        label=_optional_text(document.get("label"), "label"),
        default=_flag(document.get("isDefault", False), "isDefault"),
        lock=_flag(document.get("lock", False), "lock"),
        extra=document.get("extra"),
    )


def _contract(document: Any) -> Contract | None:
    if document is None:
        return None
    _fields(document, "contract", {"script", "parameters"}, {"deployed"})
    try:
        script = base64.b64decode(_text(document["script"], "script"), validate=True)
    except binascii.Error:
        raise CodecError("not Base64", field="script") from None
    parameters = []
    for each in _list(document["parameters"], "parameters"):
        _fields(each, "parameters", {"name", "type"}, set())
        parameters.append(Parameter(_text(each["name"], "parameters"), _text(each["type"], "parameters")))
    return Contract(script, tuple(parameters), _flag(document.get("deployed", False), "deployed"))


def _account_document(account: Account) -> dict[str, Any]:
    contract = account.contract
    return {
        "address": account.account.address,
        "label": account.label,
        "isDefault": account.default,
        "lock": account.lock,
        "key": account.key,
        "contract": contract
        and {
            "script": base64.b64encode(contract.script).decode("ascii"),
            "parameters": [{"name": each.name, "type": each.type} for each in contract.parameters],
            "deployed": contract.deployed,
        },
        "extra": account.extra,
    }


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise CodecError("a field stands twice in one object")
    return found


def _fields(document: Any, where: str, needed: set[str], allowed: set[str]) -> None:
    if not isinstance(document, Mapping):
        raise CodecError("must be an object", field=where)
    if missing := needed - document.keys():
        raise CodecError(f"{min(missing)} is missing", field=where)
    if unknown := document.keys() - needed - allowed:
        raise CodecError(f"{min(unknown)} is not a field of NEP-6", field=where)


def _text(value: Any, field: str) -> str:
    if not isinstance(value, str):
        raise CodecError("must be text", field=field)
    return value


def _optional_text(value: Any, field: str) -> str | None:
    return None if value is None else _text(value, field)


def _integer(value: Any, field: str) -> int:
    if type(value) is not int:
        raise CodecError("must be a whole number", field=field)
    return value


def _flag(value: Any, field: str) -> bool:
    if not isinstance(value, bool):
        raise CodecError("must be true or false", field=field)
    return value


def _list(value: Any, field: str) -> list[Any]:
    if not isinstance(value, list):
        raise CodecError("must be a list", field=field)
    return value
