"""What every platform keeps, and what an SGX enclave under Gramine keeps besides."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jinja2
import pytest

from nsl.cli.up.cluster import DevelopmentCluster
from nsl_enclave.kernel.errors import PlatformError, SealError
from nsl_enclave.platform import Platform
from nsl_enclave.platform.gramine import GraminePlatform
from nsl_enclave.platform.simulated import SimulatedPlatform
from nsl_protocol.attestation.quote import parse_quote
from tests.enclave.fake_gramine import DEBUG, INIT, MRENCLAVE, MRSIGNER, gramine, quoting, report_body
from tests.house.tree import ROOT

type Start = Callable[[str, str], Platform]


@pytest.fixture(params=["sim", "hw"])
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Start]:
    """Start a program on a machine: the two names in, its platform out; the same names are the same place again."""
    with ExitStack() as stack:

        def simulated(program: str, machine: str) -> Platform:
            (tmp_path / machine).mkdir(exist_ok=True)
            return SimulatedPlatform(tmp_path / machine, tmp_path / machine / "simulation", program)

        def under_gramine(program: str, machine: str) -> Platform:
            directory = tmp_path / machine / program
            if not directory.exists():
                quote = quoting(lambda data: report_body(data, mrenclave=program.encode().ljust(32, b"\1")))
                stack.enter_context(gramine(directory, quote, machine=machine.encode()))
            return GraminePlatform(directory)

        yield simulated if request.param == "sim" else under_gramine


def test_the_platform_says_what_it_is(start: Start, request: pytest.FixtureRequest) -> None:
    platform = start("kme", "here")
    assert platform.mode == request.node.callspec.params["start"]
    assert re.fullmatch(r"[0-9a-f]{64}", platform.measurement)
    assert platform.measurement != start("cce", "here").measurement
    assert 0 <= platform.security_version < 1 << 16


def test_the_sealing_key_is_of_one_program_on_one_machine(start: Start) -> None:
    key = start("kme", "here").sealing_key()
    assert len(key) == 32
    assert start("kme", "here").sealing_key() == key
    assert len({key, start("cce", "here").sealing_key(), start("kme", "there").sealing_key()}) == 3


@pytest.fixture
def attestation(tmp_path: Path) -> Iterator[Path]:
    with gramine(tmp_path / "attestation") as directory:
        yield directory


def test_the_identity_is_the_processors(attestation: Path) -> None:
    platform: Platform = GraminePlatform(attestation)
    assert isinstance(platform, GraminePlatform)
    assert (platform.measurement, platform.signer) == (MRENCLAVE.hex(), MRSIGNER.hex())
    assert (platform.product, platform.security_version) == (1, 3)
    assert platform.isolate() == ("sgx",)


def test_a_quote_is_over_the_report_data_and_whole(attestation: Path) -> None:
    quote = parse_quote(GraminePlatform(attestation).quote(b"d" * 64))
    assert (quote.report_data, quote.measurement, quote.debug, quote.exact) == (b"d" * 64, MRENCLAVE, False, True)


@pytest.mark.parametrize("length", [0, 63, 65])
def test_report_data_of_another_length_is_refused(attestation: Path, length: int) -> None:
    with pytest.raises(PlatformError, match=f"{length} bytes"):
        GraminePlatform(attestation).quote(bytes(length))


def test_every_thread_gets_the_quote_that_it_asked_for(attestation: Path) -> None:
    platform = GraminePlatform(attestation)
    wanted = [bytes([number]) * 64 for number in range(64)]
    with ThreadPoolExecutor(8) as threads:
        assert [quote[48 + 320 : 48 + 384] for quote in threads.map(platform.quote, wanted)] == wanted


@pytest.mark.parametrize(
    ("attributes", "sentence"), [(INIT | DEBUG, r"sgx\.debug = false"), (0, "INIT"), (DEBUG, "INIT")]
)
def test_what_is_no_production_enclave_is_refused(tmp_path: Path, attributes: int, sentence: str) -> None:
    quote = quoting(lambda data: report_body(data, attributes=attributes))
    with gramine(tmp_path / "a", quote) as directory, pytest.raises(PlatformError, match=sentence):
        GraminePlatform(directory)


@pytest.mark.parametrize("attestation_type", ["none", "epid", ""])
def test_another_attestation_type_is_refused_with_what_to_set(tmp_path: Path, attestation_type: str) -> None:
    with (
        gramine(tmp_path / "a", attestation_type=attestation_type) as directory,
        pytest.raises(PlatformError, match=r'sgx\.remote_attestation = "dcap"'),
    ):
        GraminePlatform(directory)


def test_outside_of_gramine_there_is_no_platform(tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match=r"attestation_type cannot be used .* gramine-sgx"):
        GraminePlatform(tmp_path)


LIES = {
    "other report data": quoting(lambda _: report_body(b"x" * 64)),
    "another enclave": quoting(lambda data: report_body(data, mrenclave=b"\2" * 32)),
    "another version": quoting(lambda data: report_body(data, isvsvn=9)),
    "cut short": lambda data: quoting()(data)[:400],
    "nothing": lambda _: b"",
}


@pytest.mark.parametrize("lie", LIES)
def test_a_quote_that_is_not_of_our_report_is_refused(tmp_path: Path, lie: str) -> None:
    with (
        gramine(tmp_path / "a", LIES[lie], body=report_body) as directory,
        pytest.raises(PlatformError, match="another report"),
    ):
        GraminePlatform(directory)


def test_a_report_over_other_data_is_refused(tmp_path: Path) -> None:
    with (
        gramine(tmp_path / "a", quoting(lambda _: report_body(b"x" * 64))) as directory,
        pytest.raises(PlatformError, match="report is not over"),
    ):
        GraminePlatform(directory)


@pytest.mark.parametrize("key", [None, b"", b"k" * 15, b"k" * 17])
def test_without_a_whole_sealing_key_nothing_is_sealed(attestation: Path, key: bytes | None) -> None:
    platform = GraminePlatform(attestation)
    file = attestation / "keys" / "_sgx_mrenclave"
    if key is None:
        file.unlink()
    else:
        file.write_bytes(key)
    with pytest.raises(SealError, match="gramine-sgx"):
        platform.sealing_key()


def test_the_key_that_gramine_may_also_mount_with_is_never_used_itself(attestation: Path) -> None:
    raw = (attestation / "keys" / "_sgx_mrenclave").read_bytes()
    assert raw not in GraminePlatform(attestation).sealing_key()


def test_a_quote_carries_the_report_data_and_the_measurement(start: Start) -> None:
    platform = start("kme", "here")
    quote = parse_quote(platform.quote(b"d" * 64))
    assert (quote.report_data, quote.measurement.hex()) == (b"d" * 64, platform.measurement)
    assert (quote.debug, quote.exact) == (False, True)


def boot(directory: Path) -> subprocess.CompletedProcess[str]:
    """``boot_gramine`` in a process of its own, up to the moment when it would serve."""
    code = "import sys; from pathlib import Path; from nsl_enclave.boot_gramine import main; sys.exit(main(Path('a')))"
    arguments = ["kme", "--manifest", "manifest", "--state", "state", "--list-modules"]
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=directory, check=False, capture_output=True, text=True, timeout=30,
    )  # fmt: skip


def test_the_hardware_boot_loads_nothing_of_the_simulation(tmp_path: Path) -> None:
    DevelopmentCluster(tmp_path).prepare(MRENCLAVE.hex())
    with gramine(tmp_path / "a"):
        again = boot(tmp_path)
    assert again.returncode == 0, again.stderr
    loaded = set(again.stdout.split())
    assert "nsl_enclave.platform.gramine" in loaded
    assert not loaded & {
        "nsl_enclave.platform.simulated",
        "nsl_enclave.platform.isolation",
        "nsl_enclave.platform.quoting",
        "nsl_enclave.platform.provisioning",
        "nsl_enclave.boot_simulated",
    }


PROGRAMS = ("kme", "cce", "ave", "cbe")
TEMPLATES = ("nsl-enclave.manifest.template", "gsc/nsl-enclave.manifest")


def manifest(template: str, program: str) -> dict[str, Any]:
    """The template as gramine-manifest renders it: with its constants, and a name that is not defined is an error."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)
    text = (ROOT / "deploy" / "gramine" / template).read_text(encoding="utf-8")
    constants = SimpleNamespace(libos="/gramine/libsysdb.so", runtimedir=lambda libc="glibc": f"/gramine/{libc}")
    rendered = environment.from_string(text).render(
        gramine=constants,
        program=program,
        entrypoint="/usr/bin/python3.13",
        stdlib="/usr/lib/python3.13",
        arch_libdir="/lib/x86_64-linux-gnu",
    )
    return tomllib.loads(rendered)


def keys(table: Any) -> Iterator[str]:
    """Every key, at every depth."""
    if isinstance(table, dict):
        yield from table
    for value in table.values() if isinstance(table, dict) else table if isinstance(table, list) else ():
        yield from keys(value)


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_manifest_is_of_a_production_enclave_that_trusts_no_input_of_the_host(template: str) -> None:
    products = set()
    for program in PROGRAMS:
        found = manifest(template, program)
        sgx = found["sgx"]
        assert (sgx["debug"], sgx["remote_attestation"], sgx["file_check_policy"]) == (False, "dcap", "strict")
        assert sgx["isvsvn"] >= 1
        assert found["sys"]["disallow_subprocesses"]
        assert not [key for key in keys(found) if "insecure" in key or "protected" in key]
        assert [Path(uri.removeprefix("file:")).name for uri in sgx["allowed_files"]] == ["manifest"]
        passed = [name for name, value in found["loader"]["env"].items() if isinstance(value, dict)]
        assert passed == []
        products.add(sgx["isvprodid"])
    assert products == {1, 2, 3, 4}


@pytest.mark.parametrize("program", PROGRAMS)
def test_both_ways_to_build_say_the_same_of_the_enclave(program: str) -> None:
    plain, gsc = (manifest(template, program) for template in TEMPLATES)
    assert {name: plain["sgx"][name] for name in gsc["sgx"] if name != "allowed_files"} == {
        name: value for name, value in gsc["sgx"].items() if name != "allowed_files"
    }
    assert plain["sys"] == gsc["sys"]
    assert {name: plain["loader"]["env"][name] for name in gsc["loader"]["env"]} == gsc["loader"]["env"]


def test_what_a_manifest_mounts_is_measured_or_encrypted_but_for_the_clusters_manifest() -> None:
    found = manifest(TEMPLATES[0], "kme")
    trusted = {uri.rstrip("/") for uri in found["sgx"]["trusted_files"]}
    open_mounts = {mount["uri"] for mount in found["fs"]["mounts"] if mount.get("type") != "encrypted"}
    assert open_mounts - trusted == {"file:manifest"}
    assert found["loader"]["argv"][0] == found["libos"]["entrypoint"]
    assert found["loader"]["argv"][-7:] == [
        "kme",
        "--listen",
        "0.0.0.0:9101",
        "--manifest",
        "/manifest",
        "--state",
        "/state",
    ]


def test_an_unknown_program_has_no_manifest() -> None:
    with pytest.raises(jinja2.UndefinedError):
        manifest(TEMPLATES[0], "xyz")
