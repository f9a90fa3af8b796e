"""Collateral from a caching service, over real HTTP: asked for once, kept while it holds, refused with a reason."""

from datetime import UTC, datetime, timedelta

import pytest

from nsl.adapters import pccs as adapter
from nsl.adapters.pccs import Pccs
from nsl.attestation.errors import CollateralUnavailable
from nsl.kit.clock import now
from nsl_enclave.platform.provisioning import Provisioning
from nsl_enclave.platform.quoting import QuotingEnclave, ReportBody
from nsl_protocol.attestation.policy import Policy, judge
from nsl_protocol.attestation.verify import TrustAnchor
from tests.support.pccs import pccs

QUOTING = QuotingEnclave(Provisioning(b"s" * 32))
RAW = QUOTING.quote(ReportBody(b"m" * 32, b"s" * 32, 1, 1, b"d" * 64))
pytestmark = pytest.mark.asyncio


async def test_what_it_brings_verifies_the_quote() -> None:
    async with pccs(QUOTING.collateral(now())) as server:
        collateral = await Pccs(server.url).collateral(RAW)
    anchors = [TrustAnchor(QUOTING.root_der)]
    assert judge(RAW, collateral, int(now().timestamp()), anchors, Policy(), b"d" * 64).accepted


async def test_it_is_asked_once_a_day_and_sooner_when_the_collateral_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    async with pccs(QUOTING.collateral(now())) as server:
        source = Pccs(server.url)
        first = await source.collateral(RAW)
        assert await source.collateral(RAW) is first
        assert len(server.asked) == 4
        monkeypatch.setattr(adapter, "now", lambda: datetime.now(UTC) + timedelta(hours=25))
        assert await source.collateral(RAW) is not first
        assert len(server.asked) == 8
        server.collateral = None
        monkeypatch.setattr(adapter, "now", lambda: datetime.now(UTC) + timedelta(hours=60))
        with pytest.raises(CollateralUnavailable):
            await source.collateral(RAW)


async def test_collateral_that_has_ended_is_not_kept() -> None:
    async with pccs(QUOTING.collateral(now() - timedelta(days=40))) as server:
        source = Pccs(server.url)
        await source.collateral(RAW)
        await source.collateral(RAW)
        assert len(server.asked) == 8


async def test_no_platform_no_answer_and_no_quote_are_told_apart_from_defects() -> None:
    async with pccs(None) as server:
        with pytest.raises(CollateralUnavailable, match="gives no collateral"):
            await Pccs(server.url).collateral(RAW)
        with pytest.raises(CollateralUnavailable, match="names no platform"):
            await Pccs(server.url).collateral(b"no quote")
    with pytest.raises(CollateralUnavailable, match="gives no collateral"):
        await Pccs("http://127.0.0.1:9").collateral(RAW)
