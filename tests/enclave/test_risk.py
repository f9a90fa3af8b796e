"""Scores by whom the policy names: over exactly this, of now, and low enough; else nothing is signed."""

from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from nsl_client.scoring import Scorer
from nsl_protocol.enclave.messages import Refused, Sign, Signature, Signed, SignOrder
from nsl_protocol.enclave.policies import ScoreGiven
from nsl_protocol.enclave.signable import Signable, SignBelow, SignMessage
from nsl_protocol.errors import CodecError
from nsl_protocol.policy.approvers import Approver, ApproverAlgorithm
from nsl_protocol.policy.approving import request_digest
from nsl_protocol.policy.document import Policy, checked, read_policy
from nsl_protocol.policy.scoring import SKEW_SECONDS, RiskRule, RiskScore, too_risky
from tests.enclave.host import NAME, Host
from tests.enclave.replica import client
from tests.enclave.test_approvals import WHAT, Key, code
from tests.enclave.test_governing import APPROVERS, SIGN

AGE = 300
RULE = RiskRule(60, {"ann": APPROVERS["ann"], "cat": APPROVERS["cat"]}, AGE)
POLICY = Policy(risk=RULE)


class Scored(Key):
    """A key under a ceiling of 60."""

    def __init__(self, host: Host, policy: Policy = POLICY) -> None:
        super().__init__(host, policy)
        self.now = int(self.replica.cluster.now())

    def score(self, score: int, by: str = "ann", what: Signable = WHAT, **changes: object) -> ScoreGiven:
        made = RiskScore(
            cluster=self.replica.cluster.identifier.hex(),
            tenant=UUID(bytes=NAME.tenant),
            key=UUID(bytes=NAME.key),
            request=request_digest(what),
            scorer=by,
            score=score,
            scored_at=self.now,
        )
        made = replace(made, **changes)
        return ScoreGiven(made.scorer, made.score, made.scored_at, SIGN[by](made.signed))

    def signs(self, score: ScoreGiven | None, what: Signable = WHAT) -> Signature | Refused:
        order = SignOrder(NAME, self.wrapped, what, uuid4().bytes, None, score)
        (result,) = self.replica.ask(Signed, Sign((order,)), client()).results
        return result


@pytest.fixture
def key(host: Host) -> Scored:
    return Scored(host)


@pytest.mark.parametrize(("score", "expected"), [(0, ""), (60, ""), (61, "RISK_TOO_HIGH"), (100, "RISK_TOO_HIGH")])
@pytest.mark.parametrize("by", ["ann", "cat"])
def test_it_is_signed_up_to_the_ceiling(key: Scored, by: str, score: int, expected: str) -> None:
    assert code(key.signs(key.score(score, by))) == expected


def test_without_a_score_it_says_who_gives_one(key: Scored) -> None:
    refused = key.signs(None)
    assert isinstance(refused, Refused)
    assert refused.code == "RISK_SCORE_NEEDED"
    assert "a score by ann, cat" in refused.reason
    assert "at most 60" in refused.reason
    assert "nsl policy score" in refused.reason
    assert refused.leaf is not None


def test_a_score_of_anything_else_is_none(key: Scored) -> None:
    bad = {
        "other bytes": key.score(1, what=SignMessage(b"another")),
        "an address below": key.score(1, what=SignBelow(0, WHAT)),
        "another key": key.score(1, key=uuid4()),
        "another tenant": key.score(1, tenant=uuid4()),
        "another cluster": key.score(1, cluster="00" * 32),
        "lowered": replace(key.score(99), score=1),
        "made younger": replace(key.score(1, scored_at=key.now - 2 * AGE), scored_at=key.now),
        "in another's name": replace(key.score(1), scorer="cat"),
        "by nobody who scores": key.score(1, "bob"),
    }
    for what, score in bad.items():
        assert code(key.signs(score)) == "RISK_SCORE_NEEDED", what
    assert code(key.signs(key.score(1, what=SignBelow(0, WHAT)), SignBelow(0, WHAT))) == ""


@pytest.mark.parametrize(
    ("ago", "expected"), [(0, ""), (AGE - 5, ""), (AGE + 5, "RISK_SCORE_OLD"), (-SKEW_SECONDS - 60, "RISK_SCORE_OLD")]
)
def test_it_counts_for_a_while(key: Scored, ago: int, expected: str) -> None:
    assert code(key.signs(key.score(1, scored_at=key.now - ago))) == expected


@given(score=st.integers(0, 100), most=st.integers(0, 100), ago=st.integers(-100, 1000), age=st.integers(1, 900))
def test_it_is_one_of_four(score: int, most: int, ago: int, age: int) -> None:
    rule = RiskRule(most, RULE.scorers, age)
    made = RiskScore("00" * 32, UUID(int=1), UUID(int=2), "00" * 32, "ann", score, 10_000 - ago)
    found = too_risky(rule, made, 10_000)
    if ago > age or ago < -SKEW_SECONDS:
        assert found is not None
        assert found[0] == "RISK_SCORE_OLD"
    else:
        assert (found is None) is (score <= most)
    assert too_risky(rule, None, 10_000) is not None


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 63), bit=st.integers(0, 7))
def test_a_changed_signature_is_none(key: Scored, place: int, bit: int) -> None:
    good = key.score(1)
    changed = bytearray(good.signature)
    changed[place] ^= 1 << bit
    assert code(key.signs(replace(good, signature=bytes(changed)))) == "RISK_SCORE_NEEDED"


def test_what_the_client_library_scores_is_what_the_enclave_wants(host: Host) -> None:
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw().hex()
    key = Scored(host, Policy(risk=RiskRule(10, {"model": Approver(ApproverAlgorithm.ED25519, public)})))
    cluster, tenant = key.replica.cluster.identifier.hex(), str(UUID(bytes=NAME.tenant))
    scorer = Scorer("model", private.private_bytes_raw(), cluster, tenant)
    assert private.private_bytes_raw().hex() not in repr(scorer)
    made = scorer.score(str(UUID(bytes=NAME.key)), "message", {"text": WHAT.data.decode()}, 10)
    assert code(key.signs(ScoreGiven("model", 10, made.scored_at, bytes.fromhex(made.signature)))) == ""
    with pytest.raises(ValueError, match="0 to 100"):
        scorer.score(str(UUID(bytes=NAME.key)), "message", {"text": "x"}, 101)


@pytest.mark.parametrize(
    "risk",
    [
        b'{"score_max": 101, "scorers": {"a": {"algorithm": "ed25519", "public_key": "%s"}}}' % (b"0" * 64),
        b'{"score_max": 1, "scorers": {}}',
        b'{"score_max": 1, "scorers": {"a": {"algorithm": "secp256r1", "public_key": "%s"}}}' % (b"0" * 64),
        b'{"score_max": 1, "scorers": {"a": {"algorithm": "secp256r1", "public_key": "02%s"}}}' % (b"f" * 64),
    ],
)
def test_a_ceiling_makes_sense(risk: bytes) -> None:
    with pytest.raises(CodecError):
        read_policy(b'{"risk": %s}' % risk)
    assert checked(POLICY) == POLICY


@pytest.mark.parametrize(
    "policy",
    [
        replace(POLICY, approvers={"bob": APPROVERS["bob"], "an": APPROVERS["ann"]}),
        replace(POLICY, requesters={"api": APPROVERS["cat"]}),
        Policy(risk=replace(RULE, scorers={"one": APPROVERS["ann"], "two": APPROVERS["ann"]})),
    ],
    ids=["who approves", "who asks", "twice"],
)
def test_a_scorer_has_a_key_of_its_own(policy: Policy) -> None:
    with pytest.raises(CodecError, match="a key of its own"):
        checked(policy)
