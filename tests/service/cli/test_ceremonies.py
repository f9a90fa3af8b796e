"""A key cluster of three custodians, kept by the command line alone; no two custodians' keys are ever together."""

import json
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.enclave import command, measured, process
from tests.support.live import NSL

CUSTODIANS = ("ada", "ben", "eve")


class Ceremony:
    """``folder`` is the operator's; each custodian has one of his own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = folder / "manifest"
        self.root = folder / "simulation" / "root.der"
        self.packages = folder / "packages.json"
        self.exits = ExitStack()

    def nsl(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.run([NSL, "enclave", *arguments], check=check, capture_output=True, text=True, timeout=60)

    def json(self, *arguments: str) -> Any:
        return json.loads(self.nsl(*arguments, "--json").stdout)

    def trust(self) -> list[str]:
        return ["--manifest", str(self.manifest), "--root", str(self.root)]

    def own(self, name: str) -> str:
        return str(self.folder / name / "keys.json")

    def found(self) -> None:
        """Keys, and the genesis."""
        public = []
        for name in CUSTODIANS:
            (self.folder / name).mkdir()
            public.append(json.loads(self.nsl("custodian", name, "--out", self.own(name)).stdout))
        client = json.loads(self.nsl("client-key", "--out", str(self.folder / "service.key")).stdout)
        measurement = measured(command(self.folder, name="measured"))
        draft = {
            "version": 1, "custodians": public, "threshold": 2, "programs": {"kme": [{"mrenclave": measurement}]},
            "clients": {"service": client["sha256"]}, "replicas": 3,
        }  # fmt: skip
        (self.folder / "draft.json").write_text(json.dumps(draft))
        self.manifest.mkdir()
        self.json("manifest", "sign", str(self.folder / "draft.json"), "--out", str(self.manifest / "genesis.json"))

    def start(self, name: str) -> str:
        """A replica; its address."""
        _, ready = self.exits.enter_context(process(command(self.folder, name=name)))
        return f"127.0.0.1:{ready['port']}"

    def approvals(self, act: str, address: str, *names: str) -> list[str]:
        """What the custodians' commands make of a request."""
        request = str(self.folder / "request.json")
        self.nsl("request", act, "--address", address, "--out", request, *self.trust())
        options = []
        for name in names:
            out = str(self.folder / name / f"{act}.json")
            self.nsl("approve", request, "--custodian", self.own(name), "--out", out, *self.trust())
            options += ["--approval", out]
        return options

    def phases(self, *addresses: str) -> list[tuple[str, int]]:
        options = [part for address in addresses for part in ("--address", address)]
        return [(each["phase"], each["epoch"]) for each in self.json("status", *options)]


@pytest.fixture
def ceremony(tmp_path: Path) -> Any:
    made = Ceremony(tmp_path)
    made.found()
    with made.exits:
        yield made


def test_a_cluster_is_made_grown_lost_and_recovered(ceremony: Ceremony) -> None:
    first, second = ceremony.start("r1"), ceremony.start("r2")
    assert ceremony.phases(first, second) == [("starting", 0)] * 2
    packages = ["--packages", str(ceremony.packages)]
    line = ["bootstrap", "--address", first, *packages, *ceremony.trust()]
    one = ceremony.approvals("bootstrap", first, "ada")
    refused = ceremony.nsl(*line, *one, check=False)
    assert "it takes 2" in refused.stderr
    assert "Give --approval" in ceremony.nsl(*line, check=False).stderr
    elsewhere = ceremony.approvals("bootstrap", second, "ada", "ben")
    assert "no such quote" in ceremony.nsl(*line, *elsewhere, check=False).stderr
    mixed = [*ceremony.approvals("bootstrap", first, "ada"), *elsewhere[2:]]
    assert "one and the same request" in ceremony.nsl(*line, *mixed, check=False).stderr
    made = ceremony.json(*line, *ceremony.approvals("bootstrap", first, "ada", "eve"))
    assert made["epoch"] == 1
    joined = ceremony.json("join", "--address", second, "--member", first, *ceremony.trust())
    assert joined["epoch"] == 1
    assert ceremony.phases(first, second) == [("ready", 1)] * 2
    ceremony.nsl("packages", "--address", first, "--out", str(ceremony.folder / "again.json"))
    assert (ceremony.folder / "again.json").read_bytes() == ceremony.packages.read_bytes()
    none = ceremony.nsl("packages", "--address", second, "--out", str(ceremony.folder / "none.json"), check=False)
    assert "has joined and has no packages" in none.stderr
    again = ceremony.nsl("join", "--address", second, "--member", first, *ceremony.trust(), check=False)
    assert "of epoch 1, this replica of 1" in again.stderr

    fresh = ceremony.start("r3")
    line = ["recover", "--address", fresh, *packages, *ceremony.trust()]
    assert ceremony.json(*line, "--custodian", ceremony.own("ben")) == {"recovered": False, "shares": 1, "needed": 2}
    found = ceremony.json(*line, "--custodian", ceremony.own("eve"))
    assert (found["recovered"], found["epoch"]) == (True, 2)
    assert ceremony.phases(fresh) == [("ready", 2)]


def test_a_custodian_approves_no_enclave_that_his_own_manifest_does_not_list(ceremony: Ceremony) -> None:
    first = ceremony.start("r1")
    request = str(ceremony.folder / "request.json")
    ceremony.nsl("request", "bootstrap", "--address", first, "--out", request, *ceremony.trust())
    line = ["approve", request, "--custodian", ceremony.own("ada"), "--out", str(ceremony.folder / "a.json")]
    hardware = ceremony.nsl(*line, "--manifest", str(ceremony.manifest), check=False)
    assert "unknown_root" in hardware.stderr
    other = ceremony.folder / "other"
    other.mkdir()
    draft = json.loads((ceremony.folder / "draft.json").read_text())
    draft["programs"] = {"kme": [{"mrenclave": "00" * 32}]}
    (other / "draft.json").write_text(json.dumps(draft))
    ceremony.json("manifest", "sign", str(other / "draft.json"), "--out", str(other / "genesis.json"))
    refused = ceremony.nsl(*line, "--manifest", str(other), "--root", str(ceremony.root), check=False)
    assert "measurement" in refused.stderr
    assert "report_data" in refused.stderr
    assert not (ceremony.folder / "a.json").exists()
    assert "takes no approvals" in ceremony.nsl(
        "request", "recover", "--address", first, "--out", request, *ceremony.trust(), check=False
    ).stderr  # fmt: skip
