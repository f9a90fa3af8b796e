"""A second opinion on policies: slow, naive, and without a line of ours. It reads bytes by hand.

It may import neither `nsl_protocol` nor what is built on it: `rlp`, `eth_utils` and plain Python read the bytes.
"""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import base58
import rlp
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from eth_utils import keccak

CALL = bytes([0x41]) + hashlib.sha256(b"System.Contract.Call").digest()[:4]


def n3_address(raw: bytes) -> str:
    return base58.b58encode_check(b"\x35" + raw).decode()


def verdict(policy: dict[str, Any], kind: str, payload: bytes, network: int | None, own: str, now: int) -> set[str]:
    """The codes of everything that speaks against it; empty: it is allowed."""
    return judged(policy, kind, payload, network, own, now)[0]


def counts(
    policy: dict[str, Any], kind: str, payload: bytes, network: int | None, own: str, now: int
) -> dict[str, Any]:
    """Of what is allowed: in which windows it counts, as how much, and how much there may be."""
    found = {f"rate/{each['seconds']}": (1, each["count_max"]) for each in policy.get("rate", [])}
    for (name, symbol), total in judged(policy, kind, payload, network, own, now)[1].items():
        rule = next(each for each in policy["rules"] if each["name"] == name)
        for each in rule.get("windows", []):
            limit = _units(each["amount_max"], policy["assets"][symbol]["decimals"])
            found[f"{name}/{symbol}/{each['seconds']}"] = (total, limit)
    return found


def judged(
    policy: dict[str, Any], kind: str, payload: bytes, network: int | None, own: str, now: int
) -> tuple[set[str], dict[tuple[str, str], int]]:
    """As ``verdict``, and what each rule lets through of each asset."""
    found: set[str] = set()
    kinds = policy.get("kinds")
    if kinds is not None and kind not in kinds:
        found.add("KIND_NOT_ALLOWED")
    elif kind == "digest" and not policy.get("blind_signing", False):
        found.add("BLIND_SIGNING_NOT_ALLOWED")
    hours = policy.get("hours")
    if hours is not None:
        at = datetime.fromtimestamp(now, UTC)
        day, minutes = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"][at.weekday()], at.hour * 60 + at.minute
        if not any(day in h["days"] and _minutes(h["from"]) <= minutes < _minutes(h["to"]) for h in hours):
            found.add("OUTSIDE_HOURS")
    if kind == "n3-transaction":
        does = n3(payload)
    elif kind == "evm-transaction":
        does = evm(payload, own)
    elif kind == "message":
        does = {"chain": None, "effects": [("message",)], "whole": True, "fee": 0, "scopes": []}
    else:
        does = {"chain": None, "effects": [], "whole": True, "fee": 0, "scopes": []}
    chain = does["chain"]
    if chain is not None:
        networks = policy.get("networks")
        if networks is not None and {"chain": chain, "number": network} not in networks:
            found.add("NETWORK_NOT_ALLOWED")
        most = policy.get("fee_max", {}).get(chain)
        if most is not None and does["fee"] > _units(most, 8 if chain == "neo-n3" else 18):
            found.add("FEE_TOO_HIGH")
        rules_are_there = policy.get("rules") is not None
        allowed = policy.get("scopes", ["CalledByEntry", "None"] if rules_are_there else None)
        mine = does["scopes"] if chain == "neo-x" else [s for account, s in does["scopes"] if account == own]
        if allowed is not None and any(scope not in allowed for each in mine for scope in each):
            found.add("SCOPE_NOT_ALLOWED")
    totals: dict[tuple[str, str], int] = {}
    if policy.get("rules") is None:
        return found, totals
    if not does["whole"]:
        found.add("NOT_UNDERSTOOD_IN_FULL")
    for effect in does["effects"]:
        code, rule, symbol, amount = _one(policy, effect, own, network, now)
        if code:
            found.add(code)
        elif symbol and amount is not None:
            totals[rule, symbol] = totals.get((rule, symbol), 0) + amount
    for (name, symbol), total in totals.items():
        rule = next(each for each in policy["rules"] if each["name"] == name)
        if rule.get("amount_max") is not None:
            if total > _units(rule["amount_max"], policy["assets"][symbol]["decimals"]):
                found.add("AMOUNT_TOO_HIGH")
    return found, totals


def risk(rule: Any, score: Any, signature: bytes, now: int) -> str | None:
    """The code that speaks against a signed score, a dict as it was signed or None; None: nothing does."""
    scorer = None if score is None else rule["scorers"].get(score["scorer"])
    if scorer is None or not _has_signed(scorer, b"nsl-risk-score-v1\0" + _in_order(score), signature):
        return "RISK_SCORE_NEEDED"
    age = now - score["scored_at"]
    if age > rule.get("age_seconds_max", 300) or age < -30:
        return "RISK_SCORE_OLD"
    return "RISK_TOO_HIGH" if score["score"] > rule["score_max"] else None


def _in_order(document: Any) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def _has_signed(who: Any, content: bytes, signature: bytes) -> bool:
    raw = bytes.fromhex(who["public_key"])
    try:
        if who["algorithm"] == "ed25519":
            Ed25519PublicKey.from_public_bytes(raw).verify(signature, content)
        else:
            r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
            point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw)
            point.verify(encode_dss_signature(r, s), content, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def _one(policy: Any, effect: Any, own: str, network: Any, now: int) -> tuple[str, str, str, int | None]:
    if effect[0] in ("move", "approve") and effect[3] != own:
        return "NOT_OWN_ACCOUNT", "", "", None
    for rule in policy["rules"]:
        if effect[0] == "message" and rule["allow"] == "message":
            return "", rule["name"], "", None
        if effect[0] == "deploy" and rule["allow"] == "deploy" and effect[1] == 0:
            return "", rule["name"], "", None
        if effect[0] == "call" and rule["allow"] == "call":
            _, chain, contract, method, value = effect
            methods = rule["methods"]
            if (rule["chain"], rule["contract"].lower()) == (chain, contract) and (
                methods == "any" or method in methods
            ):
                if value <= _units(rule.get("value_max", "0"), 18):
                    return "", rule["name"], "", None
        if (effect[0], rule["allow"]) in (("move", "transfer"), ("approve", "approve")):
            _, chain, contract, _, other, amount = effect
            for symbol in rule["assets"]:
                asset = policy["assets"][symbol]
                if (asset["chain"], asset["contract"].lower()) != (chain, contract):
                    continue
                if asset.get("network", network) != network:
                    continue
                whom = rule["to"] if effect[0] == "move" else rule["spenders"]
                if amount is None and not rule.get("unlimited", False):
                    continue
                if _meant(policy, whom, other, now):
                    return "", rule["name"], symbol, amount
    return "NOT_ALLOWED_BY_ANY_RULE", "", "", None


def _meant(policy: Any, whom: Any, who: str, now: int) -> bool:
    if whom == "any":
        return True
    if isinstance(whom, dict):
        book = policy["books"][whom["book"]]
        for address, since in book["entries"].items():
            begun = datetime.fromisoformat(since).timestamp()
            if _same(address, who) and now - begun >= book.get("cool_down_seconds", 0):
                return True
        return False
    return any(_same(each, who) for each in whom)


def _same(one: str, other: str) -> bool:
    return one.lower() == other.lower() if one.startswith("0x") else one == other


def _units(text: str, decimals: int) -> int:
    whole, _, part = text.partition(".")
    return int(whole) * 10**decimals + int((part.rstrip("0") or "0").ljust(decimals, "0")[:decimals] or "0")


def _minutes(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])


# Neo X ------------------------------------------------------------------------------------------------------------


def evm(payload: bytes, own: str) -> dict[str, Any]:
    """Of an EIP-1559 transaction."""
    assert payload[0] == 2
    _, _, _, most, limit, to, value, data, _ = rlp.decode(payload[1:])
    fee = int.from_bytes(most) * int.from_bytes(limit)
    amount, target = int.from_bytes(value), "0x" + to.hex()
    whole, effects = True, []
    if not to:
        effects = [("deploy", amount)]
    elif not data:
        effects = [("move", "neo-x", "native", own, target, amount)]
    elif len(data) < 4:
        whole = False
    elif amount:
        inner = _abi(data, target, own, 3)
        whole = inner is not None and all(each[0] == "call" for each in inner)
        effects = [] if inner is None else [("call", "neo-x", target, "0x" + data[:4].hex(), amount)]
    else:
        inner = _abi(data, target, own, 3)
        whole, effects = inner is not None, inner or []
    return {"chain": "neo-x", "effects": effects, "whole": whole, "fee": fee, "scopes": []}


def _selector(text: str) -> bytes:
    return bytes(keccak(text=text)[:4])


def _abi(data: bytes, target: str, own: str, depth: int) -> list[Any] | None:
    name, words = data[:4], [data[each : each + 32] for each in range(4, len(data), 32)]

    def plain(count: int) -> bool:
        return len(data) == 4 + 32 * count

    def who(word: bytes) -> str | None:
        return None if any(word[:12]) else "0x" + word[12:].hex()

    def bounded(word: bytes) -> int | None:
        number = int.from_bytes(word)
        return None if number >= 2**255 else number

    if name == _selector("transfer(address,uint256)"):
        to = who(words[0]) if plain(2) else None
        return None if to is None else [("move", "neo-x", target, own, to, int.from_bytes(words[1]))]
    if name == _selector("transferFrom(address,address,uint256)"):
        if not plain(3) or who(words[0]) is None or who(words[1]) is None:
            return None
        return [("move", "neo-x", target, who(words[0]), who(words[1]), int.from_bytes(words[2]))]
    if name in (_selector("approve(address,uint256)"), _selector("increaseAllowance(address,uint256)")):
        spender = who(words[0]) if plain(2) else None
        return None if spender is None else [("approve", "neo-x", target, own, spender, bounded(words[1]))]
    if name == _selector("setApprovalForAll(address,bool)"):
        if not plain(2) or who(words[0]) is None or int.from_bytes(words[1]) > 1:
            return None
        return [("approve", "neo-x", target, own, who(words[0]), None if int.from_bytes(words[1]) else 0)]
    if name == _selector("multicall(bytes[])"):
        parts = _list_of_bytes(data[4:]) if depth else None
        if not parts or len(parts) > 64:
            return None
        found: list[Any] = []
        for part in parts:
            inner = _abi(part, target, own, depth - 1) if len(part) >= 4 else None
            if inner is None:
                return None
            found += inner
        return found
    return [("call", "neo-x", target, "0x" + name.hex(), 0)]


def _list_of_bytes(body: bytes) -> list[bytes] | None:
    """By building what it should be and comparing."""
    from eth_abi import decode, encode

    try:
        (parts,) = decode(["bytes[]"], body)
    except Exception:  # noqa: BLE001 - whatever it dislikes, it is none
        return None
    return list(parts) if encode(["bytes[]"], [parts]) == body else None


# Neo N3 -----------------------------------------------------------------------------------------------------------


def n3(payload: bytes) -> dict[str, Any]:
    """Of an unsigned transaction without attributes."""
    fee = int.from_bytes(payload[5:13], "little") + int.from_bytes(payload[13:21], "little")
    at, signers = 26, []
    for _ in range(payload[25]):
        account, scope = payload[at : at + 20], payload[at + 20]
        at += 21
        names = {1: "CalledByEntry", 16: "CustomContracts", 32: "CustomGroups", 64: "WitnessRules", 128: "Global"}
        if scope & 16:
            at += 1 + 20 * payload[at]
        signers.append((n3_address(account), [name for bit, name in names.items() if scope & bit] or ["None"]))
    assert payload[at] == 0
    at += 1
    size, at = (
        (payload[at], at + 1) if payload[at] < 0xFD else (int.from_bytes(payload[at + 1 : at + 3], "little"), at + 3)
    )
    script = payload[at : at + size]
    calls = _script(script)
    whole, effects = bool(calls), []
    for contract, method, arguments in calls or []:
        moved = (
            method == "transfer"
            and len(arguments) == 4
            and all(isinstance(arguments[each], bytes) and len(arguments[each]) == 20 for each in (0, 1))
            and type(arguments[2]) is int
            and arguments[2] >= 0
        )
        name = "0x" + contract[::-1].hex()
        if moved:
            effects.append(("move", "neo-n3", name, n3_address(arguments[0]), n3_address(arguments[1]), arguments[2]))
        else:
            effects.append(("call", "neo-n3", name, method, 0))
            whole = whole and not (method == "transfer" and len(arguments) == 4)
    return {"chain": "neo-n3", "effects": effects, "whole": whole, "fee": fee, "scopes": signers}


def _script(script: bytes) -> list[Any] | None:
    at, stack, found = 0, [], []
    while at < len(script):
        code = script[at]
        if code <= 5:
            size = 1 << code
            stack.append(int.from_bytes(script[at + 1 : at + 1 + size], "little", signed=True))
            at += 1 + size
        elif code in (8, 9):
            stack.append(code == 8)
            at += 1
        elif code == 0x0B:
            stack.append(None)
            at += 1
        elif code in (0x0C, 0x0D):
            width = 1 if code == 0x0C else 2
            size = int.from_bytes(script[at + 1 : at + 1 + width], "little")
            stack.append(script[at + 1 + width : at + 1 + width + size])
            at += 1 + width + size
        elif 0x0F <= code <= 0x20:
            stack.append(code - 0x10)
            at += 1
        elif code == 0xC2:
            stack.append([])
            at += 1
        elif code == 0xC0:
            count = stack.pop() if stack else None
            if type(count) is not int or not 0 < count <= len(stack):
                return None
            stack.append([stack.pop() for _ in range(count)])
            at += 1
        elif script[at : at + 5] == CALL and len(stack) == 4 and isinstance(stack[0], list):
            found.append((stack[3], stack[2].decode(), stack[0]))
            stack, at = [], at + 5
            if at < len(script) and script[at] in (0x39, 0x45):
                at += 1
        else:
            return None
    return None if stack else found
