"""The command line as a person and as a program use it, against the whole layer."""

import json
import os
import subprocess
import time
from decimal import Decimal
from pathlib import Path

import pytest

from nsl.cli.up.postgres import OWNER, Postgres
from nsl_client.passkeys import approver
from tests.support.live import NSL, Live
from tests.support.passkey import SoftPasskey

GROUPS = [
    (),
    ("keys",),
    ("policy",),
    ("audit",),
    ("tx",),
    ("admin",),
    ("attestation",),
    ("enclave",),
    ("enclave", "manifest"),
    ("enclave", "root"),
]
COMMANDS = [
    ("up",), ("faucet",), ("serve",), ("work",), ("migrate",), ("version",), ("admin", "bootstrap"),
    ("admin", "break-glass"), ("login",), ("logout",), ("whoami",), ("verify",),
    ("keys", "create"), ("keys", "list"), ("keys", "get"), ("keys", "sign"),
    ("keys", "verify"), ("keys", "encrypt"), ("keys", "decrypt"),
    ("keys", "data-key"), ("keys", "mac"), ("keys", "verify-mac"),
    ("keys", "make-addresses"), ("keys", "addresses"), ("keys", "xpub"),
    ("keys", "update"), ("keys", "freeze"), ("keys", "unfreeze"), ("keys", "approve-unfreeze"),
    ("keys", "freeze-all"), ("keys", "unfreeze-all"),
    ("keys", "disable"), ("keys", "enable"), ("keys", "destroy"), ("keys", "approve-destroy"),
    ("keys", "destruction-certificate"), ("keys", "policy"), ("keys", "evaluate"),
    ("keys", "import"), ("keys", "export"), ("keys", "open-export"), ("keys", "export-recipient"),
    ("keys", "attestation"), ("keys", "verify-attestation"), ("enclave", "trust"),
    ("approvals", "ask"), ("approvals", "list"), ("approvals", "show"), ("approvals", "approve"),
    ("approvals", "reject"), ("approvals", "revoke"),
    ("policy", "ready"), ("policy", "check"), ("policy", "test"),
    ("policy", "approver-key"), ("policy", "approve"),
    ("policy", "change"), ("policy", "withdraw"), ("policy", "compare"),
    ("audit", "head"), ("audit", "records"), ("audit", "proof"), ("audit", "receipt"), ("audit", "export"),
    ("audit", "consistency"), ("audit", "compare"), ("audit", "monitor"),
    ("audit", "witness-key"), ("audit", "witness"), ("audit", "anchor-key"), ("audit", "anchor"),
    ("compliance", "inventory"), ("compliance", "export"), ("compliance", "erase"), ("compliance", "hold"),
    ("compliance", "holds"), ("compliance", "lift"), ("compliance", "access"), ("compliance", "review"),
    ("compliance", "governance"),
    ("tx", "send"), ("tx", "wait"), ("tx", "get"), ("tx", "list"),
    ("attestation", "verify"), ("attestation", "check-cases"), ("attestation", "ias-report"),
    ("enclave", "list"), ("enclave", "evidence"), ("enclave", "status"), ("enclave", "custodian"),
    ("enclave", "client-key"), ("enclave", "bootstrap"), ("enclave", "join"), ("enclave", "recover"),
    ("enclave", "request"), ("enclave", "packages"), ("enclave", "register"), ("enclave", "proceed"),
    ("enclave", "freeze"), ("enclave", "freeze-status"), ("enclave", "request-unfreeze"),
    ("keys", "rotate"), ("policy", "score"), ("approvals", "challenge"), ("approvals", "decide"),
    ("enclave", "approve-unfreeze"), ("enclave", "unfreeze"),
    ("enclave", "approve"), ("enclave", "root", "rotate"), ("enclave", "root", "retire"),
    ("enclave", "manifest", "sign"), ("enclave", "manifest", "apply"),
]  # fmt: skip
TYPED_DATA = {
    "types": {"EIP712Domain": [{"name": "name", "type": "string"}], "Note": [{"name": "text", "type": "string"}]},
    "primaryType": "Note",
    "domain": {"name": "tests"},
    "message": {"text": "hello"},
}


def _run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("NSL_")}
    return subprocess.run(
        [NSL, *arguments], env=clean | environment, check=False, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_teaches_by_an_example(command: tuple[str, ...]) -> None:
    done = _run(*command, "--help", COLUMNS="200")
    assert done.returncode == 0
    assert f"nsl {' '.join(command)}" in done.stdout.partition("Example:")[2]


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: " ".join(group) or "nsl")
def test_the_list_of_commands_is_the_whole_list(group: tuple[str, ...]) -> None:
    """A new command must be added above, and so have an example."""
    from typer.main import get_command

    from nsl.cli.app import app

    found = get_command(app)
    for name in group:
        found = found.commands[name]  # type: ignore[attr-defined]
    children = {name for name, child in found.commands.items() if not hasattr(child, "commands")}  # type: ignore[attr-defined]
    assert children == {command[-1] for command in COMMANDS if command[:-1] == group}


def test_completion_for_shells() -> None:
    done = _run("--show-completion", "bash")
    assert done.returncode == 0
    assert "complete" in done.stdout


def test_usage_errors_are_status_2() -> None:
    for wrong in (("tx", "send", "--chain", "bitcoin"), ("nonsense",), ("keys", "get")):
        assert _run(*wrong).returncode == 2


def test_without_credentials_the_way_out_is_named(tmp_path: Path) -> None:
    done = _run("keys", "list", "--credentials", str(tmp_path / "none.json"))
    assert done.returncode == 1
    assert "nsl up" in done.stderr
    assert not done.stdout
    broken = tmp_path / "broken.json"
    broken.write_text("[]")
    assert "not a credentials file" in _run("keys", "list", "--credentials", str(broken)).stderr


def test_nothing_listens(tmp_path: Path) -> None:
    file = tmp_path / "credentials.json"
    file.write_text(json.dumps({"base_url": "http://127.0.0.1:1", "client_id": "a", "client_secret": "b"}))
    done = _run("keys", "list", NSL_CREDENTIALS=str(file))
    assert done.returncode == 1
    assert "Is it running?" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("command", "variable"),
    [
        (("serve",), "NSL_DATABASE_URL"),
        (("work",), "NSL_DATABASE_WORKER_URL"),
        (("migrate",), "NSL_DATABASE_OWNER_URL"),
    ],
)
def test_a_missing_setting_is_named(command: tuple[str, ...], variable: str) -> None:
    done = _run(*command)
    assert done.returncode == 1
    assert variable in done.stderr
    assert "Traceback" not in done.stderr


def test_migrations_and_the_administrator_are_made_once(live: Live) -> None:
    port = json.loads((live.state / "ports.json").read_text())["postgres"]
    password = (live.state / "secrets" / OWNER).read_text().strip()
    owner = Postgres(live.state / "postgres", port, {OWNER: password}).url(OWNER)
    done = _run("migrate", "--json", NSL_DATABASE_OWNER_URL=owner)
    assert json.loads(done.stdout) == {"phase": "pre", "applied": []}
    again = _run("admin", "bootstrap", NSL_DATABASE_OWNER_URL=owner)
    assert again.returncode == 1
    assert "administrator" in again.stderr
    assert not again.stdout


def test_keys_as_tables_and_as_json(live: Live) -> None:
    made = live.json("keys", "create", "with [brackets]", "--curve", "secp256k1", "--alias", "brackets", "--tag", "a=b")
    assert live.json("keys", "get", made["id"]) == live.json("keys", "get", "brackets") == made
    changed = live.json("keys", "update", "brackets", "--alias", "other", "--tag", "c=d=e", "--untag", "a")
    made |= {"alias": "other", "tags": {"c": "d=e"}}
    assert changed == made == live.json("keys", "list", "--tag", "c", "--state", "active")[0]
    assert "No key has the alias brackets" in live.nsl("keys", "get", "brackets", check=False).stderr
    table = live.nsl("keys", "list").stdout
    assert made["id"] in table
    assert "with [brackets]" in table
    assert made["id"] in {each["id"] for each in live.json("keys", "list")}
    assert "sim" in live.nsl("keys", "get", made["id"]).stdout


def test_signatures_of_every_kind_that_words_can_give(live: Live) -> None:
    key = live.json("keys", "create", "signer", "--curve", "secp256k1")["id"]
    assert live.json("keys", "sign", key, "hello")["algorithm"]
    assert live.json("keys", "sign", key, json.dumps(TYPED_DATA), "--kind", "typed-data")["signature"]
    refused = live.nsl("keys", "sign", key, "00" * 32, "--kind", "digest", check=False)
    assert refused.returncode == 1
    assert "403" in refused.stderr
    assert live.nsl("keys", "sign", key, "{", "--kind", "typed-data", check=False).returncode == 2


def test_secrets_are_encrypted_and_data_authenticated(live: Live, tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"top secret")
    key = live.json("keys", "create", "vault", "--curve", "aes-256-gcm")["id"]
    sealed, opened = str(tmp_path / "sealed"), str(tmp_path / "opened")
    live.json("keys", "encrypt", key, "--in", str(tmp_path / "plain"), "--out", sealed, "--context", "c")
    live.json("keys", "decrypt", key, "--in", sealed, "--out", opened, "--context", "c")
    assert Path(opened).read_bytes() == b"top secret"
    assert live.nsl("keys", "decrypt", key, "--in", sealed, check=False).returncode == 1
    assert live.json("keys", "data-key", key)["ciphertext"]
    mac_key = live.json("keys", "create", "mac", "--curve", "hmac-sha256")["id"]
    mac = live.json("keys", "mac", mac_key, "--in", opened)["mac"]
    assert live.json("keys", "verify-mac", mac_key, mac, "--in", opened)["valid"]
    assert live.nsl("keys", "verify-mac", mac_key, "00" * 32, "--in", opened, check=False).returncode == 1


def test_a_policy_is_changed_by_two_approvers(live: Live, tmp_path: Path) -> None:
    names = ("ann", "bob")
    made = {name: live.json("policy", "approver-key", "--out", str(tmp_path / f"{name}.key")) for name in names}
    policy = {"kinds": ["message"], "approvers": made, "change": {"threshold": 2}}
    wider = policy | {"kinds": ["message", "digest"], "blind_signing": True}
    (tmp_path / "policy.json").write_text(json.dumps(policy))
    (tmp_path / "wider.json").write_text(json.dumps(wider))
    files = {"curve": "secp256k1", "policy": str(tmp_path / "policy.json")}
    key = live.json("keys", "create", "governed", *(part for name in files for part in (f"--{name}", files[name])))[
        "id"
    ]
    live.json("keys", "sign", key, "hello")
    assert live.json("policy", "compare", key, str(tmp_path / "wider.json"))["examined"] == 1
    expires = str(int(time.time()) + 3600)
    for name in names:
        options = ("--name", name, "--key", str(tmp_path / f"{name}.key"), "--expires-at", expires)
        signed = live.json("policy", "approve", key, str(tmp_path / "wider.json"), *options)
        (tmp_path / f"{name}.approval").write_text(json.dumps(signed))
    change = ("policy", "change", key, str(tmp_path / "wider.json"))
    one = live.nsl(*change, "--approval", str(tmp_path / "ann.approval"), check=False)
    assert (one.returncode, "TOO_FEW_APPROVALS" in one.stderr) == (1, True)
    both = [part for name in names for part in ("--approval", str(tmp_path / f"{name}.approval"))]
    assert live.json(*change, *both)["number"] == 2
    assert live.json("keys", "sign", key, "00" * 32, "--kind", "digest")["signature"]


def test_a_request_is_signed_by_who_asks(live: Live, tmp_path: Path) -> None:
    own, policy = tmp_path / "own.key", tmp_path / "policy.json"
    made = live.json("policy", "approver-key", "--out", str(own))
    policy.write_text(json.dumps({"requesters": {"payouts": made}}))
    key = live.json("keys", "create", "asked", "--curve", "ed25519", "--policy", str(policy))["id"]
    refused = live.nsl("keys", "sign", key, "hello", check=False)
    assert (refused.returncode, "REQUEST_SIGNATURE_NEEDED" in refused.stderr) == (1, True)
    signing = ("keys", "sign", key, "hello", "--requester", "payouts")
    assert live.json(*signing, "--requester-key", str(own))["signature"]
    assert "--requester-key" in live.nsl(*signing, check=False).stderr


def test_what_a_scorer_holds_harmless_is_signed(live: Live, tmp_path: Path) -> None:
    own, policy, score = tmp_path / "model.key", tmp_path / "policy.json", tmp_path / "score.json"
    made = live.json("policy", "approver-key", "--out", str(own))
    policy.write_text(json.dumps({"risk": {"score_max": 30, "scorers": {"model": made}}}))
    key = live.json("keys", "create", "scored", "--curve", "ed25519", "--policy", str(policy))["id"]
    scoring = ("policy", "score", key, "hello", "--name", "model", "--key", str(own), "--score")
    for number, status in ((31, 1), (30, 0)):
        score.write_text(json.dumps(live.json(*scoring, str(number))))
        signed = live.nsl("keys", "sign", key, "hello", "--risk-score", str(score), check=False)
        assert signed.returncode == status, signed.stderr


def test_an_approver_decides_by_passkey(live: Live, tmp_path: Path) -> None:
    passkey, policy, given = SoftPasskey(), tmp_path / "policy.json", tmp_path / "credential.json"
    named = approver(passkey.registered(), rp_id=passkey.rp_id, origin=passkey.origin)
    policy.write_text(json.dumps({"approvers": {"dora": named}, "approvals": [{"threshold": 1}]}))
    key = live.json("keys", "create", "by passkey", "--curve", "ed25519", "--policy", str(policy))["id"]
    asked = live.json("approvals", "ask", key, "hello")["id"]
    given.write_text(json.dumps(passkey.asserts(live.json("approvals", "challenge", asked)["challenge"])))
    decides = ("approvals", "decide", asked, "--name", "dora", "--assertion")
    mine = live.nsl(*decides, str(given), check=False)
    assert (mine.returncode, "APPROVAL_NOT_YOURS" in mine.stderr) == (1, True)
    broken = live.nsl(*decides, str(policy), check=False)
    assert (broken.returncode, "navigator.credentials.get" in broken.stderr) == (1, True)


def test_a_key_is_disabled_enabled_and_its_destruction_undone(live: Live) -> None:
    key = live.json("keys", "create", "short-lived", "--curve", "ed25519")["id"]
    assert live.json("keys", "disable", key)["state"] == "disabled"
    refused = live.nsl("keys", "sign", key, "hello", check=False)
    assert (refused.returncode, "KEY_NOT_ACTIVE" in refused.stderr) == (1, True)
    waiting = live.json("keys", "destroy", key, "--wait-days", "7")
    assert waiting["state"] == "destroying"
    assert waiting["destroys_at"] is not None
    assert "destroying" in live.nsl("keys", "get", key).stdout
    assert live.json("keys", "enable", key)["state"] == "active"
    assert live.json("keys", "sign", key, "hello")["signature"]
    assert live.nsl("keys", "destroy", key, "--wait-days", "6", check=False).returncode == 2


@pytest.mark.parametrize(("chain", "curve"), [("neo-n3", "secp256r1"), ("neo-x", "secp256k1")])
def test_faucet_and_send(live: Live, chain: str, curve: str) -> None:
    if chain not in live.rpc:
        pytest.skip("Neo X needs Node.js")
    payer, payee = (live.json("keys", "create", name, "--curve", curve) for name in ("payer", "payee"))
    paid = live.json(*_faucet(payer["addresses"][chain], live.state))
    assert paid["chain"] == chain
    send = ("tx", "send", "--chain", chain, "--from", payer["id"], "--to", payee["addresses"][chain], "--amount", "1.5")
    done = live.json(*send, "--idempotency-key", f"cli-{payer['id']}", "--wait")
    assert done["state"] == "confirmed"
    assert Decimal(done["fee"]) > 0
    assert live.json(*send, "--idempotency-key", f"cli-{payer['id']}")["id"] == done["id"]
    assert live.json("tx", "wait", done["id"])["hash"] == done["hash"]
    assert [each["state"] for each in live.json("tx", "get", done["id"])["history"]][-1] == "confirmed"
    kept = live.nsl("keys", "destroy", payer["id"], check=False)
    assert kept.returncode == 1
    assert f"{payer['addresses'][chain]} holds" in " ".join(kept.stderr.split())
    assert "GAS" in kept.stderr
    assert live.json("keys", "destroy", payer["id"], "--accept-balances")["state"] == "destroying"
    listed = live.nsl("tx", "list", "--chain", chain, "--state", "confirmed").stdout
    assert done["id"] in listed


def test_a_refusal_is_one_sentence_that_names_the_field(live: Live) -> None:
    key = live.json("keys", "create", "poor", "--curve", "secp256r1")
    to = key["addresses"]["neo-n3"]
    done = live.nsl("tx", "send", "--chain", "neo-n3", "--from", key["id"], "--to", to, "--amount", "1", check=False)
    assert done.returncode == 1
    assert "INSUFFICIENT_FUNDS" in done.stderr
    assert "[amount:" in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_the_faucet_refuses_what_it_does_not_have(live: Live, tmp_path: Path) -> None:
    address = live.json("keys", "create", "refused", "--curve", "secp256r1")["addresses"]["neo-n3"]
    nowhere = _run(*_faucet(address, tmp_path))
    assert nowhere.returncode == 1
    assert "nsl up" in nowhere.stderr
    for wrong in (_faucet(address, live.state, asset="BTC"), _faucet("Nonsense", live.state)):
        done = live.nsl(*wrong, check=False)
        assert done.returncode == 1
        assert done.stderr.startswith("error: ")


def _faucet(address: str, state: Path, asset: str = "GAS") -> tuple[str, ...]:
    return ("faucet", "--address", address, "--amount", "5", "--asset", asset, "--state", str(state))
