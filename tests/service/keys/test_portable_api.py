"""Keys that come in, go out and are vouched for, over HTTP: through the SDK, against a real enclave."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest

from nsl.identity.model import ROLE_SCOPES, Role, Scope
from nsl_client import Client, Conflict, Denied, EvidenceRefused, Key, KeyNotOpened, Unprocessable
from nsl_client.attestation import verify_key_attestation
from nsl_client.evidence import fresh_nonce
from nsl_client.model import ImportOrder
from nsl_client.portable import NewKey, Recipient, encrypt_key, public_key_of
from nsl_protocol.attestation.keys import Origin
from nsl_protocol.attestation.trust import PinnedTrust
from nsl_protocol.cluster.constitution import GENESIS_FILE, Constitution
from nsl_protocol.cluster.manifest import Program
from nsl_protocol.enclave.lifecycle import KeyState
from nsl_protocol.enclave.messages import SIGNING_CURVES, Curve
from tests.enclave.portability import RSA_SECRET
from tests.support.service import Service, Tenant

SECRET = bytes(range(1, 33))


@pytest.fixture(scope="module")
def tenant(service: Service) -> Tenant:
    return service.tenant()


@pytest.fixture(scope="module")
def nsl(service: Service, tenant: Tenant) -> Iterator[Client]:
    own = tenant.credentials
    with Client(service.base_url, own["client_id"], own["client_secret"]) as client:
        yield client


@pytest.fixture(scope="module")
def trust(service: Service) -> PinnedTrust:
    """What the user of a layer pins, from files that he was given."""
    manifests = Path(service.environment["NSL_MANIFEST_DIR"])
    constitution = Constitution.of((manifests / GENESIS_FILE).read_bytes(), None)
    measurement = constitution.present.programs[Program.KME][0].mrenclave
    assert measurement is not None
    root = Path(service.environment["NSL_SIMULATED_ROOT"]).read_bytes()
    return PinnedTrust(constitution.cluster.hex(), (measurement,), (root.hex(),))


def encrypted(nsl: Client, trust: PinnedTrust, tenant: Tenant, new: NewKey, secret: bytes = SECRET) -> ImportOrder:
    nonce = fresh_nonce()
    return encrypt_key(secret, nsl.keys.import_parameters(nonce), nonce, trust, tenant.id, new)


# Import ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("curve", SIGNING_CURVES)
def test_a_key_comes_in_and_signs_and_says_so(nsl: Client, trust: PinnedTrust, tenant: Tenant, curve: Curve) -> None:
    secret = RSA_SECRET if curve is Curve.RSA_3072 else SECRET
    order = encrypted(nsl, trust, tenant, NewKey("from elsewhere", curve.value), secret)
    key = nsl.keys.import_key(order)
    assert (key.id, key.name, key.curve, key.origin) == (order.id, "from elsewhere", curve.value, "imported")
    assert key.public_key == public_key_of(secret, curve).hex()
    assert (key.exportable, key.export_recipients) == (False, [])
    assert nsl.keys.sign(key.id, "message", {"text": "a"}).public_key == key.public_key
    assert nsl.keys.get(key.id) == key
    assert key.id in {each.id for each in nsl.every(nsl.keys.list)}
    assert nsl.keys.disable(key.id).origin == "imported"


def test_what_was_made_here_says_so(nsl: Client) -> None:
    assert nsl.keys.create("own", "ed25519").origin == "generated"


def test_the_private_key_is_in_nothing_that_the_layer_keeps_or_logs(
    nsl: Client, trust: PinnedTrust, tenant: Tenant, service: Service
) -> None:
    secret = bytes.fromhex(uuid4().hex + uuid4().hex)
    order = encrypted(nsl, trust, tenant, NewKey("quiet", "ed25519"), secret)
    assert secret.hex() not in msgspec.json.encode(order).decode()
    nsl.keys.import_key(order)
    assert secret.hex() not in service.log
    assert order.encrypted_key not in service.log


CHANGED: dict[str, dict[str, Any]] = {
    "another name": {"name": "other"},
    "another curve": {"curve": "secp256k1"},
    "blind signing": {"policy": {"blind_signing": True}},
    "a recipient": {"exportable": True, "export_recipients": [Recipient.new().public_key]},
    "another id": {"id": str(uuid4())},
    "changed bytes": {"encrypted_key": "00" * 80},
}


@pytest.mark.parametrize("change", CHANGED.values(), ids=CHANGED)
def test_the_enclave_refuses_what_was_changed_on_the_way(
    nsl: Client, trust: PinnedTrust, tenant: Tenant, change: dict[str, Any]
) -> None:
    order = encrypted(nsl, trust, tenant, NewKey("bound", "ed25519"))
    with pytest.raises(Unprocessable) as caught:
        nsl.keys.import_key(msgspec.structs.replace(order, **change))
    assert caught.value.code == "IMPORT_NOT_AUTHENTIC"


def test_the_enclave_refuses_the_same_for_another_tenant(
    nsl: Client, trust: PinnedTrust, tenant: Tenant, service: Service
) -> None:
    order = encrypted(nsl, trust, tenant, NewKey("bound", "ed25519"))
    other = service.tenant().credentials
    with (
        Client(service.base_url, other["client_id"], other["client_secret"]) as stranger,
        pytest.raises(Unprocessable) as caught,
    ):
        stranger.keys.import_key(order)
    assert caught.value.code == "IMPORT_NOT_AUTHENTIC"


def test_the_register_refuses_the_same_once_more(nsl: Client, trust: PinnedTrust, tenant: Tenant) -> None:
    order = encrypted(nsl, trust, tenant, NewKey("once", "ed25519"))
    again = uuid4().hex
    key = nsl.keys.import_key(order, idempotency_key=again)
    assert nsl.keys.import_key(order, idempotency_key=again) == key, "the first answer"
    with pytest.raises(Conflict) as caught:
        nsl.keys.import_key(order)
    assert caught.value.code == "IMPORT_ID_TAKEN"


def test_an_id_of_another_tenants_key_is_taken(
    nsl: Client, trust: PinnedTrust, tenant: Tenant, service: Service
) -> None:
    other = service.tenant()
    with Client(service.base_url, other.credentials["client_id"], other.credentials["client_secret"]) as stranger:
        nonce = fresh_nonce()
        parameters = stranger.keys.import_parameters(nonce)
        known = msgspec.structs.replace(parameters, key_id=nsl.keys.create("ours", "ed25519").id)
        order = encrypt_key(SECRET, known, nonce, trust, other.id, NewKey("theirs", "ed25519"))
        with pytest.raises(Conflict) as caught:
            stranger.keys.import_key(order)
    assert caught.value.code == "IMPORT_ID_TAKEN"


def test_nothing_is_encrypted_to_whoever_is_not_proven(nsl: Client, trust: PinnedTrust, tenant: Tenant) -> None:
    nonce = fresh_nonce()
    parameters = nsl.keys.import_parameters(nonce)
    thief = msgspec.structs.replace(parameters, wrapping_key=Recipient.new().public_key)
    new = NewKey("a", "ed25519")
    for found, asked, pinned, why in (
        (thief, nonce, trust, "report_data"),
        (parameters, fresh_nonce(), trust, "report_data"),
        (parameters, nonce, msgspec.structs.replace(trust, cluster="00" * 32), "report_data"),
        (parameters, nonce, msgspec.structs.replace(trust, measurements=()), "measurement"),
        (parameters, nonce, msgspec.structs.replace(trust, roots=()), "unknown_root"),
        (parameters, nonce, msgspec.structs.replace(trust, roots=("intel",)), "unknown_root"),
        (parameters, nonce, PinnedTrust(), "names no cluster"),
    ):
        with pytest.raises(EvidenceRefused, match=why):
            encrypt_key(SECRET, found, asked, pinned, tenant.id, new)


def test_what_is_no_key_is_refused(nsl: Client, trust: PinnedTrust, tenant: Tenant) -> None:
    for secret in (bytes(32), b"short"):
        with pytest.raises(Unprocessable) as caught:
            nsl.keys.import_key(encrypted(nsl, trust, tenant, NewKey("a", "secp256r1"), secret))
        assert caught.value.code == "IMPORT_NOT_A_KEY"
    order = encrypted(nsl, trust, tenant, NewKey("a", "secp256r1"))
    with pytest.raises(Conflict) as stale:
        nsl.keys.import_key(msgspec.structs.replace(order, wrapping_key=Recipient.new().public_key))
    assert stale.value.code == "IMPORT_KEY_UNKNOWN"


# Export ---------------------------------------------------------------------------------------------------------------


def test_a_key_goes_to_whom_it_was_made_for_and_that_is_on_record(nsl: Client, tenant: Tenant) -> None:
    owner = Recipient.new()
    key = nsl.keys.create("portable", "secp256r1", export_recipients=[owner.public_key])
    assert (key.exportable, key.export_recipients) == (True, [owner.public_key])
    exported = nsl.keys.export(key.id, owner.public_key)
    secret = owner.open(exported, public_key=key.public_key)
    assert public_key_of(secret, Curve.SECP256R1).hex() == key.public_key
    with pytest.raises(KeyNotOpened):
        Recipient.new().open(exported, public_key=key.public_key)
    for change in ({"version": 2}, {"key_id": str(uuid4())}, {"tenant_id": str(uuid4())}, {"cluster": "00" * 32}):
        with pytest.raises(KeyNotOpened):
            owner.open(msgspec.structs.replace(exported, **change), public_key=key.public_key)
    with pytest.raises(KeyNotOpened, match="is the private key of"):
        owner.open(exported, public_key=nsl.keys.create("other", "secp256r1").public_key)
    with tenant.client() as api:
        records = api.get("/v1/audit/records?action=key.exported").json()["items"]
    assert [(each["target"], each["detail"]) for each in records] == [(key.id, {"recipient": owner.public_key})]


def test_the_enclave_refuses_other_recipients_and_other_keys(nsl: Client, tenant: Tenant) -> None:
    owner, thief = Recipient.new(), Recipient.new()
    key = nsl.keys.create("portable", "ed25519", export_recipients=[owner.public_key])
    stays = nsl.keys.create("stays", "ed25519")
    for target, recipient, code in (
        (key, thief.public_key, "RECIPIENT_NOT_NAMED"),
        (stays, owner.public_key, "EXPORT_NOT_ALLOWED"),
    ):
        with pytest.raises(Denied) as caught:
            nsl.keys.export(target.id, recipient)
        assert caught.value.code == code
    nsl.keys.disable(key.id)
    with pytest.raises(Conflict) as inactive:
        nsl.keys.export(key.id, owner.public_key)
    assert inactive.value.code == "KEY_NOT_ACTIVE"
    with tenant.client() as api:
        records = api.get("/v1/audit/records?action=key.exported").json()["items"]
    assert key.id not in {each["target"] for each in records}


@pytest.mark.parametrize(
    "body",
    [
        {"exportable": True},
        {"exportable": True, "export_recipients": []},
        {"export_recipients": ["ab" * 32]},
        {"exportable": True, "export_recipients": ["00" * 32]},
        {"exportable": True, "export_recipients": ["ab" * 32, "ab" * 32]},
    ],
)
def test_recipients_are_named_with_the_key_or_not_at_all(tenant: Tenant, body: dict[str, Any]) -> None:
    with tenant.client() as api:
        answer = api.post("/v1/keys", json={"name": "a", "curve": "ed25519"} | body)
    assert (answer.status_code, answer.json()["code"]) == (422, "RECIPIENT_UNSUITABLE")


def test_export_and_import_take_scopes_of_their_own(tenant: Tenant, nsl: Client) -> None:
    owner = Recipient.new()
    key = nsl.keys.create("portable", "ed25519", export_recipients=[owner.public_key])

    def calls(api: httpx.Client) -> tuple[httpx.Response, httpx.Response]:
        export = api.post(f"/v1/keys/{key.id}/export", json={"recipient": owner.public_key})
        return export, api.get("/v1/keys/import-parameters", params={"nonce": "00" * 32})

    with tenant.client(["keys:read", "keys:sign", "keys:create", "keys:manage"]) as other:
        assert [each.json()["code"] for each in calls(other)] == ["SCOPE_MISSING"] * 2
    with tenant.client(["keys:export", "keys:import"]) as allowed:
        assert [each.status_code for each in calls(allowed)] == [200, 200]
    holding = {role for role, scopes in ROLE_SCOPES.items() if Scope.KEYS_EXPORT in scopes}
    assert holding == {Role.PLATFORM_ADMIN, Role.TENANT_ADMIN}


# Attestation ----------------------------------------------------------------------------------------------------------


def states(nsl: Client, key: Key, trust: PinnedTrust) -> Any:
    nonce = fresh_nonce()
    attested = nsl.keys.attestation(key.id, nonce)
    verdict = verify_key_attestation(attested, trust, nonce)
    assert verdict.accepted, verdict
    assert attested.statement.nonce == nonce.hex()
    return attested.statement


def test_the_enclave_says_what_a_key_is(nsl: Client, trust: PinnedTrust, tenant: Tenant) -> None:
    owner = Recipient.new()
    key = nsl.keys.create("vouched for", "secp256k1", export_recipients=[owner.public_key])
    said = states(nsl, key, trust)
    assert (str(said.tenant_id), str(said.key_id), said.version) == (tenant.id, key.id, 1)
    assert (said.curve, said.public_key, said.origin) == ("secp256k1", key.public_key, Origin.GENERATED)
    assert (said.exportable, said.export_recipients) == (True, (owner.public_key,))
    assert (said.mode, said.measurement) == (key.enclave.mode, key.enclave.measurement)
    assert said.cluster == trust.cluster
    nsl.keys.disable(key.id)
    later = states(nsl, key, trust)
    assert later.state == KeyState.DISABLED
    assert later.register > said.register
    nsl.keys.destroy(key.id, wait_days=7, accept_balances=True)
    assert states(nsl, key, trust).state == KeyState.DESTROYING
    imported = nsl.keys.import_key(encrypted(nsl, trust, tenant, NewKey("a", "ed25519")))
    assert states(nsl, imported, trust).origin is Origin.IMPORTED


def test_without_a_nonce_the_layer_takes_one(nsl: Client, trust: PinnedTrust) -> None:
    attested = nsl.keys.attestation(nsl.keys.create("a", "ed25519").id)
    assert verify_key_attestation(attested, trust).accepted
    assert not verify_key_attestation(attested, trust, fresh_nonce()).accepted


@pytest.mark.parametrize("nonce", ["", "00", "zz" * 32, "AA" * 32])
def test_a_nonce_is_32_bytes_of_hex(tenant: Tenant, nsl: Client, nonce: str) -> None:
    key = nsl.keys.create("a", "ed25519")
    with tenant.client() as api:
        for path in (f"/v1/keys/{key.id}/attestation", "/v1/keys/import-parameters"):
            assert api.get(path, params={"nonce": nonce}).status_code == 400
