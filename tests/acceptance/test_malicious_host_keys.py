"""What a host that was taken over may try with keys, on three key enclaves and PostgreSQL as they run.

Rows are rolled back, swapped between keys and between tenants, keys exported to the host itself or imported for others,
and a database is brought back whole. Each test says who refuses.
"""

import asyncio
import dataclasses
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace

from nsl.adapters.enclave import DatabaseOlder
from nsl.cli.up.stack import API, WORKER_PROCESS, Stack
from nsl_client import AsyncClient, Key, NslError
from nsl_protocol.attestation.binding import Purpose
from nsl_protocol.attestation.keys import Origin
from nsl_protocol.enclave.key_transport import seal_import
from nsl_protocol.enclave.messages import CreateKey, Curve, ImportKey, KeyCreated, Signature
from nsl_protocol.enclave.portable import AttestKey, ExportKey, KeyAttested, KeyExported
from nsl_protocol.enclave.signable import SignMessage
from nsl_protocol.enclave.wrapped import KeyName, WrappedKey
from nsl_protocol.policy.document import Policy
from tests.acceptance.key_cluster import REPLICAS, SECONDS_MAX, custodians, join_again, signed, tenant_of
from tests.acceptance.malicious_host import By, MaliciousHost
from tests.enclave.portability import NONCE, PUBLIC, SECRET, Recipient

pytestmark = pytest.mark.asyncio(loop_scope="package")
MESSAGE = SignMessage(b"m")


# Rows -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("act", ["disable", "freeze"])
async def test_a_row_of_before_the_key_was_stopped(host: MaliciousHost, client: AsyncClient, act: str) -> None:
    key = await client.keys.create("k", "secp256r1")
    before = host.wrapped(key)
    await getattr(client.keys, act)(key.id)
    host.sql("UPDATE keys SET state = 'active', frozen_at = NULL WHERE id = %s", key.id)
    stopped = "KEY_NOT_ACTIVE" if act == "disable" else "KEY_FROZEN"
    assert await host.signs(key, MESSAGE) == (By.ENCLAVE, stopped), "what the row says beside the key decides nothing"
    host.put(key, before)
    assert await host.signs(key, MESSAGE) == (By.MAJORITY, "NOT_REGISTERED")
    item = WrappedKey(host.name(key), before)
    said = await host.refused_present(item, lambda head, path: AttestKey(head, item, path, NONCE), KeyAttested)
    assert said == (By.MAJORITY, "NOT_REGISTERED"), "nor is anything said of it"
    with pytest.raises(NslError, match="NOT_REGISTERED"):
        await client.keys.sign(key.id, "message", {"text": "m"})


async def test_the_row_of_another_key(host: MaliciousHost, client: AsyncClient) -> None:
    """One with a looser policy, or that may be exported, in the place of the one that the host is after."""
    thief = Recipient.new()
    key = await client.keys.create("k", "secp256r1")
    own = await client.keys.create("own", "secp256r1", export_recipients=[thief.public.hex()])
    host.put(key, host.wrapped(own))
    item = WrappedKey(host.name(key), host.wrapped(key))
    assert await host.signs(key, MESSAGE) == (By.ENCLAVE, "KEY_NOT_AUTHENTIC")
    exported = await host.refused_present(
        item, lambda head, path: ExportKey(head, item, path, thief.public), KeyExported
    )
    assert exported == (By.ENCLAVE, "KEY_NOT_AUTHENTIC")
    with pytest.raises(NslError, match="KEY_NOT_AUTHENTIC"):
        await client.keys.sign(key.id, "message", {"text": "m"})


async def test_a_row_of_another_tenant(host: MaliciousHost, client: AsyncClient, stack: Stack) -> None:
    key = await client.keys.create("k", "secp256r1")
    async with tenant_of(stack, ["keys:create", "keys:read", "keys:sign"]) as stranger:
        own = await stranger.keys.create("own", "secp256r1")
        host.put(own, host.wrapped(key))
        with pytest.raises(NslError, match="KEY_NOT_AUTHENTIC"):
            await stranger.keys.sign(own.id, "message", {"text": "m"})
        thief = dataclasses.replace(host, tenant=UUID((await stranger.me()).tenant))
    assert await thief.signs(own, MESSAGE) == (By.ENCLAVE, "KEY_NOT_AUTHENTIC")
    assert await thief.signs(key, MESSAGE) == (By.ENCLAVE, "KEY_NOT_AUTHENTIC"), "nor under its own id there"
    assert isinstance(await host.signs(key, MESSAGE), Signature)


# Out and in -----------------------------------------------------------------------------------------------------------


async def test_export_to_its_own_key(host: MaliciousHost, client: AsyncClient) -> None:
    thief, owner = Recipient.new(), Recipient.new()
    stays = await client.keys.create("stays", "ed25519")
    leaves = await client.keys.create("leaves", "ed25519", export_recipients=[owner.public.hex()])
    host.sql(
        "UPDATE keys SET export_recipients = %s, origin = 'imported' WHERE id IN (%s, %s)",
        [thief.public], stays.id, leaves.id,
    )  # fmt: skip
    for key, code in ((stays, "EXPORT_NOT_ALLOWED"), (leaves, "RECIPIENT_NOT_NAMED")):
        item = WrappedKey(host.name(key), host.wrapped(key))
        exported = await host.refused_present(
            item, lambda head, path, item=item: ExportKey(head, item, path, thief.public), KeyExported
        )
        assert exported == (By.ENCLAVE, code)
        with pytest.raises(NslError, match=code):
            await client.keys.export(key.id, thief.public.hex())
    said = (await client.keys.attestation(leaves.id, NONCE)).statement
    assert (said.origin, said.export_recipients) == (Origin.GENERATED, (owner.public.hex(),))


@dataclass(frozen=True)
class Taken:
    """What the owner of a key has encrypted to the enclave for these terms, and the host has in its hands."""

    order: ImportKey

    def changed(self, *, label: str | None = None, encrypted: bytes | None = None, **terms: Any) -> ImportKey:
        made = replace(self.order, terms=replace(self.order.terms, **terms))
        return replace(made, label=label or made.label, encrypted=encrypted or made.encrypted)


async def taken(host: MaliciousHost) -> Taken:
    quoted = await host.enclave.quote(Purpose.IMPORT, NONCE)
    terms = CreateKey(KeyName(host.tenant.bytes, uuid4().bytes, 1), Curve.ED25519, Policy().canonical)
    encrypted = seal_import(SECRET, quoted.keys[0], host.cluster, "treasury", terms)
    return Taken(ImportKey(terms, "treasury", quoted.keys[0], encrypted))


async def test_an_imported_key_for_its_own_tenant_name_or_rules(host: MaliciousHost) -> None:
    sent = await taken(host)
    name, encrypted = sent.order.terms.name, sent.order.encrypted
    for order in (
        sent.changed(name=replace(name, tenant=uuid4().bytes)),
        sent.changed(name=replace(name, key=uuid4().bytes)),
        sent.changed(label="mine"),
        sent.changed(curve=Curve.SECP256R1),
        sent.changed(policy=Policy(blind_signing=True).canonical),
        sent.changed(recipients=(Recipient.new().public,)),
        sent.changed(encrypted=encrypted[:-1] + bytes((encrypted[-1] ^ 1,))),
    ):
        assert await host.refused(order) == (By.ENCLAVE, "IMPORT_NOT_AUTHENTIC")
    assert (await host.enclave.import_key(sent.order)).public_key == PUBLIC
    again = await host.enclave._links.call(sent.order)
    assert isinstance(again, KeyCreated), "an enclave opens it once more"
    entered = await host.refused_to_enter(WrappedKey(name, again.wrapped))
    assert entered == (By.MAJORITY, "NOT_REGISTERED"), "and the register has each id once"


# Last: custodians begin another epoch --------------------------------------------------------------------------------


async def test_a_database_of_before(host: MaliciousHost, stack: Stack, client: AsyncClient, tmp_path: Path) -> None:
    """Every enclave refuses it, those that were started again as well; custodians alone accept the gap."""
    key = await client.keys.create("k", "secp256r1")
    backup = tmp_path / "backup"
    await with_database_stopped(stack, lambda data: copied(data, backup))
    lost = await client.keys.create("lost", "secp256r1")
    assert (await signed(client, lost))[1] < SECONDS_MAX
    await with_database_stopped(stack, lambda data: copied(backup, data))
    for restart in (False, True):
        if restart:
            for name in REPLICAS:
                await stack.kill(name)
                await stack.start(name)
        async with asyncio.timeout(20):
            while not await refused(client, key):
                await asyncio.sleep(0.2)
        with pytest.raises(DatabaseOlder):
            await host.enclave.attend()
        kme = (await client.health()).checks["kme"]
        assert not kme.ok
        assert "key enclaves" in (kme.detail or "")
    await custodians(stack, "register")
    await custodians(stack, "proceed", "--address", stack.kmes[1].address)
    await join_again(stack, 1)
    assert (await signed(client, key))[1] < SECONDS_MAX
    assert (await client.keys.create("after", "secp256r1")).id != lost.id


async def refused(client: AsyncClient, key: Key) -> bool:
    """Whether the key's signature is refused because the database is older."""
    try:
        await signed(client, key)
    except NslError as error:
        return "DATABASE_OLDER" in str(error)
    return False


async def with_database_stopped(stack: Stack, work: Any) -> None:
    """Between two moments at which nothing writes."""
    for name in (WORKER_PROCESS, API, "postgres"):
        await stack.stop(name)
    await asyncio.to_thread(work, stack.postgres.data)
    for name in ("postgres", API, WORKER_PROCESS):
        await stack.start(name)


def copied(source: Path, target: Path) -> None:
    """With its owner: PostgreSQL may be another user."""
    shutil.rmtree(target, ignore_errors=True)
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)
