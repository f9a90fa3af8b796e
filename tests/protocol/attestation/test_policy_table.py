"""Stage two against a table of its own: thousands of quotes, re-signed under a private root, one attribute wrong."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest

from nsl_enclave.platform.provisioning import Provisioning, Standing
from nsl_enclave.platform.quoting import QuotingEnclave, ReportBody
from nsl_protocol.attestation.binding import Purpose, report_data
from nsl_protocol.attestation.policy import EnclaveRule, Floors, Policy, Verdict, judge
from nsl_protocol.attestation.verify import INTEL, Collateral, TrustAnchor
from tests.support.long import examples

QUOTES = examples(10_000, 2_500)
NOW = datetime(2027, 1, 15, 12, tzinfo=UTC)
PROVISIONING = Provisioning(b"p" * 32)
OTHERS = Provisioning(b"o" * 32)
FLOORS = Floors(5, 4, 3, int(datetime(2027, 1, 10, tzinfo=UTC).timestamp()))
GOOD = Standing(evaluation_number=5, root_crl_number=4, pck_crl_number=3)


@dataclass(frozen=True)
class Case:
    """Everything that decides; the default of each is what the policy wants."""

    mrenclave: bytes
    mrsigner: bytes
    product: int
    svn: int
    cluster: bytes
    nonce: bytes
    key: bytes
    by_signer: bool
    purpose: Purpose = Purpose.JOIN
    asked: tuple[Purpose, bytes, bytes, bytes] | None = None
    standing: Standing = GOOD
    debug: bool = False
    issued: datetime = NOW
    at: datetime = NOW
    bend: Callable[[bytes], bytes] = bytes
    svn_min: int | None = None
    listed: bytes | None = None
    provisioning: Provisioning = PROVISIONING


@cache
def quoting(provisioning: Provisioning, standing: Standing) -> QuotingEnclave:
    return QuotingEnclave(provisioning, standing)


@cache
def collateral(provisioning: Provisioning, standing: Standing, issued: datetime) -> Collateral:
    return Collateral(quoting(provisioning, standing).collateral(issued))


def a_case(chance: random.Random) -> Case:
    return Case(
        *(chance.randbytes(32) for _ in range(2)),
        product=chance.randrange(1 << 16),
        svn=chance.randrange(1, 1 << 16),
        cluster=chance.randbytes(32),
        nonce=chance.randbytes(32),
        key=chance.randbytes(chance.randrange(1, 100)),
        by_signer=chance.random() < 0.5,
    )


def verdict(case: Case) -> Verdict:
    bound = report_data(case.purpose, case.cluster, case.nonce, case.key)
    body = ReportBody(case.mrenclave, case.mrsigner, case.product, case.svn, bound, debug=case.debug)
    raw = case.bend(quoting(case.provisioning, case.standing).quote(body))
    asked = case.asked or (case.purpose, case.cluster, case.nonce, case.key)
    if case.by_signer:
        least = case.svn if case.svn_min is None else case.svn_min
        rule = EnclaveRule(mrsigner=(case.listed or case.mrsigner).hex(), isv_prod_id=case.product, isv_svn_min=least)
    else:
        rule = EnclaveRule(mrenclave=(case.listed or case.mrenclave).hex())
    policy = Policy((rule,), advisories=("INTEL-SA-00001",), floors=FLOORS)
    found = collateral(case.provisioning, case.standing, case.issued)
    anchors = [TrustAnchor(PROVISIONING.root_der)]
    return judge(raw, found, int(case.at.timestamp()), anchors, policy, report_data(*asked))


# What is wrong, and the reasons that must be named: written down by hand, not taken from the code.
TABLE: dict[str, tuple[Callable[[Case, random.Random], Case], set[str]]] = {
    "nothing": (lambda case, _: case, set()),
    "a tolerated advisory": (
        lambda case, _: replace(case, standing=replace(GOOD, advisories=("INTEL-SA-00001",))),
        set(),
    ),
    "software hardening needed": (
        lambda case, _: replace(case, standing=replace(GOOD, status="SWHardeningNeeded")),
        set(),
    ),
    "status": (
        lambda case, chance: replace(
            case,
            standing=replace(
                GOOD,
                status=chance.choice(
                    [
                        "OutOfDate",
                        "ConfigurationNeeded",
                        "OutOfDateConfigurationNeeded",
                        "ConfigurationAndSWHardeningNeeded",
                    ]
                ),
            ),
        ),
        {"tcb_status"},
    ),
    "revoked by level": (lambda case, _: replace(case, standing=replace(GOOD, status="Revoked")), {"revoked"}),
    "revoked by list": (lambda case, _: replace(case, standing=replace(GOOD, revoked=True)), {"revoked"}),
    "advisory": (
        lambda case, _: replace(case, standing=replace(GOOD, advisories=("INTEL-SA-00001", "INTEL-SA-00002"))),
        {"advisory"},
    ),
    "status and advisory": (
        lambda case, _: replace(case, standing=replace(GOOD, status="OutOfDate", advisories=("INTEL-SA-00003",))),
        {"tcb_status", "advisory"},
    ),
    "measurement": (lambda case, chance: replace(case, listed=chance.randbytes(32)), {"measurement"}),
    "security version": (
        lambda case, _: replace(case, by_signer=True, svn=case.svn - 1, svn_min=case.svn),
        {"security_version"},
    ),
    "debug": (lambda case, _: replace(case, debug=True), {"debug"}),
    "bytes behind": (
        lambda case, chance: replace(case, bend=_with_tail(chance.randbytes(chance.randrange(1, 200)))),
        {"length"},
    ),
    "cut short": (
        lambda case, chance: replace(case, bend=_cut(chance.randrange(1, 3000))),
        {"malformed"},
    ),
    "report data": (
        lambda case, chance: replace(case, asked=(case.purpose, case.cluster, chance.randbytes(32), case.key)),
        {"report_data"},
    ),
    "key": (
        lambda case, _: replace(case, asked=(case.purpose, case.cluster, case.nonce, case.key + b"\0")),
        {"report_data"},
    ),
    "purpose": (
        lambda case, chance: replace(
            case,
            asked=(
                chance.choice([each for each in Purpose if each is not case.purpose]),
                case.cluster,
                case.nonce,
                case.key,
            ),
        ),
        {"report_data"},
    ),
    "cluster": (
        lambda case, chance: replace(case, asked=(case.purpose, chance.randbytes(32), case.nonce, case.key)),
        {"report_data"},
    ),
    "TCB floor": (lambda case, _: replace(case, standing=replace(GOOD, evaluation_number=4)), {"floor"}),
    "root CRL floor": (lambda case, _: replace(case, standing=replace(GOOD, root_crl_number=3)), {"floor"}),
    "PCK CRL floor": (lambda case, _: replace(case, standing=replace(GOOD, pck_crl_number=2)), {"floor"}),
    "issue date floor": (lambda case, _: replace(case, issued=NOW - timedelta(days=10)), {"floor"}),
    "root": (lambda case, _: replace(case, provisioning=OTHERS), {"unknown_root"}),
    "expired": (lambda case, _: replace(case, at=NOW + timedelta(days=60)), {"collateral_expired"}),
    "not yet valid": (lambda case, _: replace(case, at=NOW - timedelta(days=2)), {"collateral_not_yet_valid"}),
}


def _with_tail(tail: bytes) -> Callable[[bytes], bytes]:
    return lambda raw: raw + tail


def _cut(count: int) -> Callable[[bytes], bytes]:
    return lambda raw: raw[:-count]


def test_thousands_of_quotes_get_the_verdict_and_reasons_of_the_table() -> None:
    chance, seen, wrong = random.Random(5), Counter[str](), []
    names = sorted(TABLE)
    for number in range(QUOTES):
        name = names[number % len(names)]
        bend, expected = TABLE[name]
        case = bend(a_case(chance), chance)
        found = verdict(case)
        seen[name] += 1
        if {str(each.code) for each in found.reasons} != expected or found.accepted != (not expected):
            wrong.append((name, expected, found.reasons))
    assert not wrong, wrong[:3]
    assert min(seen.values()) >= QUOTES // len(TABLE)


def test_intels_root_never_takes_a_simulation() -> None:
    case = a_case(random.Random(6))
    bound = report_data(case.purpose, case.cluster, case.nonce, case.key)
    raw = quoting(PROVISIONING, GOOD).quote(ReportBody(case.mrenclave, case.mrsigner, 1, 1, bound))
    found = judge(raw, collateral(PROVISIONING, GOOD, NOW), int(NOW.timestamp()), [INTEL], Policy(), bound)
    assert [each.code for each in found.reasons] == ["unknown_root"]


@pytest.mark.parametrize("part", range(4))
def test_a_changed_byte_never_crashes_and_never_changes_what_is_claimed(part: int) -> None:
    """Every byte of a quote in turn: refused, or accepted with exactly the same claims."""
    chance = random.Random(7)
    body = ReportBody(b"m" * 32, b"s" * 32, 1, 1, b"d" * 64)
    raw = quoting(PROVISIONING, GOOD).quote(body)
    anchors, found = [TrustAnchor(PROVISIONING.root_der)], collateral(PROVISIONING, GOOD, NOW)
    honest = judge(raw, found, int(NOW.timestamp()), anchors, Policy(), b"d" * 64)
    assert honest.accepted
    for place in range(part, len(raw), 4):
        changed = raw[:place] + bytes([raw[place] ^ (1 << chance.randrange(8))]) + raw[place + 1 :]
        bent = judge(changed, found, int(NOW.timestamp()), anchors, Policy(), b"d" * 64)
        assert not bent.accepted or (bent.claims, bent.quote) == (honest.claims, honest.quote), place
