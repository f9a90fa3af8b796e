"""What a host that was taken over may try with requests and clocks, on three key enclaves as they run.

It submits as a message what would be a transaction, a permit or a token elsewhere, repeats one request in storms, and
sets clocks: of rows, and of the machine that an enclave is started on. Each test says who refuses.
"""

import asyncio
import base64
import dataclasses
import hashlib
import json
import os
import signal
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import uuid4

import msgspec
import pytest
from coincurve import PublicKey as Secp256k1Key
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_der_public_key
from msgspec.structs import replace

from nsl.adapters.enclave import trust
from nsl.cli.up.stack import Stack
from nsl.kit.clock import now
from nsl_client import AsyncClient, NslError
from nsl_client.calls import Call
from nsl_protocol.audit.leaves import EnclaveLeaf, read_leaf
from nsl_protocol.enclave.lifecycle import WAIT_SECONDS_MIN, ChangeKey, KeyChange
from nsl_protocol.enclave.messages import SIGNING_CURVES, Curve, Sign, Signature, Signed, SignOrder
from nsl_protocol.enclave.policies import SettlePolicy
from nsl_protocol.enclave.signable import SignDigest, SignMessage
from nsl_protocol.enclave.signed import RSA_PSS
from nsl_protocol.evm.keccak import keccak256
from nsl_protocol.evm.transaction import FeeMarketTransaction, LegacyTransaction
from nsl_protocol.policy.approvers import ChangeRule
from nsl_protocol.policy.document import Kind, Policy, Rate
from tests.acceptance.key_cluster import REPLICAS, leased
from tests.acceptance.malicious_host import By, MaliciousHost, changed, key_under, refusal_of
from tests.enclave.test_governing import APPROVERS

pytestmark = pytest.mark.asyncio(loop_scope="package")
DAY = 86_400
GOVERNED = Policy(kinds=(Kind.MESSAGE,), approvers=APPROVERS, change=ChangeRule(2))
WIDER = replace(GOVERNED, kinds=(Kind.MESSAGE, Kind.DIGEST), blind_signing=True)


# Sign data submitted as a message -------------------------------------------------------------------------------------

N3_SIGN_DATA = (860833102).to_bytes(4, "little") + hashlib.sha256(b"a transaction").digest()
SUBMITTED = {
    "n3 sign data": N3_SIGN_DATA,
    "evm legacy": LegacyTransaction(47763, 0, 21000, None, 1, b"", 10**9).unsigned_bytes(),
    "evm typed": FeeMarketTransaction(47763, 0, 21000, None, 1, b"", 1, 10**9).unsigned_bytes(),
    "EIP-191": b"\x19Ethereum Signed Message:\n3pay",
    "EIP-712": b"\x19\x01" + keccak256(b"a domain") + keccak256(b"a permit"),
    "jwt": b".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
        for part in ({"alg": "RS256", "typ": "at+jwt"}, {"sub": "root", "exp": 9999999999})
    ),
}  # fmt: skip


def _rsa_holds(signature: Signature, data: bytes, scheme: padding.PSS | padding.PKCS1v15) -> bool:
    key = load_der_public_key(signature.public_key)
    assert isinstance(key, rsa.RSAPublicKey)
    try:
        key.verify(signature.signature, data, scheme, hashes.SHA256())
    except InvalidSignature:
        return False
    return True


def stands_for(curve: Curve, signature: Signature, data: bytes) -> bool:
    """Whether it stands for exactly these bytes in any of the ways that chains and tokens read them."""
    raw = signature.signature
    try:
        if curve is Curve.ED25519:
            Ed25519PublicKey.from_public_bytes(signature.public_key).verify(raw, data)
            return True
        if curve is Curve.SECP256R1:
            der = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
            key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), signature.public_key)
            key.verify(der, data, ec.ECDSA(hashes.SHA256()))
            return True
        if curve is Curve.RSA_3072:
            return any(_rsa_holds(signature, data, scheme) for scheme in (RSA_PSS, padding.PKCS1v15()))
    except InvalidSignature:
        return False
    assert signature.recovery is not None
    recoverable = raw + bytes([signature.recovery])
    return any(
        Secp256k1Key.from_signature_and_message(recoverable, digest, hasher=None).format() == signature.public_key
        for digest in (keccak256(data), hashlib.sha256(data).digest())
    )


@pytest.mark.parametrize("curve", SIGNING_CURVES)
async def test_sign_data_as_a_message(host: MaliciousHost, client: AsyncClient, curve: Curve) -> None:
    """Signed it is, and worthless wherever those bytes mean something: the enclave puts its own envelope around."""
    for blind in (False, True):
        key = await key_under(client, Policy(blind_signing=blind), curve)
        for what, data in SUBMITTED.items():
            made = await host.signs(key, SignMessage(data))
            assert isinstance(made, Signature), what
            assert not stands_for(curve, made, data), what


async def test_the_judge_of_this_knows_a_real_signature(host: MaliciousHost, client: AsyncClient) -> None:
    for curve in (Curve.SECP256R1, Curve.SECP256K1):
        key = await key_under(client, Policy(blind_signing=True), curve)
        made = await host.signs(key, SignDigest(hashlib.sha256(N3_SIGN_DATA).digest()))
        assert isinstance(made, Signature)
        assert stands_for(curve, made, N3_SIGN_DATA)
        assert not stands_for(curve, made, b"something else")


# Storms ---------------------------------------------------------------------------------------------------------------


async def test_a_storm_of_one_request(host: MaliciousHost, client: AsyncClient) -> None:
    """An enclave makes one leaf of it, and counts it once."""
    key = await key_under(client, Policy(rate=(Rate(3600, 2),)))

    def order(text: bytes) -> SignOrder:
        return SignOrder(host.name(key), host.wrapped(key), SignMessage(text), uuid4().bytes)

    first, second, third = map(order, (b"first", b"second", b"third"))
    (made,) = await host.enclave.sign([first])
    assert isinstance(made, Signature)
    storm = await asyncio.gather(*(host.enclave._links.call(Sign((first,))) for _ in range(100)))
    assert storm == [Signed((made,))] * 100
    (reused,) = await host.enclave.sign([replace(first, what=SignMessage(b"another"))])
    assert refusal_of(reused) == (By.ENCLAVE, "REQUEST_ID_REUSED")
    (once_more,) = await host.enclave.sign([second])
    assert isinstance(once_more, Signature), "there was one left"
    leaves = [read_leaf(each.leaf.content) for each in (made, reused, once_more) if each.leaf is not None]
    assert [each.key_number for each in leaves if isinstance(each, EnclaveLeaf)] == [0, 1, 2]
    (refused,) = await host.enclave.sign([third])
    assert refusal_of(refused) == (By.MAJORITY, "WINDOW_EXCEEDED")


async def test_a_storm_of_one_request_at_the_api(host: MaliciousHost, client: AsyncClient) -> None:
    """One signature is answered, one row written, and one leaf; what is left of the window is still there."""
    key = await key_under(client, Policy(rate=(Rate(3600, 2),)))
    body = {"kind": "message", "payload": {"text": "m"}}
    call = Call("POST", f"/v1/keys/{key.id}/sign", msgspec.Raw, body, idempotency_key=uuid4().hex)
    answers = await asyncio.gather(*(client.run(call) for _ in range(30)))
    assert len({bytes(each) for each in answers}) == 1
    made = host.sql(
        "SELECT count(*), count(l.id) FROM signatures s LEFT JOIN audit_leaves l USING (id) WHERE key_id = %s", key.id
    )
    assert made == [(1, 1)]
    assert (await client.keys.sign(key.id, "message", {"text": "m"})).signature
    with pytest.raises(NslError, match="WINDOW_EXCEEDED"):
        await client.keys.sign(key.id, "message", {"text": "m"})


# Clocks --------------------------------------------------------------------------------------------------------------


async def test_the_clock_of_a_destruction(host: MaliciousHost, client: AsyncClient) -> None:
    """By the row it is due; the enclaves count the days themselves."""
    key = await client.keys.create("k", "ed25519")
    await client.keys.destroy(key.id, wait_days=WAIT_SECONDS_MIN // 86_400)
    host.sql("UPDATE keys SET destroys_at = now() - interval '1 year' WHERE id = %s", key.id)
    order = ChangeKey(host.name(key), host.wrapped(key), KeyChange.DESTROY, 0)
    assert await host.refused(order) == (By.ENCLAVE, "DESTRUCTION_WAITS")
    assert (await client.keys.enable(key.id)).state == "active", "and it can be undone"


async def test_the_clock_of_a_time_lock(host: MaliciousHost, client: AsyncClient) -> None:
    """By the rows it is over; the enclaves count it themselves."""
    locked = replace(GOVERNED, change=ChangeRule(2, time_lock_seconds=DAY))
    key = await key_under(client, locked)
    await changed(client, host, key, WIDER)
    host.sql("UPDATE keys SET next_policy_at = now() - interval '1 day' WHERE id = %s", key.id)
    settle = SettlePolicy(host.name(key), host.wrapped(key), withdrawn=False)
    assert await host.refused(settle) == (By.ENCLAVE, "POLICY_WAITS")
    assert await host.signs(key, SignDigest(b"m" * 32)) == (By.ENCLAVE, "KIND_NOT_ALLOWED")


#: the program as it is, on a machine whose clock is a day ahead
AHEAD = f"""
import runpy, sys, time
real = time.time
time.time = lambda: real() + {DAY}
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@asynccontextmanager
async def started_ahead(stack: Stack, name: str) -> AsyncIterator[None]:
    """That replica runs so meanwhile."""
    spec = stack._supervisor.child(name).spec
    await stack.kill(name)
    try:
        await stack._supervisor.start(dataclasses.replace(spec, command=[sys.executable, "-c", AHEAD, *spec.command]))
        yield
    finally:
        await stack.kill(name)
        await stack._supervisor.start(spec)


async def test_the_clock_of_a_machine(
    host: MaliciousHost, stack: Stack, client: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One replica is started a day ahead, when windows have passed: alone it signs nothing, and the others tell it."""
    key = await key_under(client, Policy(rate=(Rate(3600, 2),)))

    def order() -> SignOrder:
        return SignOrder(host.name(key), host.wrapped(key), SignMessage(b"m"), uuid4().bytes)

    used_up = await host.enclave.sign([order() for _ in range(3)])
    assert [isinstance(each, Signature) for each in used_up] == [True, True, False]
    # The host does not mind that quote and certificate are of tomorrow; anybody else would not take them.
    monkeypatch.setattr(trust, "now", lambda: now() + timedelta(days=1))
    others, third = [stack.pid(each) for each in REPLICAS[:2]], host.enclave._links.replicas[2]
    async with started_ahead(stack, REPLICAS[2]):
        for pid in others:
            os.kill(pid, signal.SIGSTOP)
        try:
            third._leaf = None
            context = (await third._current_leaf()).context
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            assert refusal_of(await third.ask(Sign((order(),)))) == (By.MAJORITY, "NO_LEASE")
        finally:
            for pid in others:
                os.kill(pid, signal.SIGCONT)
        await host.enclave.attend()
        await leased(stack)
        host.enclave._links._order.sort(key=lambda link: link is not third)
        (refused,) = await host.enclave.sign([order()])
        assert refusal_of(refused) == (By.MAJORITY, "WINDOW_EXCEEDED")
        assert host.enclave._links._order[0] is third
