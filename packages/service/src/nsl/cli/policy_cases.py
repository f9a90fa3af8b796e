"""Cases that a policy is tested on: requests to sign, and what is to come of them."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from nsl_protocol.enclave.messages import Curve
from nsl_protocol.errors import CodecError
from nsl_protocol.policy.amounts import Amount, units
from nsl_protocol.policy.asking import to_sign
from nsl_protocol.policy.decision import Decision, Objection, decide, summary, too_much
from nsl_protocol.policy.document import Kind, Policy
from nsl_protocol.policy.reading import meaning_of
from nsl_protocol.policy.scoring import RiskScore, Score, too_risky

ALLOW = "allow"


class Case(Struct, frozen=True, forbid_unknown_fields=True):
    """
    Attributes:
        payload: text of a message, hex of a digest or transaction, the document of typed data.
        score: that a scorer has given it, where the policy has a ceiling for risk; None: there is none.
        spent: of which window how much is used up by then: ``rate/SECONDS``, or ``RULE/SYMBOL/SECONDS`` in the asset.
    """

    name: str
    kind: Kind
    payload: Any
    public_key: str
    at: datetime
    expect: str
    network: int = 0
    spent: dict[str, Amount] = {}
    score: Score | None = None


class Outcome(Struct, frozen=True):
    """``got``: ``allow``, or the codes of the refusal; ``why``: the reasons, and what would change them."""

    case: str
    expected: str
    got: str
    meaning: str
    why: str

    @property
    def as_expected(self) -> bool:
        """Whether the expected code is among those that were given."""
        return self.expected in self.got.split(", ")


def run_cases(policy: Policy, document: bytes) -> list[Outcome]:
    """Raises CodecError: the cases cannot be read; it says which."""
    return list(_outcomes(policy, document))


def _outcomes(policy: Policy, document: bytes) -> Iterator[Outcome]:
    try:
        cases = msgspec.json.decode(document, type=list[Case])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CodecError(str(error), field="cases") from error
    for case in cases:
        try:
            public_key = bytes.fromhex(case.public_key)
            what = to_sign(case.kind, _content(case), case.network)
            meaning = meaning_of(what, _curve(case, public_key), public_key)
        except (CodecError, ValueError, TypeError) as error:
            raise CodecError(f"{case.name}: {error}", field="cases") from error
        found = decide(policy, meaning, int(case.at.timestamp()))
        try:
            objections = [*found.objections, *_risky(policy, case), *_used_up(policy, found, case.spent)]
        except CodecError as error:
            raise CodecError(f"{case.name}: {error}", field="cases") from error
        got = ", ".join(dict.fromkeys(each.code for each in objections)) or ALLOW
        why = " ".join(f"{each.reason} {each.would_change}" for each in objections) or ", ".join(found.rules)
        yield Outcome(case.name, case.expect, got, summary(policy, meaning), why)


def _used_up(policy: Policy, found: Decision, spent: Mapping[str, str]) -> Iterator[Objection]:
    for spend in found.spends:
        part = spend.counter.split("/")
        decimals = policy.assets[part[1]].decimals if part[1] in policy.assets else 0
        left = spend.limit - units(spent.get(spend.counter, "0"), decimals)
        if left < spend.amount:
            yield too_much(policy, spend, left)


def _content(case: Case) -> bytes:
    match case.kind:
        case Kind.MESSAGE:
            return str(case.payload).encode()
        case Kind.TYPED_DATA:
            return msgspec.json.encode(case.payload)
        case _:
            return bytes.fromhex(case.payload)


def _risky(policy: Policy, case: Case) -> Iterator[Objection]:
    """The score of a case is of its own time, and by a scorer whom the policy names."""
    if policy.risk is None:
        return
    at, score = int(case.at.timestamp()), None
    if case.score is not None:
        score = RiskScore("", UUID(int=0), UUID(int=0), "", min(policy.risk.scorers), case.score, at)
    found = too_risky(policy.risk, score, at)
    if found is not None:
        yield Objection(found[0], "risk", *found[1:])


def _curve(case: Case, public_key: bytes) -> Curve:
    """By what is signed, and where that leaves it open, by how long the key is."""
    if case.kind is Kind.N3_TRANSACTION:
        return Curve.SECP256R1
    if case.kind in (Kind.EVM_TRANSACTION, Kind.TYPED_DATA):
        return Curve.SECP256K1
    return Curve.ED25519 if len(public_key) == 32 else Curve.SECP256R1  # noqa: PLR2004 - of Ed25519
