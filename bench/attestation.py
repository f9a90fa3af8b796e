"""Verifying a quote with our policy, beside bare dcap-qvl in the same process: per second and core.

The quote is a simulation's in the real format, under its own root; ``dcap_qvl.verify_with_root_ca`` does the same work.
"""

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from statistics import median

from dcap_qvl import verify_with_root_ca

from bench.figures import Figure, report, wants_json
from nsl_enclave.platform.provisioning import Provisioning
from nsl_enclave.platform.quoting import QuotingEnclave, ReportBody
from nsl_protocol.attestation.policy import EnclaveRule, Floors, Policy, judge
from nsl_protocol.attestation.verify import Collateral, TrustAnchor

ROUNDS = 9
CALLS = 300


def per_second(what: Callable[[], object]) -> float:
    """Calls in a second of this process's CPU."""
    began = time.process_time()
    for _ in range(CALLS):
        what()
    return CALLS / (time.process_time() - began)


def main() -> int:
    as_json = wants_json(__doc__ or "")
    quoting = QuotingEnclave(Provisioning(b"s" * 32))
    raw = quoting.quote(ReportBody(b"m" * 32, b"s" * 32, 1, 1, b"d" * 64))
    now = datetime.now(UTC)
    at, collateral, anchor = int(now.timestamp()), Collateral(quoting.collateral(now)), TrustAnchor(quoting.root_der)
    policy = Policy((EnclaveRule(mrenclave=(b"m" * 32).hex()),), floors=Floors(1, 1, 1, 1))
    if not judge(raw, collateral, at, [anchor], policy, b"d" * 64).accepted:
        raise SystemExit("the quote is refused")
    ours, bare = [], []
    for _ in range(ROUNDS):
        ours.append(per_second(lambda: judge(raw, collateral, at, [anchor], policy, b"d" * 64)))
        bare.append(per_second(lambda: verify_with_root_ca(raw, collateral.parsed, quoting.root_der, at)))
    value, peer = median(ours), median(bare)
    figure = Figure("verifications per core", value, "1/s", ">= 0.85 x peer", value >= 0.85 * peer, "dcap-qvl", peer)
    return report("attestation", [figure], as_json=as_json)


if __name__ == "__main__":
    sys.exit(main())
