"""The SDK against the real layer: real enclave, real database, real nodes."""

from decimal import Decimal
from pathlib import Path

import pytest

from nsl.kit.clock import now
from nsl_client import AsyncClient, Client, Conflict, Denied, Malformed, NotFound, Unauthenticated, Unprocessable
from nsl_client.attestation import verify_key_attestation
from nsl_client.evidence import fresh_nonce
from nsl_client.portable import NewKey, Recipient, encrypt_key
from nsl_protocol.attestation.trust import read_trust
from nsl_protocol.policy.document import Policy
from tests.support.live import Live

N3_ADDRESS = "NVfJmhP28Q9qva9Tdtpt3af4H1a3cp7Lih"


def test_who_am_i_and_is_it_well(live: Live) -> None:
    with Client.from_credentials(live.credentials) as nsl:
        me = nsl.me()
        assert "platform:admin" in me.scopes
        assert me.plan is not None
        health = nsl.health()
    assert health.status == "ready"
    assert {"database", "kme", "neo-n3"} <= set(health.checks)
    assert all(each.ok for each in health.checks.values())


def test_wrong_secret(live: Live) -> None:
    with Client.from_credentials(live.credentials) as nsl:
        identifier = nsl.me().client_id
    with Client(live.base_url, identifier, "wrong") as other, pytest.raises(Unauthenticated) as caught:
        other.me()
    assert caught.value.code == "invalid_client"


def test_a_tenant_its_client_and_its_limits(live: Live) -> None:
    with Client.from_credentials(live.credentials) as platform:
        tenant = platform.tenants.create("SDK", plan={"requests_per_minute": 50, "key_requests_per_minute": 20})
        assert tenant.plan is not None
        assert tenant.plan.key_requests_per_minute == 20
        changed = platform.tenants.set_plan(tenant.id, requests_per_minute=5000, key_requests_per_minute=500)
        assert changed.plan is not None
        assert changed.plan.requests_per_minute == 5000
        assert tenant.id in {each.id for each in platform.every(platform.tenants.list, limit=1)}
        made = platform.clients.create("reader", ["keys:read"], tenant_id=tenant.id)
        with pytest.raises(NotFound):
            platform.keys.get("0190d5a7-0000-7000-8000-000000000000")
    with Client(live.base_url, made.client_id, made.client_secret) as reader:
        assert reader.me().tenant == tenant.id
        assert reader.keys.list().items == []
        with pytest.raises(Denied) as caught:
            reader.keys.create("mine", "secp256r1")
    assert caught.value.code == "SCOPE_MISSING"
    assert caught.value.request_id


def test_keys_sign_messages_and_batches(live: Live) -> None:
    with Client.from_credentials(live.credentials) as nsl:
        key = nsl.keys.create("sdk", "secp256k1")
        assert key.enclave.mode == "sim"
        assert key.addresses["neo-x"].startswith("0x")
        assert nsl.keys.get(key.id) == key
        signature = nsl.keys.sign(key.id, "message", {"text": "hello"})
        assert len(bytes.fromhex(signature.signature)) == 65
        items = [{"kind": "message", "payload": {"text": str(n)}} for n in range(3)]
        items.append({"kind": "digest", "payload": {"hex": "00" * 32}})
        results = nsl.keys.sign_batch(key.id, items).items
        assert [each.error is None for each in results] == [True, True, True, False]
        assert results[3].error is not None
        assert results[3].error.code
        made = {nsl.keys.create(f"sdk-{n}", "ed25519").id for n in range(3)}
        assert made <= {each.id for each in nsl.every(nsl.keys.list, limit=2)}


def test_a_repeated_creation_makes_one_key(live: Live) -> None:
    with Client.from_credentials(live.credentials) as nsl:
        first = nsl.keys.create("once", "ed25519", idempotency_key="sdk-once")
        assert nsl.keys.create("once", "ed25519", idempotency_key="sdk-once").id == first.id
        with pytest.raises(Conflict):
            nsl.keys.create("twice", "ed25519", idempotency_key="sdk-once")


async def test_a_transfer_from_start_to_block(live: Live) -> None:
    async with AsyncClient.from_credentials(live.credentials) as nsl:
        payer = await nsl.keys.create("payer", "secp256r1")
        payee = await nsl.keys.create("payee", "secp256r1")
        address, to = payer.addresses["neo-n3"], payee.addresses["neo-n3"]
        with pytest.raises(Unprocessable) as short:
            await nsl.transactions.transfer(chain="neo-n3", from_key=payer.id, asset="GAS", to=to, amount="3")
        assert short.value.code == "INSUFFICIENT_FUNDS"
        live.nsl("faucet", "--address", address, "--amount", "10", "--state", str(live.state))
        # What the API knows of a balance is at most a second old, so the money may still be on its way to it.
        done = await nsl.wait_for_transaction((await _transfer_when_funded(nsl, payer.id, to, "3")).id)
        again = await nsl.transactions.transfer(
            chain="neo-n3", from_key=payer.id, asset="GAS", to=to, amount="3", idempotency_key=f"sdk-{payer.id}"
        )
        assert again.id == done.id
        assert done.hash is not None
        assert done.block_height is not None
        assert done.history is not None
        assert done.history[0].state == "accepted"
        balances = {each.asset: each.amount for each in (await nsl.ledger.balances("neo-n3", address)).items}
        assert Decimal(balances["GAS"]) == Decimal(10) - Decimal(3) - Decimal(done.fee or "0")
        assert done.id in {each.id async for each in nsl.every(nsl.transactions.list, chain="neo-n3", limit=1)}
        block = await nsl.ledger.block("neo-n3", done.block_height)
        assert done.hash in block.transactions
        mined = await nsl.ledger.transaction("neo-n3", done.hash)
        assert mined.succeeded
        assert mined.sender == address


async def test_the_life_of_a_key(live: Live) -> None:
    with Client.from_credentials(live.credentials) as nsl:
        key = nsl.keys.create("life", "ed25519").id
        assert nsl.keys.disable(key).state == "disabled"
        with pytest.raises(Conflict) as caught:
            nsl.keys.sign(key, "message", {"text": "hello"})
        assert caught.value.code == "KEY_NOT_ACTIVE"
        assert nsl.keys.enable(key).state == "active"
    async with AsyncClient.from_credentials(live.credentials) as nsl:
        waiting = await nsl.keys.destroy(key, wait_days=7)
        assert waiting.state == "destroying"
        assert waiting.destroys_at is not None
        assert 6 <= (waiting.destroys_at - now()).days <= 7
        assert (await nsl.keys.enable(key)).destroys_at is None
        assert (await nsl.keys.disable(key)).state == "disabled"


async def _transfer_when_funded(nsl: AsyncClient, key: str, to: str, amount: str):
    from nsl.kit.clock import monotonic, pause

    deadline = monotonic() + 5
    while True:
        try:
            return await nsl.transactions.transfer(
                chain="neo-n3", from_key=key, asset="GAS", to=to, amount=amount, idempotency_key=f"sdk-{key}"
            )
        except Unprocessable:
            if monotonic() > deadline:
                raise
            await pause(0.2)


def test_chains_fees_and_bad_input(live: Live) -> None:
    with Client.from_credentials(live.credentials) as nsl:
        chains = {each.chain: each for each in nsl.ledger.chains().items}
        assert set(chains) == set(live.rpc)
        assert all(each.healthy for each in chains.values())
        assert Decimal(nsl.ledger.fees("neo-n3").transfer) > 0
        assert nsl.ledger.block("neo-n3").height > 0
        key = nsl.keys.create("bad input", "secp256r1")
        with pytest.raises(Unprocessable) as caught:
            nsl.transactions.transfer(
                chain="neo-n3", from_key=key.id, asset="GAS", to=N3_ADDRESS[:-1] + "x", amount="1"
            )
        assert caught.value.code == "INVALID_ADDRESS"
        assert [each.field for each in caught.value.errors] == ["to"]
        with pytest.raises(Malformed):
            nsl.transactions.list(state="nonsense")


async def test_a_key_comes_in_goes_out_and_is_vouched_for(live: Live, tmp_path: Path) -> None:
    cluster, file, owner = live.state / "cluster", tmp_path / "trust.json", Recipient.new()
    root = str(cluster / "simulation" / "root.der")
    live.nsl("enclave", "trust", "--manifest", str(cluster / "manifest"), "--root", root, "--out", str(file))
    trust, secret = read_trust(file.read_bytes()), bytes(range(1, 33))
    async with AsyncClient.from_credentials(live.credentials) as nsl:
        nonce, tenant = fresh_nonce(), (await nsl.me()).tenant
        parameters = await nsl.keys.import_parameters(nonce)
        new = NewKey("sdk", "secp256k1", policy={"blind_signing": True}, export_recipients=(owner.public_key,))
        key = await nsl.keys.import_key(encrypt_key(secret, parameters, nonce, trust, tenant, new))
        assert (key.origin, key.exportable) == ("imported", True)
        assert key.policy == {"blind_signing": True}
        assert owner.open(await nsl.keys.export(key.id, owner.public_key), public_key=key.public_key) == secret
        attested = await nsl.keys.attestation(key.id, nonce)
    assert verify_key_attestation(attested, trust, nonce).accepted
    assert attested.statement.policy_sha256 == Policy(blind_signing=True).hash
    assert repr(owner.private_key) not in repr(owner)
