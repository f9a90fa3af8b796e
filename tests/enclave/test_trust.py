"""Which enclaves the service trusts: those of the manifest in its folder, with collateral from a PCCS if need be."""

from pathlib import Path

import pytest

from nsl.adapters.enclave import EnclaveUntrusted, Trust
from nsl.adapters.pccs import Pccs
from nsl.attestation.errors import CollateralUnavailable
from nsl.kit.clock import unix_seconds
from nsl_protocol.attestation.binding import Purpose, report_data
from nsl_protocol.cluster.manifest import Program
from nsl_protocol.enclave.membership import Quoted
from tests.enclave.replica import ANCHOR, BentPlatform, Founders
from tests.support.pccs import pccs

NONCE, KEY = b"n" * 32, b"key"
pytestmark = pytest.mark.asyncio


def quoted(founders: Founders, collateral: bytes | None) -> Quoted:
    cluster = founders.constitution.cluster
    quote = BentPlatform().quote(report_data(Purpose.ENROL_SERVER, cluster, NONCE, KEY))
    return Quoted(quote, collateral, cluster, (KEY,), NONCE)


async def test_an_enclave_on_hardware_brings_no_collateral_and_the_pccs_is_asked(tmp_path: Path) -> None:
    founders = Founders(tmp_path)
    async with pccs(BentPlatform().collateral(float(unix_seconds())).decode()) as server:
        trust = Trust(tmp_path, [ANCHOR], Pccs(server.url))
        verdict = await trust.insist(Program.KME, Purpose.ENROL_SERVER, NONCE, [KEY], quoted(founders, None))
    assert verdict.accepted
    assert len(server.asked) == 4


async def test_without_a_pccs_or_with_collateral_that_cannot_be_read_nothing_is_trusted(tmp_path: Path) -> None:
    founders = Founders(tmp_path)
    for collateral, source, error in (
        (None, None, EnclaveUntrusted),
        (b"{}", None, EnclaveUntrusted),
        (None, Pccs("http://127.0.0.1:9"), CollateralUnavailable),
    ):
        with pytest.raises(error):
            await Trust(tmp_path, [ANCHOR], source).insist(
                Program.KME, Purpose.ENROL_SERVER, NONCE, [KEY], quoted(founders, collateral)
            )


async def test_a_manifest_that_is_missing_or_not_signed_is_nothing_to_trust(tmp_path: Path) -> None:
    with pytest.raises(EnclaveUntrusted, match="NSL_MANIFEST_DIR"):
        Trust(tmp_path, [ANCHOR], None).constitution()
    founders = Founders(tmp_path)
    founders.update(signers=1)
    with pytest.raises(EnclaveUntrusted, match="is signed by 1 custodians; it takes 2"):
        Trust(tmp_path, [ANCHOR], None).constitution()
    founders_file = tmp_path / "genesis.json"
    founders_file.write_bytes(b"\xff")
    with pytest.raises(EnclaveUntrusted):
        Trust(tmp_path, [ANCHOR], None).constitution()


async def test_another_program_of_the_manifest_is_not_taken_for_the_one_that_is_asked(tmp_path: Path) -> None:
    founders = Founders(tmp_path)
    found = quoted(founders, BentPlatform().collateral(float(unix_seconds())))
    with pytest.raises(EnclaveUntrusted, match="measurement"):
        await Trust(tmp_path, [ANCHOR], None).insist(Program.CBE, Purpose.ENROL_SERVER, NONCE, [KEY], found)
