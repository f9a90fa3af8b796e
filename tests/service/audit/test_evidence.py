"""Evidence for receipts: two quotes of one platform, of which the second binds what the first one came with."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from nsl.audit.model import Evidence
from nsl.audit.service import LogKeeper, Witnessing
from nsl_enclave.platform.provisioning import Provisioning
from nsl_enclave.platform.quoting import QuotingEnclave, ReportBody
from nsl_protocol.attestation.quote import parse_quote
from nsl_protocol.receipt import TIME_BYTES, evidence_nonce

NOW = datetime(2027, 1, 15, tzinfo=UTC)
PLATFORMS = [QuotingEnclave(Provisioning(secret * 32)) for secret in (b"1", b"2")]
BODY = ReportBody(b"m" * 32, b"s" * 32, 1, 1, bytes(64))


class Replicas:
    """Answer in turn."""

    def __init__(self, *platforms: QuotingEnclave) -> None:
        self._platforms = list(platforms)
        self.nonces: list[bytes] = []

    async def evidence(self, nonce: bytes) -> Evidence:
        platform = self._platforms.pop(0)
        self.nonces.append(nonce)
        return Evidence(b"k" * 32, NOW, nonce, 1, platform.quote(BODY), platform.collateral(NOW))


def keeper(replicas: Replicas) -> LogKeeper:
    nothing: Any = None
    return LogKeeper(nothing, replicas, Witnessing(nothing, []), "origin")  # type: ignore[arg-type]  # all it is asked


async def test_the_second_nonce_is_over_certificates_and_collateral_and_the_time() -> None:
    replicas = Replicas(PLATFORMS[0], PLATFORMS[0])
    found = await keeper(replicas)._evidence()
    assert found is not None
    collateral = msgspec.json.decode(found.collateral, type=dict[str, str])
    at = int.from_bytes(found.nonce[-TIME_BYTES:])
    assert found.nonce == evidence_nonce(parse_quote(found.quote).certificates, collateral, at) == replicas.nonces[1]
    assert found.nonce != evidence_nonce(b"", collateral, at)
    assert found.nonce != evidence_nonce(parse_quote(found.quote).certificates, collateral | {"more": ""}, at)


async def test_two_replicas_make_no_evidence_together() -> None:
    assert await keeper(Replicas(*PLATFORMS))._evidence() is None
