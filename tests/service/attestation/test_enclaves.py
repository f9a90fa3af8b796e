"""The layer's own enclaves, seen from outside: listed, proven to a stranger, verified by API, SDK and command line."""

import base64
import json
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from nsl.cli.up.cluster import DevelopmentCluster
from nsl_client import Client, Evidence, Malformed, NotFound
from nsl_client.evidence import fresh_nonce, verify_evidence
from nsl_protocol.attestation.policy import Floors, Policy
from nsl_protocol.attestation.verify import INTEL, TrustAnchor
from nsl_protocol.cluster.manifest import Program
from tests.protocol.attestation.real_quotes import MANIFEST, needs_shared
from tests.support.live import Live


@pytest.fixture(scope="module")
def cluster(live: Live) -> DevelopmentCluster:
    return DevelopmentCluster(live.state / "cluster")


@pytest.fixture(scope="module")
def anchor(cluster: DevelopmentCluster) -> TrustAnchor:
    return TrustAnchor(cluster.root_certificate.read_bytes())


def policy_of(cluster: DevelopmentCluster) -> Policy:
    return cluster.trust().constitution().present.policy(Program.KME, Floors())


def test_the_enclaves_are_listed_as_they_stand(live: Live, cluster: DevelopmentCluster) -> None:
    with Client.from_credentials(live.credentials) as client:
        (kme,) = client.enclaves.list().items
    assert (kme.name, kme.program, kme.status, kme.mode) == ("kme", "kme", "attested", "sim")
    assert (kme.phase, kme.seal, kme.epoch, kme.reasons) == ("ready", "opened", 1, [])
    rules = policy_of(cluster).enclaves
    assert rules is not None
    assert kme.measurement == rules[0].mrenclave
    assert kme.last_attested_at is not None
    assert (datetime.now(UTC) - kme.last_attested_at).total_seconds() < 60


def test_whoever_asks_can_verify_without_believing_the_layer(
    live: Live, cluster: DevelopmentCluster, anchor: TrustAnchor
) -> None:
    identifier, nonce = cluster.trust().constitution().cluster, fresh_nonce()
    with Client.from_credentials(live.credentials) as client:
        evidence = client.enclaves.evidence("kme", nonce)
    policy = policy_of(cluster)
    assert verify_evidence(evidence, nonce, identifier, policy, [anchor]).accepted

    def reasons(found: Evidence, cluster_id: bytes = identifier, asked: bytes = nonce) -> list[str]:
        return [each.code for each in verify_evidence(found, asked, cluster_id, policy, [anchor]).reasons]

    assert reasons(evidence, asked=fresh_nonce()) == ["report_data"]
    assert reasons(evidence, cluster_id=bytes(32)) == ["report_data"]
    assert reasons(msgspec.structs.replace(evidence, manifest_version=2)) == ["report_data"]
    assert reasons(msgspec.structs.replace(evidence, log_key="00" * 32)) == ["report_data"]
    other = changed_policy(policy)
    assert [each.code for each in verify_evidence(evidence, nonce, identifier, other, [anchor]).reasons] == [
        "measurement"
    ]
    assert [each.code for each in verify_evidence(evidence, nonce, identifier, policy, [INTEL]).reasons] == [
        "unknown_root"
    ]


def changed_policy(policy: Policy) -> Policy:
    rules = policy.enclaves
    assert rules is not None
    return msgspec.structs.replace(policy, enclaves=(msgspec.structs.replace(rules[0], mrenclave="00" * 32),))


def test_an_unknown_enclave_and_a_malformed_nonce_are_refused(live: Live) -> None:
    with Client.from_credentials(live.credentials) as client:
        with pytest.raises(NotFound) as unknown:
            client.enclaves.evidence("cbe", fresh_nonce())
        assert unknown.value.code == "ENCLAVE_NOT_FOUND"
        for nonce in (b"", b"n" * 31, b"n" * 33):
            with pytest.raises(Malformed):
                client.enclaves.evidence("kme", nonce)


def test_the_api_verifies_the_quote_of_its_own_enclave(live: Live) -> None:
    with Client.from_credentials(live.credentials) as client:
        evidence = client.enclaves.evidence("kme", fresh_nonce())
    file = live.state / "quote.bin"
    file.write_bytes(base64.b64decode(evidence.quote))
    (live.state / "collateral.json").write_text(json.dumps(evidence.collateral))
    root = str(live.state / "cluster" / "simulation" / "root.der")
    line = ["attestation", "verify", str(file), "--collateral", str(live.state / "collateral.json"), "--json"]
    found = json.loads(live.nsl(*line, "--root", root).stdout)
    assert (found["accepted"], found["mode"], found["status"]) == (True, "sim", "UpToDate")
    refused = live.nsl(*line, check=False)
    assert refused.returncode == 1
    assert [each["code"] for each in json.loads(refused.stdout)["reasons"]] == ["unknown_root"]


def test_the_command_line_asks_and_verifies(live: Live, cluster: DevelopmentCluster, tmp_path: Path) -> None:
    trust = ["--manifest", str(cluster.manifests), "--root", str(cluster.root_certificate)]
    found = live.json("enclave", "evidence", "kme", *trust)
    assert (found["accepted"], found["mode"]) == (True, "sim")
    without = live.nsl("enclave", "evidence", "kme", "--manifest", str(cluster.manifests), "--json", check=False)
    assert without.returncode == 1
    assert [each["code"] for each in json.loads(without.stdout)["reasons"]] == ["unknown_root"]
    assert live.json("enclave", "list")[0]["status"] == "attested"
    port = json.loads((live.state / "ports.json").read_text())["kme"]
    (status,) = live.json("enclave", "status", "--address", f"127.0.0.1:{port}")
    assert (status["phase"], status["manifest_version"]) == ("ready", 1)
    (dead,) = live.json("enclave", "status", "--address", "127.0.0.1:9")
    assert "cannot be reached" in dead["error"]


def test_custodians_and_manifests_from_the_command_line(live: Live, tmp_path: Path) -> None:
    public = json.loads(live.nsl("enclave", "custodian", "ada", "--out", str(tmp_path / "ada.json")).stdout)
    assert (tmp_path / "ada.json").stat().st_mode & 0o077 == 0
    again = live.nsl("enclave", "custodian", "ada", "--out", str(tmp_path / "ada.json"), check=False)
    assert (again.returncode, "is there already" in again.stderr) == (1, True)
    key = json.loads(live.nsl("enclave", "client-key", "--out", str(tmp_path / "service.key")).stdout)
    draft = {
        "version": 1, "custodians": [public], "threshold": 1, "programs": {"kme": [{"mrenclave": "00" * 32}]},
        "clients": {"service": key["sha256"]},
    }  # fmt: skip
    (tmp_path / "draft.json").write_text(json.dumps(draft))
    made = live.json(
        "enclave", "manifest", "sign", str(tmp_path / "draft.json"), "--out", str(tmp_path / "genesis.json")
    )
    (tmp_path / "next.json").write_text(json.dumps(draft | {"version": 2, "cluster": made["sha256"]}))
    line = ["--custodian", str(tmp_path / "ada.json"), "--out", str(tmp_path / "manifest.json")]
    signed = live.json("enclave", "manifest", "sign", str(tmp_path / "next.json"), *line)
    assert signed["signed_by"] == ["ada"]
    port = json.loads((live.state / "ports.json").read_text())["kme"]
    address = f"127.0.0.1:{port}"
    refused = live.nsl(
        "enclave", "manifest", "apply", str(tmp_path / "manifest.json"), "--address", address, check=False
    )
    assert refused.returncode == 1
    assert "is of another cluster" in refused.stderr
    (tmp_path / "broken.json").write_text("{}")
    broken = live.nsl("enclave", "manifest", "sign", str(tmp_path / "broken.json"), *line, check=False)
    assert (broken.returncode, "is no manifest" in broken.stderr) == (1, True)


@needs_shared
def test_every_case_of_the_real_quotes_comes_out_as_its_manifest_says(live: Live) -> None:
    done = live.nsl("attestation", "check-cases", str(MANIFEST), "--json")
    last = json.loads(done.stdout.splitlines()[-1])
    assert last["wrong"] == []
    assert last["cases"] == last["as_expected"] >= 84
