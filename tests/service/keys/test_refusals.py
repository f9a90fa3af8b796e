"""Every refusal, tried as a new user would, explains itself: what was asked, what stands against it, what changes it.

`tests/house/test_refusals.py` holds that no reason of the enclave is without a case, here or where no user comes.
"""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from nsl_client import ApiError, Client
from nsl_client.model import ImportOrder
from nsl_client.portable import NewKey, Recipient
from nsl_protocol.attestation.trust import PinnedTrust
from nsl_protocol.enclave.signable import SignMessage
from nsl_protocol.evm.abi import encode_transfer, selector
from nsl_protocol.evm.address import EvmAddress
from nsl_protocol.evm.transaction import FeeMarketTransaction
from nsl_protocol.n3.address import ScriptHash
from nsl_protocol.n3.script import transfer_script
from nsl_protocol.n3.transaction import Transaction
from nsl_protocol.n3.witness import Scope, Signer
from nsl_protocol.policy.approving import request_digest
from nsl_protocol.policy.scoring import RiskScore
from tests.service.keys.test_policy import CHAIN_ID, FRIEND, POLICY, STRANGER, TOKEN, transaction
from tests.service.keys.test_policy_changes import ANN, BOB, approver, request
from tests.service.keys.test_portable_api import encrypted, trust
from tests.support.live import NSL
from tests.support.service import Service, Tenant

__all__ = ["trust"]

GAS = ScriptHash.parse("0xd2a4cff31913016155e38e474a2c06d08be276cf")
N3_MAGIC = 894710606
MESSAGE = {"kind": "message", "payload": {"text": "m"}}
DIGEST = {"kind": "digest", "payload": {"hex": "00" * 32}}
GOVERNED = POLICY | {"approvers": {"ann": approver(ANN), "bob": approver(BOB)}, "change": {"threshold": 2}}
PAYOUT: dict[str, Any] = POLICY["rules"][0]
FIXED = "nobody who may change it"
TWO_CHANGE_IT = "it takes 2 of ann, bob to change this key's"


@dataclass
class User:
    """A client of a tenant, who has read nothing."""

    service: Service
    tenant: Tenant
    api: httpx.Client
    nsl: Client
    trust: PinnedTrust

    def key(self, policy: dict[str, Any], curve: str = "secp256k1", **more: Any) -> str:
        answer = self.api.post("/v1/keys", json={"name": "k", "curve": curve, "policy": policy, **more})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def signs(self, policy: dict[str, Any], what: dict[str, Any], curve: str = "secp256k1") -> httpx.Response:
        return self.api.post(f"/v1/keys/{self.key(policy, curve)}/sign", json=what)

    def changes(self, policy: dict[str, Any], to: dict[str, Any], *by: bytes, **more: Any) -> httpx.Response:
        key = self.key(policy)
        order = request(self.api, self.tenant.id, key, to, *by) | more
        return self.api.put(f"/v1/keys/{key}/policy", json=order)

    def imports(self, secret: bytes = bytes(range(1, 33)), **changes: str) -> httpx.Response:
        order: ImportOrder = encrypted(self.nsl, self.trust, self.tenant, NewKey("k", "secp256r1"), secret)
        return self.api.post("/v1/keys/import", json=msgspec.to_builtins(msgspec.structs.replace(order, **changes)))

    def moves_n3(self, policy: dict[str, Any], scope: Scope, *, signer: bool = True) -> httpx.Response:
        key = self.api.get(f"/v1/keys/{self.key(policy, 'secp256r1')}").json()
        own = ScriptHash.from_address(key["addresses"]["neo-n3"])
        signers = (Signer(own if signer else ScriptHash(b"\x05" * 20), scope),)
        made = Transaction(1, 10, 20, 30, signers, script=transfer_script(GAS, own, ScriptHash(b"\x01" * 20), 1))
        what = {"kind": "n3-transaction", "payload": {"hex": made.unsigned_bytes().hex()}, "network": N3_MAGIC}
        return self.api.post(f"/v1/keys/{key['id']}/sign", json=what)


@pytest.fixture(scope="module")
def user(service: Service, trust: PinnedTrust) -> Iterator[User]:
    tenant = service.tenant()
    own = tenant.credentials
    with tenant.client() as api, Client(service.base_url, own["client_id"], own["client_secret"]) as nsl:
        yield User(service, tenant, api, nsl, trust)


def evm(data: bytes, *, value: int = 0, to: EvmAddress | None = TOKEN) -> dict[str, Any]:
    made = FeeMarketTransaction(CHAIN_ID, 1, 60_000, to, value, data, 10**9, 10**9)
    return {"kind": "evm-transaction", "payload": {"hex": made.unsigned_bytes().hex()}, "network": CHAIN_ID}


def word(address: EvmAddress) -> bytes:
    return bytes(12) + bytes.fromhex(str(address)[2:])


def another_day() -> dict[str, Any]:
    day = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")[(datetime.now(UTC).weekday() + 3) % 7]
    return {"hours": [{"days": [day], "from": "09:00", "to": "17:00"}]}


def in_three_days() -> str:
    return f"The same request from {datetime.now(UTC) + timedelta(days=3):%Y-%m-%d} 09:00 UTC on"


def ruled(**changes: Any) -> dict[str, Any]:
    return POLICY | {"rules": [PAYOUT | changes]}


def booked() -> dict[str, Any]:
    """Their friend was entered an hour ago, and counts after a day."""
    since = (datetime.now(UTC) - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    book = {"entries": {str(FRIEND): since}, "cool_down_seconds": 86_400}
    return ruled(to={"book": "friends"}) | {"books": {"friends": book}}


def cooled() -> str:
    return f"counts from {datetime.now(UTC) + timedelta(hours=23):%Y-%m-%d}"


def window_used_up(user: User) -> httpx.Response:
    key = user.key(ruled(windows=[{"seconds": 3600, "amount_max": "8"}]))
    assert user.api.post(f"/v1/keys/{key}/sign", json=transaction(FRIEND, 5_000_000)).status_code == 200
    return user.api.post(f"/v1/keys/{key}/sign", json=transaction(FRIEND, 5_000_000))


def inactive(user: User, change: str) -> httpx.Response:
    path = f"/v1/keys/{user.key({})}"
    user.api.post(f"{path}/{change}", json={"accept_balances": True} if change == "destroy" else None)
    return user.api.post(f"{path}/sign", json=MESSAGE)


def exports(user: User, *named: str) -> httpx.Response:
    more = {"exportable": True, "export_recipients": list(named)} if named else {}
    return user.api.post(f"/v1/keys/{user.key({}, **more)}/export", json={"recipient": THIEF})


def decrypts(user: User) -> httpx.Response:
    key = user.key({}, "aes-256-gcm")
    sealed = user.api.post(f"/v1/keys/{key}/encrypt", json={"plaintext": "AA=="}).json()["ciphertext"]
    return user.api.post(f"/v1/keys/{key}/decrypt", json={"ciphertext": sealed, "context": "AA=="})


RISKY = {"risk": {"score_max": 30, "scorers": {"model": approver(ANN)}}}


def scored(user: User, number: int, *, ago: int = 0) -> httpx.Response:
    key = user.key(RISKY)
    cluster = user.api.get(f"/v1/keys/{key}/policy").json()["cluster"]
    digest, at = request_digest(SignMessage(b"m")), int(time.time()) - ago
    made = RiskScore(cluster, UUID(user.tenant.id), UUID(key), digest, "model", number, at)
    signature = Ed25519PrivateKey.from_private_bytes(ANN).sign(made.signed).hex()
    score = {"scorer": "model", "score": number, "scored_at": at, "signature": signature}
    return user.api.post(f"/v1/keys/{key}/sign", json=MESSAGE | {"risk_score": score})


def rotates(user: User) -> httpx.Response:
    """Once more than there is room for."""
    path = f"/v1/keys/{user.key({}, 'hmac-sha256')}/rotate"
    for _ in range(32):
        assert user.api.post(path).status_code == 200
    return user.api.post(path)


def large(number: int) -> dict[str, Any]:
    """Nearly as long as a policy may be."""
    rules = [{"allow": "message", "name": f"{number}-" + "x" * 60}]
    recipients = [str(EvmAddress(each.to_bytes(20))) for each in range(number, number + 56)]
    rules += [PAYOUT | {"name": "payout", "to": recipients}, PAYOUT | {"name": "more", "to": recipients}]
    return GOVERNED | {"change": {"threshold": 2, "time_lock_seconds": 60}, "rules": rules}


OWNER, THIEF = Recipient.new().public_key, Recipient.new().public_key
MAY_CALL = POLICY | {"rules": [{"allow": "call", "name": "bank", "chain": "neo-x", "contract": str(TOKEN).lower(),
                                "methods": ["0x" + selector("deposit()").hex()]}]}  # fmt: skip
ASKS = {"approvers": GOVERNED["approvers"], "approvals": [{"threshold": 2}]}
ABOVE = GOVERNED | {"approvals": [{"threshold": 1, "of": ["bob"], "rules": ["payout"], "above": {"USDC": "1"}}]}

type Provoke = Callable[[User], httpx.Response]
#: by the enclave's code: what a user does, status and code that are answered, and what the sentence has to name:
#: who refuses (rule or part of the policy), the value, the limit, and what would change it
CASES: dict[str, list[tuple[Provoke, int, str, tuple[str, ...]]]] = {
    "KIND_NOT_ALLOWED": [
        (lambda user: user.signs(POLICY, MESSAGE), 403, "", ("its kinds are evm-transaction, typed-data", FIXED)),
        (lambda user: user.signs(GOVERNED, MESSAGE), 403, "", ("does not allow message", "message among its kinds",
                                                                 TWO_CHANGE_IT)),
    ],
    "BLIND_SIGNING_NOT_ALLOWED": [
        (lambda user: user.signs({}, DIGEST), 403, "", ("blind_signing", "What the digest stands for", FIXED)),
    ],
    "NETWORK_NOT_ALLOWED": [
        (lambda user: user.signs(POLICY, transaction(FRIEND, 1, chain_id=1)), 403, "",
         ("network 1 of neo-x", f"the policy's networks are neo-x {CHAIN_ID}", "The same for one of those", FIXED)),
    ],
    "FEE_TOO_HIGH": [
        (lambda user: user.signs(POLICY, transaction(FRIEND, 1, gas=400_000)), 403, "",
         ("up to 0.024 GAS", "fee_max there is 0.01 GAS", "A lower gas limit or price of gas", FIXED)),
    ],
    "SCOPE_NOT_ALLOWED": [
        (lambda user: user.moves_n3({"scopes": ["CalledByEntry"]}, Scope.GLOBAL), 403, "",
         ("as far as Global", "the policy's scopes are CalledByEntry", "The scope CalledByEntry")),
    ],
    "OUTSIDE_HOURS": [
        (lambda user: user.signs(another_day(), MESSAGE), 403, "",
         ("by the enclave's clock", "the policy's hours are", "from 09:00 to 17:00", in_three_days(), FIXED)),
    ],
    "NOT_UNDERSTOOD_IN_FULL": [
        (lambda user: user.signs(POLICY, evm(encode_transfer(FRIEND, 1) + b"\0")), 403, "",
         ("65 bytes of arguments, 64 belong there", "What is understood in full", FIXED)),
    ],
    "NOT_OWN_ACCOUNT": [
        (lambda user: user.signs(POLICY, evm(selector("transferFrom(address,address,uint256)") + word(STRANGER)
                                             + word(FRIEND) + (1).to_bytes(32))), 403, "",
         ("own account's", "move 0.000001 USDC", f"belongs to {str(STRANGER).lower()}", "The key of 0x0909")),
    ],
    "AMOUNT_TOO_HIGH": [
        (lambda user: user.signs(POLICY, transaction(FRIEND, 5_000_001)), 403, "",
         ("Rule payout allows at most 5 USDC", "5.000001 USDC", "At most 5 USDC at once", FIXED)),
    ],
    "NOT_ALLOWED_BY_ANY_RULE": [
        (lambda user: user.signs(GOVERNED, transaction(STRANGER, 1)), 403, "",
         ("Rule payout: 0x0909", "is not among its recipients", TWO_CHANGE_IT)),
        (lambda user: user.signs(booked(), transaction(FRIEND, 1)), 403, "",
         ("Rule payout:", "stands in book friends", cooled(), "The same request from")),
        (lambda user: user.signs(booked(), transaction(STRANGER, 1)), 403, "", ("does not stand in book friends",)),
        (lambda user: user.signs(POLICY, evm(encode_transfer(FRIEND, 1), to=STRANGER)), 403, "",
         ("Rule payout: it is about USDC, GAS", "0x0909")),
        (lambda user: user.signs(POLICY, evm(selector("burn()"))), 403, "", ("no rule of the kind call", "0x07")),
        (lambda user: user.signs(MAY_CALL, evm(selector("burn()"))), 403, "",
         ("Rule bank: its methods are 0x" + selector("deposit()").hex(), "call 0x" + selector("burn()").hex())),
        (lambda user: user.signs(MAY_CALL, evm(selector("deposit()"), value=10**18)), 403, "",
         ("Rule bank: its value_max is 0 GAS, and 1 GAS goes with this",)),
        (lambda user: user.signs(MAY_CALL, evm(b"\x60", to=None)), 403, "", ("no rule of the kind deploy",)),
    ],
    "WINDOW_EXCEEDED": [
        (window_used_up, 403, "", ("Rule payout's window for USDC", "3600 seconds", "8 USDC; 3 USDC is left",
                                   "this is 5 USDC", "there is more in ", FIXED)),
    ],
    "APPROVAL_NEEDED": [
        (lambda user: user.signs(ASKS, MESSAGE), 403, "",
         ("By approvals[0]", "2 of ann, bob; 0 have given it", "signatures of 2 of ann, bob", "ask for an approval")),
        (lambda user: user.signs(ABOVE, transaction(FRIEND, 1_000_001)), 403, "",
         ("By approvals[0] above 1 USDC for what payout allows", "1 of bob; 0 have given it")),
    ],
    "REQUEST_SIGNATURE_NEEDED": [
        (lambda user: user.signs({"requesters": {"api": approver(ANN)}}, MESSAGE), 403, "",
         ("By requesters, whoever asks signs the request", "api", "`request_signature` by api", "nsl keys sign")),
    ],
    "RISK_SCORE_NEEDED": [
        (lambda user: user.signs(RISKY, MESSAGE), 403, "",
         ("By risk, it takes a score by model", "at most 30 by model", "nsl policy score")),
    ],
    "RISK_SCORE_OLD": [
        (lambda user: scored(user, 1, ago=301), 403, "", ("a score counts for 300 seconds", "A score of at most 30")),
    ],
    "RISK_TOO_HIGH": [
        (lambda user: scored(user, 31), 403, "", ("at most 30 is signed", "model gave this 31 of 100", "less risky")),
    ],
    "POLICY_FIXED": [
        (lambda user: user.changes(POLICY, GOVERNED), 409, "", ("names nobody who may change it", "another key")),
    ],
    "TOO_FEW_APPROVALS": [
        (lambda user: user.changes(GOVERNED, POLICY, ANN), 403, "", ("of 2 approvers", "signed: ann; not: bob")),
    ],
    "APPROVALS_EXPIRED": [
        (lambda user: user.changes(GOVERNED, POLICY, ANN, BOB, expires_at=int(time.time()) - 5), 422, "",
         ("approvals expire at 1", "clock it is 1", "sign anew")),
    ],
    "POLICIES_TOO_LONG": [
        (lambda user: user.changes(large(1), large(100), ANN, BOB), 422, "", ("too long together", "shorten", "bytes")),
    ],
    "NO_POLICY_WAITS": [
        (lambda user: user.api.post(f"/v1/keys/{user.key(GOVERNED)}/policy/withdraw"), 409, "",
         ("No other policy waits", "nothing to withdraw")),
    ],
    "POLICY_UNREADABLE": [
        (lambda user: user.api.post("/v1/keys", json={"name": "k", "curve": "ed25519",
                                                      "policy": ruled(assets=["EUR"])}), 422, "POLICY_UNSUITABLE",
         ("policy.rules.payout", "EUR is not among the policy's assets", "add it there")),
    ],
    "KEY_NOT_ACTIVE": [
        (lambda user: inactive(user, "disable"), 409, "", ("The key is disabled", "enable it (POST")),
        (lambda user: inactive(user, "destroy"), 409, "", ("The key is destroying", "enabling it undoes that")),
    ],
    "KEY_FROZEN": [
        (lambda user: inactive(user, "freeze"), 409, "", ("frozen", "keys:unfreeze", "unfreeze")),
    ],
    "NOT_UNDERSTOOD": [
        (lambda user: user.signs({}, evm(b"") | {"payload": {"hex": "02"}}), 422, "PAYLOAD_UNREADABLE",
         ("is not an EVM transaction", "the whole of it, unsigned")),
    ],
    "WRONG_CHAIN": [
        (lambda user: user.signs({}, evm(b"") | {"network": 5}), 422, "PAYLOAD_UNREADABLE",
         (f"for chain {CHAIN_ID}, the order for 5", "name the network that it is for")),
    ],
    "NOT_A_SIGNER": [
        (lambda user: user.moves_n3({}, Scope.CALLED_BY_ENTRY, signer=False), 403, "",
         ("do not include this key's account N", "they are N", "Sign with the key of one of these")),
    ],
    "WRONG_CURVE": [
        (lambda user: user.signs({}, evm(b""), "ed25519"), 422, "KIND_UNSUITABLE",
         ("A ed25519 key does not sign evm-transaction; it signs: message",)),
    ],
    "CIPHERTEXT_NOT_AUTHENTIC": [
        (decrypts, 422, "", ("this key with this context", "bring exactly what encrypt gave")),
    ],
    "ROTATION_UNSUITABLE": [
        (lambda user: user.api.post(f"/v1/keys/{user.key({})}/rotate"), 422, "",
         ("Others know a key of", "make another key", "destroy this one")),
    ],
    "ROTATIONS_EXHAUSTED": [(rotates, 409, "", ("has had 33 secrets", "make another key"))],
    "EXPORT_NOT_ALLOWED": [(exports, 403, "", ("made without recipients", "make one that names them"))],
    "RECIPIENT_NOT_NAMED": [
        (lambda user: exports(user, OWNER), 403, "", (f"{THIEF} is none of the 1 recipients", "make another key")),
    ],
    "RECIPIENT_UNSUITABLE": [
        (lambda user: user.api.post("/v1/keys", json={"name": "k", "curve": "ed25519", "exportable": True,
                                                      "export_recipients": [OWNER, OWNER]}), 422, "", ("named twice",)),
    ],
    "IMPORT_KEY_UNKNOWN": [
        (lambda user: user.imports(wrapping_key=THIEF), 409, "", ("another enclave", "get new import parameters")),
    ],
    "IMPORT_NOT_AUTHENTIC": [
        (lambda user: user.imports(name="other"), 422, "", ("name, curve and policy", "encrypt it for what is asked")),
    ],
    "IMPORT_NOT_A_KEY": [
        (lambda user: user.imports(bytes(32)), 422, "", ("no private key of secp256r1", "encrypt the 32 bytes of one")),
    ],
}  # fmt: skip


@pytest.mark.parametrize("code", CASES)
def test_a_refusal_explains_itself(user: User, code: str) -> None:
    for provoke, status, other_code, says in CASES[code]:
        answer = provoke(user)
        assert (answer.status_code, answer.json()["code"]) == (status, other_code or code), answer.text
        detail = answer.json()["detail"]
        assert not [each for each in says if each not in detail], detail
        assert detail.endswith("."), detail


def test_the_dry_run_and_the_command_line_say_the_same(user: User, tmp_path: Path) -> None:
    credentials = tmp_path / "credentials.json"
    credentials.write_text(json.dumps({"base_url": user.service.base_url, **user.tenant.credentials}))
    key = user.key(GOVERNED)
    what = transaction(STRANGER, 1)
    refused = user.api.post(f"/v1/keys/{key}/sign", json=what).json()["detail"]
    evaluated = user.api.post(f"/v1/keys/{key}/policy/evaluate", json=what).json()
    assert refused == f"{evaluated['reasons'][0]['reason']} What would change it: {evaluated['would_change'][0]}"
    with pytest.raises(ApiError, match="is not among its recipients"):
        user.nsl.keys.sign(key, "evm-transaction", what["payload"], network=CHAIN_ID)
    for command in ("sign", "evaluate"):
        options = ["--kind", "evm-transaction", "--network", str(CHAIN_ID)]
        done = subprocess.run(
            [NSL, "keys", command, key, what["payload"]["hex"], *options],
            env=os.environ | {"NSL_CREDENTIALS": str(credentials)}, check=False, capture_output=True, text=True,
        )  # fmt: skip
        said = " ".join((done.stdout + done.stderr).split())
        assert done.returncode == 1, said
        assert not [each for each in ("is not among its recipients", TWO_CHANGE_IT) if each not in said], said
