"""Seals and roots: made once, explicitly; opened by an upgrade; refused to everybody else."""

import asyncio
import shutil
import subprocess
from pathlib import Path
from uuid import uuid4

import pytest

import nsl_enclave
from nsl.adapters.enclave import visit
from nsl.cli.up.cluster import DevelopmentCluster
from nsl_enclave.kernel.errors import SealError
from nsl_enclave.kernel.sealing import seal, unseal
from nsl_enclave.platform.simulated import SimulatedPlatform, measure
from nsl_protocol.cluster.manifest import Program
from nsl_protocol.enclave.messages import Curve, GetStatus, Refused, Signature, SignOrder, Status
from nsl_protocol.enclave.signable import SignMessage
from nsl_protocol.enclave.wrapped import KeyName
from nsl_protocol.policy.document import Policy
from tests.support.enclave import Enclave, command, enclave, establish, measured, process

KEY = b"k" * 32
NAME = KeyName(b"t" * 16, b"k" * 16, 1)


def boot(directory: Path, *more: str) -> subprocess.CompletedProcess[str]:
    line = command(directory, "--list-modules", *more)
    return subprocess.run(line, check=False, capture_output=True, text=True, timeout=30)


async def phase_of(running: Enclave) -> Status:
    async with visit(running.address, Program.KME, running.cluster.trust()) as visiting:
        return await visiting.ask(Status, GetStatus())


def test_without_a_manifest_nothing_starts(tmp_path: Path) -> None:
    refused = boot(tmp_path)
    assert refused.returncode == 1
    assert "genesis.json" in refused.stderr


def test_only_custodians_make_a_root(tmp_path: Path) -> None:
    DevelopmentCluster(tmp_path).prepare(measured(command(tmp_path)))
    with process(command(tmp_path)) as (running, ready):
        status = asyncio.run(phase_of(Enclave(DevelopmentCluster(tmp_path), running, ready)))
        assert (status.phase, status.seal, status.epoch) == ("starting", "none", 0)
    with enclave(tmp_path) as made:
        status = asyncio.run(phase_of(made))
        assert (status.phase, status.seal, status.epoch) == ("ready", "opened", 1)


@pytest.mark.parametrize("file", ["kme.state", "platform.secret"])
def test_a_seal_that_does_not_open_is_a_lost_cache_and_never_replaced_by_itself(tmp_path: Path, file: str) -> None:
    with enclave(tmp_path):
        pass
    path = tmp_path / "kme" / file
    content = bytearray(path.read_bytes())
    for place in range(100, len(content), 64) if file == "kme.state" else [3]:
        content[place] ^= 1
    path.write_bytes(content)
    with process(command(tmp_path)) as (running, ready):
        made = Enclave(DevelopmentCluster(tmp_path), running, ready)
        status = asyncio.run(phase_of(made))
        assert (status.phase, status.seal) == ("starting", "lost")
        assert "recovered" in establish(made, may_found=False)
        assert asyncio.run(phase_of(made)).epoch == 2


def test_state_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    with enclave(tmp_path):
        pass
    for path in [*(tmp_path / "kme").iterdir(), *tmp_path.glob("*.*"), *(tmp_path / "simulation").glob("*.secret")]:
        assert path.stat().st_mode & 0o077 == 0, path


def test_an_upgraded_program_opens_the_seal_of_the_version_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = SimulatedPlatform(tmp_path, tmp_path / "simulation", "kme")
    sealed = seal(platform.sealing_key(), 1, "kme-root", b"root")
    monkeypatch.setattr("nsl_enclave.platform.simulated.measure", lambda _: "00" * 32)
    upgraded = SimulatedPlatform(tmp_path, tmp_path / "simulation", "kme")
    assert upgraded.measurement != platform.measurement
    assert unseal(upgraded.sealing_key(), 2, "kme-root", sealed) == b"root"


def test_an_older_program_another_signer_and_another_purpose_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = SimulatedPlatform(tmp_path, tmp_path / "simulation", "kme")
    sealed = seal(platform.sealing_key(), 3, "kme-root", b"root")
    with pytest.raises(SealError, match="newer security version"):
        unseal(platform.sealing_key(), 2, "kme-root", sealed)
    with pytest.raises(SealError):
        unseal(platform.sealing_key(), 3, "other", sealed)
    monkeypatch.setattr("nsl_enclave.platform.simulated.SIGNER", "somebody else")
    with pytest.raises(SealError):
        unseal(platform.sealing_key(), 3, "kme-root", sealed)


def test_the_header_of_a_seal_is_authenticated() -> None:
    sealed = bytearray(seal(KEY, 3, "p", b"root"))
    sealed[2] = 1
    with pytest.raises(SealError):
        unseal(KEY, 3, "p", bytes(sealed))


def test_the_measurement_is_of_the_code() -> None:
    assert measure("kme") == measure("kme")
    assert measure("kme") != measure("cce")


def test_a_key_made_before_an_upgrade_signs_after_it(tmp_path: Path) -> None:
    """The code files change between two starts: a copy of the package with one comment more."""
    with enclave(tmp_path) as running:
        wrapped, measurement = asyncio.run(_make(running))
    upgraded = tmp_path / "upgraded"
    shutil.copytree(Path(nsl_enclave.__file__).parent, upgraded / "nsl_enclave")
    with (upgraded / "nsl_enclave" / "kme" / "program.py").open("a") as program:
        program.write("# a later version\n")
    with enclave(tmp_path, bootstrap=False, code=upgraded) as running:
        result, other = asyncio.run(_use(running, wrapped))
    assert isinstance(result, Signature)
    assert other != measurement


async def _make(running: Enclave) -> tuple[bytes, str]:
    async with running.client() as client:
        made = await client.create_key(NAME, Curve.SECP256K1, Policy())
        return made.wrapped, (await client.status()).measurement


async def _use(running: Enclave, wrapped: bytes) -> tuple[Signature | Refused, str]:
    async with running.client() as client:
        result = (await client.sign([SignOrder(NAME, wrapped, SignMessage(b"m"), uuid4().bytes)]))[0]
        return result, (await client.status()).measurement
