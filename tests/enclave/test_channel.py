"""The channel to the key enclave: nobody in between, nobody from outside, no request lost while it renews itself."""

import asyncio
import os
import signal
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from time import monotonic
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec.json import encode
from msgspec.structs import replace

from nsl.adapters.enclave import EnclaveClient, EnclaveDown, EnclaveRefused, EnclaveUntrusted, Identity, Trust, visit
from nsl.adapters.enclave.ledgers import Replica
from nsl.cli.custodian import CustodianKeys
from nsl.cli.up.cluster import DevelopmentCluster
from nsl.kit.clock import random_bytes
from nsl_enclave.kernel.certificates import self_signed
from nsl_protocol.attestation.binding import Purpose
from nsl_protocol.attestation.policy import EnclaveRule
from nsl_protocol.attestation.verify import INTEL
from nsl_protocol.cluster.enrolment import key_statement
from nsl_protocol.cluster.manifest import Program, sign_off
from nsl_protocol.enclave.membership import ApplyManifest, Enrol, Enrolled, GetQuote, KeyProof, ManifestApplied, Quoted
from nsl_protocol.enclave.messages import Curve, Refused, Signature, SignOrder
from nsl_protocol.enclave.signable import SignMessage
from nsl_protocol.enclave.wrapped import KeyName
from nsl_protocol.policy.document import Policy, Rate
from tests.support.enclave import Enclave, command, enclave, measured, process
from tests.support.tls import pem_files

NAME = KeyName(b"t" * 16, b"k" * 16, 1)
pytestmark = pytest.mark.asyncio


def next_manifest(cluster: DevelopmentCluster, **changes: object) -> bytes:
    """The next manifest, signed by the development custodian; it lies beside the genesis too."""
    found = cluster.trust().constitution()
    custodian = CustodianKeys.read(cluster.directory / "custodian.json")
    changes = {"version": found.present.version + 1, "cluster": found.cluster.hex()} | changes
    document = encode(sign_off(replace(found.present, **changes)).signed_by(custodian.name, custodian.signing))
    (cluster.manifests / "manifest.json").write_bytes(document)
    return document


@contextmanager
def replicas(directory: Path, count: int = 3) -> Iterator[tuple[DevelopmentCluster, list[Enclave]]]:
    """Several processes of one cluster, none of which has a root yet."""
    cluster = DevelopmentCluster(directory)
    cluster.prepare(measured(command(directory)), replicas=count)
    with ExitStack() as stack:
        made = []
        for number in range(1, count + 1):
            running, ready = stack.enter_context(process(command(directory, name=f"kme-{number}")))
            made.append(Enclave(cluster, running, ready))
        yield cluster, made


def of_all(made: list[Enclave]) -> EnclaveClient:
    """The service's adapter for a cluster."""
    cluster = made[0].cluster
    return EnclaveClient([each.address for each in made], cluster.trust(), cluster.identity(), made[0].register)


async def leased(made: list[Enclave], client: EnclaveClient) -> None:
    """Wait until each replica is a member with a lease."""
    async with asyncio.timeout(5), AsyncExitStack() as stack:
        each_alone = [await stack.enter_async_context(each.client()) for each in made]
        while not all([(await each.status()).lease_seconds for each in each_alone]):
            await client.attend()


@asynccontextmanager
async def between(target: tuple[str, int], directory: Path) -> AsyncIterator[tuple[str, int]]:
    """Somebody with a TLS key of his own who passes everything on, both ways."""
    key = ec.generate_private_key(ec.SECP256R1())
    files = pem_files(directory, key, self_signed(key, "kme"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    blind = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    blind.check_hostname, blind.verify_mode = False, ssl.CERT_NONE

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        other_reader, other_writer = await asyncio.open_connection(*target, ssl=blind)

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while data := await source.read(65536):
                sink.write(data)
            sink.close()

        await asyncio.gather(pump(reader, other_writer), pump(other_reader, writer), return_exceptions=True)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()


async def test_somebody_in_between_with_a_genuine_quote_is_told_nothing(tmp_path: Path) -> None:
    with enclave(tmp_path) as made:
        async with (
            between(made.address, tmp_path) as address,
            EnclaveClient([address], made.cluster.trust(), made.cluster.identity(), made.register) as client,
        ):
            with pytest.raises(EnclaveUntrusted, match="report_data"):
                await client.status()
        async with made.client() as client:
            assert (await client.status()).phase == "ready"


async def test_a_simulated_enclave_is_nothing_to_who_trusts_hardware_alone(tmp_path: Path) -> None:
    with enclave(tmp_path) as made:
        hardware = Trust(made.cluster.manifests, [INTEL], None)
        async with EnclaveClient([made.address], hardware, made.cluster.identity(), made.register) as client:
            with pytest.raises(EnclaveUntrusted, match="unknown_root"):
                await client.status()


async def test_a_cluster_is_not_taken_for_another(tmp_path: Path) -> None:
    with enclave(tmp_path / "1") as made, enclave(tmp_path / "2") as other:
        manifests = Trust(other.cluster.manifests, [made.cluster.trust()._anchors[0]], None)
        async with EnclaveClient([made.address], manifests, made.cluster.identity(), made.register) as client:
            with pytest.raises(EnclaveUntrusted, match="report_data"):
                await client.status()


async def test_an_enclave_that_the_manifest_does_not_list_is_asked_nothing(tmp_path: Path) -> None:
    with enclave(tmp_path) as made:
        next_manifest(made.cluster, programs={Program.KME: (EnclaveRule(mrenclave="00" * 32),)})
        async with made.client() as client:
            with pytest.raises(EnclaveUntrusted, match="measurement"):
                await client.status()


async def test_only_a_listed_key_is_enrolled(tmp_path: Path) -> None:
    with enclave(tmp_path) as made:
        stranger = Identity("service", ec.generate_private_key(ec.SECP256R1()))
        unknown = Identity("worker", made.cluster.identity().key)
        for identity in (stranger, unknown):
            async with EnclaveClient([made.address], made.cluster.trust(), identity, made.register) as client:
                with pytest.raises(EnclaveUntrusted, match="does not list this key"):
                    await client.status()


async def test_a_proof_counts_once_and_for_its_own_keys(tmp_path: Path) -> None:
    with enclave(tmp_path) as made:
        identity = made.cluster.identity()
        async with visit(made.address, Program.KME, made.cluster.trust()) as visiting:
            quoted = await visiting.ask(Quoted, GetQuote(Purpose.ENROL_SERVER, random_bytes(32)))
            tls_key = identity.public_key
            statement = key_statement(quoted.cluster, quoted.challenge, tls_key, visiting.channel.server_key)
            signed = KeyProof(identity.public_key, identity.key.sign(statement, ec.ECDSA(hashes.SHA256())))
            request = Enrol("service", tls_key, signed)
            await visiting.ask(Enrolled, request)
            with pytest.raises(EnclaveRefused, match="Ask for a quote first"):
                await visiting.ask(Enrolled, request)
            await visiting.ask(Quoted, GetQuote(Purpose.ENROL_SERVER, random_bytes(32)))
            with pytest.raises(EnclaveRefused, match="not over this challenge"):
                await visiting.ask(Enrolled, request)


@pytest.mark.long
async def test_no_request_fails_while_certificates_are_renewed_every_few_seconds(tmp_path: Path) -> None:
    with enclave(tmp_path, leaf_seconds=5) as made:
        async with made.client() as client:
            key = await client.create_key(NAME, Curve.SECP256K1, Policy())
            order = SignOrder(NAME, key.wrapped, SignMessage(b"m"), uuid4().bytes)
            first = client._links.replicas[0]._leaf
            until, answered = monotonic() + 11, 0

            async def load() -> None:
                nonlocal answered
                while monotonic() < until:
                    assert isinstance((await client.sign([order]))[0], Signature)
                    answered += 1

            await asyncio.gather(*(load() for _ in range(16)))
            assert answered > 1000
            last = client._links.replicas[0]._leaf
            assert first is not None
            assert last is not None
            assert last.expires_at - first.expires_at >= 6, "it was renewed more than once"


async def test_a_manifest_ends_every_connection_and_a_client_enrols_again(tmp_path: Path) -> None:
    with enclave(tmp_path) as made:
        async with made.client() as client, visit(made.address, Program.KME, made.cluster.trust()) as operator:
            await client.status()
            leaf = await operator.enrol(made.cluster.identity())
            raw, writer = await asyncio.open_connection(*made.address, ssl=leaf.context, server_hostname="kme")
            document = next_manifest(made.cluster, lease_seconds=60)
            applied = await operator.ask(ManifestApplied, ApplyManifest(document))
            assert applied.version == 2
            async with asyncio.timeout(2):
                assert await raw.read(1) == b"", "an open connection of the former manifest gets no answer"
            writer.close()
            assert (await client.status()).manifest_version == 2


async def test_a_client_that_a_manifest_no_longer_lists_is_out_within_two_seconds(tmp_path: Path) -> None:
    with enclave(tmp_path) as made:
        async with made.client() as client, visit(made.address, Program.KME, made.cluster.trust()) as operator:
            key = await client.create_key(NAME, Curve.SECP256K1, Policy())
            await operator.ask(ManifestApplied, ApplyManifest(next_manifest(made.cluster, clients={})))
            began = monotonic()
            with pytest.raises((EnclaveUntrusted, EnclaveDown)):
                await client.sign([SignOrder(NAME, key.wrapped, SignMessage(b"m"), uuid4().bytes)])
            assert monotonic() - began < 2


async def test_with_three_replicas_any_two_may_die(tmp_path: Path) -> None:
    with replicas(tmp_path) as (cluster, made):
        done = await cluster.establish([each.address for each in made], made[0].register, may_found=True)
        assert "2 joined" in done
        async with of_all(made) as client:
            await leased(made, client)
            key = await client.create_key(NAME, Curve.ED25519, Policy())
            order = SignOrder(NAME, key.wrapped, SignMessage(b"m"), uuid4().bytes)
            for victim in made[:2]:
                victim.process.kill()
                victim.process.wait()
                began = monotonic()
                assert isinstance((await client.sign([order]))[0], Signature)
                assert monotonic() - began < 2


@pytest.mark.parametrize("survivor", [0, 1, 2])
async def test_with_three_replicas_any_two_may_hang(tmp_path: Path, survivor: int) -> None:
    with replicas(tmp_path) as (cluster, made):
        await cluster.establish([each.address for each in made], made[0].register, may_found=True)
        hung = [each.process.pid for number, each in enumerate(made) if number != survivor]
        async with of_all(made) as client:
            await leased(made, client)
            key = await client.create_key(NAME, Curve.ED25519, Policy())
            order = SignOrder(NAME, key.wrapped, SignMessage(b"m"), uuid4().bytes)
            for pid in hung:
                os.kill(pid, signal.SIGSTOP)
            try:
                for _ in range(20):
                    began = monotonic()
                    assert isinstance((await client.sign([order]))[0], Signature)
                    assert monotonic() - began < 2
            finally:
                for pid in hung:
                    os.kill(pid, signal.SIGCONT)


async def test_who_loses_its_lease_between_signing_and_counting_is_left_for_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with replicas(tmp_path) as (cluster, made):
        await cluster.establish([each.address for each in made], made[0].register, may_found=True)
        async with of_all(made) as client:
            await leased(made, client)
            key = await client.create_key(NAME, Curve.ED25519, Policy(rate=(Rate(60, 20),)))
            lease, refusals = client._ledgers.lease, [Refused("NO_LEASE", "This replica has none.")]

            async def refused_once(first: Replica, name: KeyName, wrapped: bytes) -> None:
                if refusals:
                    raise EnclaveRefused(refusals.pop())
                await lease(first, name, wrapped)

            monkeypatch.setattr(client._ledgers, "lease", refused_once)
            order = SignOrder(NAME, key.wrapped, SignMessage(b"m"), uuid4().bytes)
            assert isinstance((await client.sign([order]))[0], Signature)
            assert not refusals


async def test_a_replica_that_was_killed_joins_again_and_all_gone_are_recovered(tmp_path: Path) -> None:
    with replicas(tmp_path) as (cluster, made):
        await cluster.establish([each.address for each in made], made[0].register, may_found=True)
        async with of_all(made) as client:
            key = await client.create_key(NAME, Curve.ED25519, Policy())
    for number in (1, 2, 3):
        (tmp_path / f"kme-{number}" / "kme.state").unlink()
    with replicas(tmp_path) as (cluster, made):
        done = await cluster.establish([each.address for each in made], made[0].register, may_found=False)
        assert "recovered" in done
        assert "2 joined" in done
        async with of_all(made) as client:
            await leased(made, client)
        async with AsyncExitStack() as stack:
            for each in made:
                client = await stack.enter_async_context(each.client())
                result = (await client.sign([SignOrder(NAME, key.wrapped, SignMessage(b"m"), uuid4().bytes)]))[0]
                assert isinstance(result, Signature)
                assert (result.public_key, (await client.status()).epoch) == (key.public_key, 2)
