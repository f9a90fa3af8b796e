"""An independent model agrees on every generated thing to sign, against every generated policy."""

import ast
import json
from collections import Counter
from pathlib import Path
from random import Random
from uuid import UUID

from coincurve import PrivateKey
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec import convert

from nsl_protocol.enclave.messages import Curve
from nsl_protocol.enclave.signable import SignEvmTransaction, SignN3Transaction
from nsl_protocol.errors import CodecError
from nsl_protocol.evm.abi import encode_transfer
from nsl_protocol.evm.address import EvmAddress
from nsl_protocol.evm.transaction import FeeMarketTransaction
from nsl_protocol.n3.address import ScriptHash
from nsl_protocol.n3.script import call
from nsl_protocol.n3.transaction import Transaction
from nsl_protocol.n3.witness import Signer
from nsl_protocol.policy.decision import decide, summary
from nsl_protocol.policy.document import read_policy
from nsl_protocol.policy.reading import meaning_of, own_account
from nsl_protocol.policy.scoring import RiskRule, RiskScore, scored, too_risky
from tests.protocol.policy import model
from tests.protocol.policy.generated import EVM_CONTRACTS, N3_CONTRACTS, NOW, policy, to_sign

POLICIES = 500
THINGS = 12
N3_KEY = ec.derive_private_key(7, ec.SECP256R1()).public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
EVM_KEY = PrivateKey((7).to_bytes(32)).public_key.format(compressed=True)
N3_OWN = own_account(Curve.SECP256R1, N3_KEY)
EVM_OWN = own_account(Curve.SECP256K1, EVM_KEY)


def test_the_model_imports_nothing_of_ours() -> None:
    tree = ast.parse(Path(model.__file__).read_text(encoding="utf-8"))
    modules = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    modules |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not [each for each in modules if each.startswith("nsl")]


def test_both_say_the_same_of_everything() -> None:
    random = Random(20261126)
    own = ScriptHash.from_address(N3_OWN)
    said: Counter[str] = Counter()
    for _ in range(POLICIES):
        document = policy(random)
        read = read_policy(json.dumps(document).encode())
        for _ in range(THINGS):
            kind, payload, network, what = to_sign(random, own, EVM_OWN)
            on_neo_x = isinstance(what, SignEvmTransaction)
            curve, public_key = (Curve.SECP256K1, EVM_KEY) if on_neo_x else (Curve.SECP256R1, N3_KEY)
            account = EVM_OWN if on_neo_x else N3_OWN
            meaning = meaning_of(what, curve, public_key)
            ours = decide(read, meaning, NOW)
            codes = {each.code for each in ours.objections}
            expected = model.verdict(document, kind, payload, network, account, NOW)
            assert codes == expected, (document, kind, payload.hex(), network)
            assert summary(read, meaning)
            if not codes:
                counted = {each.counter: (each.amount, each.limit) for each in ours.spends}
                assert counted == model.counts(document, kind, payload, network, account, NOW)
                said.update(f"counted in a {'rate' if name.startswith('rate') else 'window'}" for name in counted)
            said.update(codes or {f"allowed {kind}"})
    assert all(said[each] > 20 for each in EXPECTED), said


EXPECTED = (
    "allowed message", "allowed digest", "allowed n3-transaction", "allowed evm-transaction", "KIND_NOT_ALLOWED",
    "BLIND_SIGNING_NOT_ALLOWED", "OUTSIDE_HOURS", "NETWORK_NOT_ALLOWED", "FEE_TOO_HIGH", "SCOPE_NOT_ALLOWED",
    "NOT_UNDERSTOOD_IN_FULL", "NOT_OWN_ACCOUNT", "AMOUNT_TOO_HIGH", "NOT_ALLOWED_BY_ANY_RULE", "counted in a rate",
    "counted in a window",
)  # fmt: skip


def test_what_does_not_parse_has_no_meaning() -> None:
    for junk in (b"", b"\x02junk"):
        try:
            meaning_of(SignEvmTransaction(1, junk), Curve.SECP256K1, EVM_KEY)
        except CodecError:
            continue
        raise AssertionError(junk)


ANYTHING = {
    "neo-n3": {"allow": "call", "name": "any", "chain": "neo-n3", "contract": N3_CONTRACTS[0], "methods": "any"},
    "neo-x": {
        "allow": "call", "name": "any", "chain": "neo-x", "contract": EVM_CONTRACTS[0], "methods": "any",
        "value_max": "1",
    },
}  # fmt: skip


def test_what_a_token_takes_for_a_transfer_is_not_ruled_as_a_call() -> None:
    """Found by execution: the GAS contract takes ``true`` for 1, and a token may take GAS with its ``transfer``."""
    own, gas = ScriptHash.from_address(N3_OWN), ScriptHash.parse(N3_CONTRACTS[0])
    script = call(gas, "transfer", own, b"x" * 20, True, None)
    n3 = Transaction(1, 1, 1, 30, (Signer(own),), script=script).unsigned_bytes()
    data = encode_transfer(EvmAddress(b"\7" * 20), 5)
    token = EvmAddress.parse(EVM_CONTRACTS[0].lower())
    evm = FeeMarketTransaction(1, 3, 21_000, token, 1, data, 1, 1).unsigned_bytes()
    for chain, what, curve, key in (
        ("neo-n3", SignN3Transaction(1, n3), Curve.SECP256R1, N3_KEY),
        ("neo-x", SignEvmTransaction(1, evm), Curve.SECP256K1, EVM_KEY),
    ):
        read = read_policy(json.dumps({"rules": [ANYTHING[chain]]}).encode())
        codes = {each.code for each in decide(read, meaning_of(what, curve, key), NOW).objections}
        assert codes == {"NOT_UNDERSTOOD_IN_FULL"}, chain


def test_both_say_the_same_of_every_score() -> None:
    """Of both algorithms, by a scorer or by another, changed after it was signed or not, old, high, or none."""
    random = Random(20261127)
    signers = {"ann": Ed25519PrivateKey.from_private_bytes(b"a" * 32), "bob": ec.derive_private_key(9, ec.SECP256R1())}
    said: Counter[str | None] = Counter()
    for _ in range(4000):
        rule = {"score_max": random.randint(0, 100), "scorers": {name: _entry(key) for name, key in signers.items()}}
        if random.random() < 0.5:
            rule["age_seconds_max"] = random.choice([1, 60, 86_400])
        if random.random() < 0.2:
            rule["scorers"].pop(random.choice(list(signers)))
        by = random.choice(list(signers))
        score = {
            "cluster": random.randbytes(32).hex(), "tenant": str(UUID(int=random.getrandbits(128))),
            "key": str(UUID(int=random.getrandbits(128))), "request": random.randbytes(32).hex(), "scorer": by,
            "score": random.randint(0, 100), "scored_at": NOW + random.choice([-86_401, -301, -300, -60, 0, 30, 31]),
        }  # fmt: skip
        content = b"nsl-risk-score-v1\0" + json.dumps(score, sort_keys=True, separators=(",", ":")).encode()
        signature = _signed(signers[by], content)
        if random.random() < 0.2:
            score |= random.choice([
                {"score": (score["score"] + 1) % 101}, {"scored_at": score["scored_at"] + 1}, {"key": str(UUID(int=1))},
                {"tenant": str(UUID(int=1))}, {"request": "00" * 32}, {"cluster": "11" * 32}, {"scorer": "eve"},
                {"scorer": "bob" if by == "ann" else "ann"},
            ])  # fmt: skip
        given = None if random.random() < 0.1 else score
        expected = model.risk(rule, given, signature, NOW)
        ours = convert(given, RiskScore | None, strict=False)
        read = convert(rule, RiskRule)
        found = too_risky(read, ours if ours is not None and scored(read, ours, signature) else None, NOW)
        assert (None if found is None else found[0]) == expected, (rule, given)
        said[expected] += 1
    assert all(said[each] > 200 for each in (None, "RISK_SCORE_NEEDED", "RISK_SCORE_OLD", "RISK_TOO_HIGH")), said


def _entry(key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> dict[str, str]:
    if isinstance(key, Ed25519PrivateKey):
        return {"algorithm": "ed25519", "public_key": key.public_key().public_bytes_raw().hex()}
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    return {"algorithm": "secp256r1", "public_key": point.hex()}


def _signed(key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey, content: bytes) -> bytes:
    if isinstance(key, Ed25519PrivateKey):
        return key.sign(content)
    r, s = decode_dss_signature(key.sign(content, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32) + s.to_bytes(32)
