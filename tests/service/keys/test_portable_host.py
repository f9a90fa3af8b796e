"""Keys that leave and come in, on a real database and three replicas: on record, carried to their end, once."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from nsl.cli.up.postgres import Postgres
from nsl.keys import store
from nsl.keys.errors import ImportIdTaken
from nsl.keys.model import Key, Usage
from nsl.keys.service import NewImport
from nsl.kit.clock import now
from nsl.kit.ids import new_id
from nsl_protocol.attestation.keys import KeyStatement, Origin
from nsl_protocol.enclave.key_transport import open_exported, seal_import
from nsl_protocol.enclave.lifecycle import KeyChange, KeyState
from nsl_protocol.enclave.messages import CreateKey, Curve
from nsl_protocol.enclave.wrapped import KeyName
from nsl_protocol.policy.document import Policy
from tests.enclave.portability import NONCE, PUBLIC, SECRET, Recipient
from tests.service.keys.carried import Bench, benched

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def bench(server: Postgres, tmp_path: Path) -> AsyncIterator[Bench]:
    async with benched(server, tmp_path, 3) as (made, _):
        yield made


async def said(bench: Bench, key: Key) -> KeyStatement:
    return (await bench.portable.attestation(bench.tenant, key.id, NONCE)).statement


def wrapped(bench: Bench, key: Key) -> bytes:
    ((found,),) = bench.owner("SELECT wrapped FROM key_versions WHERE key_id = %s", key.id)
    return bytes(found)


async def taken_in(bench: Bench) -> NewImport:
    """What the owner of a key has encrypted, and the host has in its hands."""
    parameters = await bench.portable.import_parameters(NONCE)
    name = KeyName(bench.tenant.bytes, parameters.key_id.bytes, 1)
    terms = CreateKey(name, Curve.ED25519, Policy().canonical)
    cluster = parameters.quoted.cluster
    encrypted = seal_import(SECRET, parameters.wrapping_key, cluster, "treasury", terms)
    return NewImport(
        parameters.key_id,
        "treasury",
        Curve.ED25519,
        (Usage.SIGN,),
        Policy(),
        90,
        (),
        parameters.wrapping_key,
        encrypted,
    )


async def test_of_two_exports_each_is_on_record_and_opens(bench: Bench) -> None:
    owner = Recipient.new()
    key = await bench.new_key(owner.public)
    for _ in range(2):
        made = await bench.portable.export(bench.caller, key.id, owner.public)
        name = KeyName(bench.tenant.bytes, key.id.bytes, 1)
        assert len(open_exported(made.encrypted, owner.private, made.cluster, name, Curve.ED25519)) == 32
    assert bench.audited(key) == [("key.exported", bench.caller.subject)] * 2


async def test_a_change_that_was_left_half_done_is_carried_before_anything_is_said(bench: Bench) -> None:
    key = await bench.new_key()
    name = KeyName(bench.tenant.bytes, key.id.bytes, 1)
    made = await bench.enclave.change_key(name, wrapped(bench, key), KeyChange.DISABLE)
    pending = store.PendingChange(
        new_id(), key.id, 1, made.wrapped, made.state, None, "somebody", "key.disabled", key.policies
    )
    async with bench.app.transaction(bench.tenant) as connection:
        await store.insert_change(connection, bench.tenant, pending, now())
    await bench.enclave.enter_key(name, made.wrapped)  # and here the API died
    assert (await said(bench, key)).state == KeyState.DISABLED


# What comes in --------------------------------------------------------------------------------------------------------


async def test_a_key_comes_in_once(bench: Bench) -> None:
    new = await taken_in(bench)
    key = await bench.portable.import_key(bench.caller, new)
    assert (key.public_key, key.origin) == (PUBLIC, Origin.IMPORTED)
    assert await bench.signs(key) == "yes"
    assert bench.audited(key) == [("key.imported", bench.caller.subject)]
    bench.owner("DELETE FROM key_uses WHERE key_id = %s", key.id)
    bench.owner("DELETE FROM signatures WHERE key_id = %s", key.id)
    bench.owner("DELETE FROM key_versions WHERE key_id = %s", key.id)
    bench.owner("DELETE FROM key_policies WHERE key_id = %s", key.id)
    bench.owner("DELETE FROM keys WHERE id = %s", key.id)
    with pytest.raises(ImportIdTaken):  # by the register, whatever the database has forgotten
        await bench.portable.import_key(bench.caller, new)
