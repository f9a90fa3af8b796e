"""Seals and roots: made once, explicitly; opened by an upgrade; refused to everybody else."""

import asyncio
import shutil
import subprocess
from pathlib import Path

import pytest

import nsl_enclave
from nsl.cli.up.certificates import make_certificates
from nsl_enclave.kernel.errors import SealError
from nsl_enclave.kernel.sealing import seal, unseal
from nsl_enclave.platform.simulated import SimulatedPlatform, measure
from nsl_protocol.enclave.messages import Curve, KeyName, Refused, Signature, SignMessage, SignOrder
from tests.support.enclave import Enclave, command, enclave

KEY = b"k" * 32
NAME = KeyName(b"t" * 16, b"k" * 16, 1)


def boot(directory: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(directory, "--list-modules", *more), check=False, capture_output=True, text=True, timeout=30
    )


def test_without_a_seal_only_an_explicit_bootstrap_makes_a_root(tmp_path: Path) -> None:
    make_certificates(tmp_path / "tls")
    refused = boot(tmp_path)
    assert refused.returncode == 1
    assert "--bootstrap" in refused.stderr
    assert boot(tmp_path, "--bootstrap").returncode == 0
    before = (tmp_path / "kme" / "kme.seal").read_bytes()
    assert boot(tmp_path, "--bootstrap").returncode == 0
    assert (tmp_path / "kme" / "kme.seal").read_bytes() == before


@pytest.mark.parametrize("file", ["kme.seal", "platform.secret"])
def test_a_damaged_seal_or_platform_is_refused_and_never_replaced(tmp_path: Path, file: str) -> None:
    make_certificates(tmp_path / "tls")
    assert boot(tmp_path, "--bootstrap").returncode == 0
    path = tmp_path / "kme" / file
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    refused = boot(tmp_path, "--bootstrap")
    assert refused.returncode == 1
    assert "does not open" in refused.stderr


def test_state_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    make_certificates(tmp_path / "tls")
    boot(tmp_path, "--bootstrap")
    for path in [*(tmp_path / "kme").iterdir(), *(tmp_path / "tls").glob("*.key")]:
        assert path.stat().st_mode & 0o077 == 0, path


def test_an_upgraded_program_opens_the_seal_of_the_version_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = SimulatedPlatform(tmp_path, "kme")
    platform.create()
    sealed = seal(platform.sealing_key(), 1, "kme-root", b"root")
    monkeypatch.setattr("nsl_enclave.platform.simulated.measure", lambda _: "00" * 32)
    upgraded = SimulatedPlatform(tmp_path, "kme")
    assert upgraded.measurement != platform.measurement
    assert unseal(upgraded.sealing_key(), 2, "kme-root", sealed) == b"root"


def test_an_older_program_another_signer_and_another_purpose_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = SimulatedPlatform(tmp_path, "kme")
    platform.create()
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
        made = await client.create_key(NAME, Curve.SECP256K1, blind_signing=False)
        return made.wrapped, (await client.status()).measurement


async def _use(running: Enclave, wrapped: bytes) -> tuple[Signature | Refused, str]:
    async with running.client() as client:
        result = (await client.sign([SignOrder(NAME, wrapped, SignMessage(b"m"))]))[0]
        return result, (await client.status()).measurement
