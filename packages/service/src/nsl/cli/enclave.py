"""``nsl enclave``: look at the enclaves, and what custodians and operators do with the key cluster."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nsl.cli.connection import AsJson, Credentials, connect
from nsl.cli.output import explained, fail, show_json, show_list, show_record

if TYPE_CHECKING:
    from nsl.adapters.enclave import Trust, Visit

app = typer.Typer(no_args_is_help=True, help="Enclaves: look at them, verify them, and keep the key cluster.")
root_app = typer.Typer(no_args_is_help=True, help="The cluster's root: replace it.")
manifest_app = typer.Typer(no_args_is_help=True, help="The cluster's manifest: sign it, apply it.")
app.add_typer(manifest_app, name="manifest")
app.add_typer(root_app, name="root")

Address = Annotated[str, typer.Option("--address", help="HOST:PORT of a replica.")]
Addresses = Annotated[list[str], typer.Option("--address", help="HOST:PORT of a replica; may be given more than once.")]
Manifests = Annotated[
    Path,
    typer.Option("--manifest", envvar="NSL_MANIFEST_DIR", help="The folder of genesis.json and manifest.json."),
]
Root = Annotated[
    Path | None,
    typer.Option("--root", envvar="NSL_SIMULATED_ROOT", help="SIM: the root of the simulation, in DER."),
]
PccsUrl = Annotated[str | None, typer.Option("--pccs", envvar="NSL_PCCS_URL", help="Where to ask for collateral.")]
CustodianFiles = Annotated[
    list[Path], typer.Option("--custodian", help="A custodian's key file; may be given more than once.")
]
Packages = Annotated[Path, typer.Option("--packages", help="The custodians' packages.")]


@app.command("list")
def list_(credentials: Credentials = None, as_json: AsJson = False) -> None:
    """List the enclaves of a layer, as it sees them.

    Example: nsl enclave list
    """
    columns = {
        "NAME": "name", "STATUS": "status", "MODE": "mode", "PHASE": "phase", "EPOCH": "epoch",
        "MANIFEST": "manifest_version", "MEASUREMENT": "measurement", "LAST ATTESTED": "last_attested_at",
    }  # fmt: skip
    with explained(), connect(credentials) as client:
        show_list(client.enclaves.list().items, columns, as_json=as_json)


@app.command()
def evidence(
    manifests: Manifests,
    name: Annotated[str, typer.Argument(help="Of the enclave, as `nsl enclave list` says it.")] = "kme",
    root: Root = None,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Ask an enclave through the layer to prove itself, and verify the proof here. Exit status 1 if it does not hold.

    Example: nsl enclave evidence kme --manifest .state/cluster/manifest --root .state/cluster/simulation/root.der
    """
    from nsl.adapters.enclave.trust import Constitution
    from nsl_client.evidence import fresh_nonce, verify_evidence
    from nsl_protocol.attestation.policy import Floors
    from nsl_protocol.attestation.report import VerdictReport
    from nsl_protocol.cluster.manifest import Program

    with explained():
        constitution = Constitution.read(manifests)
        nonce = fresh_nonce()
        with connect(credentials) as client:
            found = client.enclaves.evidence(name, nonce)
        policy = constitution.present.policy(Program(found.program), Floors())
        verdict = verify_evidence(found, nonce, constitution.cluster, policy, _anchors(root))
        show_record(VerdictReport.of(verdict), as_json=as_json)
    raise typer.Exit(0 if verdict.accepted else 1)


@app.command()
def status(addresses: Addresses, as_json: AsJson = False) -> None:
    """Ask replicas directly what they say of themselves; nothing of it is verified.

    Example: nsl enclave status --address 10.0.0.1:9101 --address 10.0.0.2:9101
    """
    columns = {
        "ADDRESS": "address", "PHASE": "phase", "EPOCH": "epoch", "MANIFEST": "manifest_version", "SEAL": "seal",
        "MODE": "mode", "MEASUREMENT": "measurement", "ERROR": "error",
    }  # fmt: skip
    with explained():
        show_list(_run(_statuses(addresses)), columns, as_json=as_json)


@app.command()
def custodian(
    name: Annotated[str, typer.Argument(help="As the manifest will list you: small letters, digits, hyphens.")],
    out: Annotated[Path, typer.Option(help="Where to write your private keys; mode 0600.")],
) -> None:
    """Make a custodian's keys; print what the manifest lists of them.

    Example: nsl enclave custodian ada --out ada.json
    """
    from nsl.cli.custodian import CustodianKeys

    with explained():
        _not_there(out)
        keys = CustodianKeys.new(name)
        keys.write(out)
        show_json(keys.public)


@app.command("client-key")
def client_key(out: Annotated[Path, typer.Option(help="Where to write the private key; mode 0600.")]) -> None:
    """Make the key by which a host process enrols; print its SHA-256, which the manifest lists under ``clients``.

    Example: nsl enclave client-key --out service.key
    """
    from nsl.adapters.enclave import Identity

    with explained():
        _not_there(out)
        show_json({"sha256": Identity.make(out).fingerprint})


@app.command()
def bootstrap(
    address: Address,
    custodians: CustodianFiles,
    manifests: Manifests,
    packages: Packages,
    root: Root = None,
    pccs: PccsUrl = None,
    as_json: AsJson = False,
) -> None:
    """Make the cluster's root, once: custodians sign over the fresh quote of the first replica.

    The packages are the custodians' shares of the root, each encrypted to its custodian. Keep that file.

    Example: nsl enclave bootstrap --address 10.0.0.1:9101 --custodian ada.json --custodian ben.json
    --manifest manifest --packages packages.json
    """
    from nsl.cli.custodian import CustodianKeys, write_packages
    from nsl.cli.custodian import bootstrap as make_root

    async def work() -> dict[str, Any]:
        async with _visit(address, _trust(manifests, root, pccs)) as visiting:
            found = await make_root(visiting, [CustodianKeys.read(file) for file in custodians])
            write_packages(packages, found.packages)
            return {"epoch": found.epoch, "packages": str(packages)}

    with explained():
        _not_there(packages)
        show_record(_run(work()), as_json=as_json)


@app.command()
def join(
    address: Address,
    member: Annotated[str, typer.Option(help="HOST:PORT of a replica that has the root.")],
    manifests: Manifests,
    root: Root = None,
    pccs: PccsUrl = None,
    as_json: AsJson = False,
) -> None:
    """Let a replica get the root from a member: each proves itself to the other.

    Example: nsl enclave join --address 10.0.0.2:9101 --member 10.0.0.1:9101 --manifest manifest
    """
    from nsl.cli.custodian import join as carry

    async def work() -> dict[str, Any]:
        trust = _trust(manifests, root, pccs)
        async with _visit(member, trust) as giving, _visit(address, trust) as taking:
            return {"epoch": (await carry(giving, taking)).epoch}

    with explained():
        show_record(_run(work()), as_json=as_json)


@app.command()
def recover(
    address: Address,
    custodians: CustodianFiles,
    manifests: Manifests,
    packages: Packages,
    root: Root = None,
    pccs: PccsUrl = None,
    as_json: AsJson = False,
) -> None:
    """When all replicas are gone: hand your share to a fresh one, after it has proven itself to you.

    With enough shares the root is back, in a new epoch; then the packages file holds new packages.

    Example: nsl enclave recover --address 10.0.0.1:9101 --custodian ada.json --manifest manifest
    --packages packages.json
    """
    from nsl.cli.custodian import CustodianKeys, read_packages, write_packages
    from nsl.cli.custodian import recover as hand_over
    from nsl_protocol.enclave.membership import Founded

    async def work() -> dict[str, Any]:
        found, taken, needed = read_packages(packages), 0, 0
        async with _visit(address, _trust(manifests, root, pccs)) as visiting:
            for keys in map(CustodianKeys.read, custodians):
                if keys.name not in found:
                    fail(f"{packages} holds no package of {keys.name}.")
                answer = await hand_over(visiting, keys, found[keys.name])
                if isinstance(answer, Founded):
                    write_packages(packages, answer.packages)
                    return {"recovered": True, "epoch": answer.epoch, "packages": str(packages)}
                taken, needed = answer.taken, answer.needed
        return {"recovered": False, "shares": taken, "needed": needed}

    with explained():
        show_record(_run(work()), as_json=as_json)


@manifest_app.command("sign")
def sign_manifest(
    file: Annotated[Path, typer.Argument(help="A manifest, or one that others have signed already.")],
    out: Annotated[Path, typer.Option(help="Where to write it with the signatures.")],
    custodians: Annotated[list[Path] | None, typer.Option("--custodian", help="A custodian's key file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Put custodians' names to a manifest. The first manifest of a cluster takes none: its hash is the cluster's id.

    Example: nsl enclave manifest sign draft.json --custodian ada.json --out manifest.json
    """
    from msgspec.json import encode

    from nsl.cli.custodian import CustodianKeys, read_manifest

    with explained():
        signed = read_manifest(file)
        for keys in map(CustodianKeys.read, custodians or []):
            signed = signed.signed_by(keys.name, keys.signing)
        out.write_bytes(encode(signed))
        show_record({"sha256": signed.digest.hex(), "signed_by": sorted(signed.signatures)}, as_json=as_json)


@manifest_app.command("apply")
def apply_manifest(
    file: Annotated[Path, typer.Argument(help="The signed manifest.")], addresses: Addresses, as_json: AsJson = False
) -> None:
    """Bring a later manifest to the replicas: at once, every certificate of the former one is worthless.

    Example: nsl enclave manifest apply manifest.json --address 10.0.0.1:9101 --address 10.0.0.2:9101
    """
    from nsl_protocol.enclave.membership import ApplyManifest, ManifestApplied

    async def work() -> list[dict[str, Any]]:
        done = []
        for address in addresses:
            async with _visit(address, None) as visiting:
                answer = await visiting.ask(ManifestApplied, ApplyManifest(file.read_bytes()))
                done.append({"address": address, "version": answer.version})
        return done

    with explained():
        show_list(_run(work()), {"ADDRESS": "address", "VERSION": "version"}, as_json=as_json)


@root_app.command("rotate")
def rotate_root(
    custodians: CustodianFiles,
    packages: Packages,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a rotation that was interrupted.")] = False,
    as_json: AsJson = False,
) -> None:
    """Replace the root: make another, wrap everything anew, forget the old one, share the new one.

    Settings come from the environment as for `nsl serve`, and NSL_DATABASE_OWNER_URL besides. Signing goes on; the
    command can be interrupted at any point and gone on with by --resume.

    Example: nsl enclave root rotate --custodian ada.json --custodian ben.json --packages packages.json
    """
    import os

    from nsl import wiring
    from nsl.cli.custodian import CustodianKeys
    from nsl.cli.rotation import rotate
    from nsl.settings import Settings

    with explained():
        settings = Settings.from_environment(os.environ)
        keys = [CustodianKeys.read(file) for file in custodians]
        done = rotate(settings, wiring.trust(settings), keys, packages, resume=resume)
        show_record(_run(done), as_json=as_json)


async def _statuses(addresses: list[str]) -> list[dict[str, Any]]:
    from msgspec import to_builtins

    from nsl.adapters.enclave import EnclaveDown
    from nsl_protocol.enclave.messages import GetStatus, Status

    async def one(address: str) -> dict[str, Any]:
        try:
            async with _visit(address, None) as visiting:
                found = await visiting.ask(Status, GetStatus())
        except EnclaveDown as error:
            return {"address": address, "error": error.detail}
        fields = {name: getattr(found, name) for name in found.__struct_fields__} | {"cluster": found.cluster.hex()}
        return {"address": address, **to_builtins(fields)}

    return list(await asyncio.gather(*map(one, addresses)))


@asynccontextmanager
async def _visit(address: str, trust: "Trust | None") -> AsyncIterator["Visit"]:
    """``trust``: None where nothing is asked that has to be proven."""
    from nsl.adapters.enclave import Trust, visit
    from nsl_protocol.cluster.manifest import Program

    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        fail(f"An address is HOST:PORT, not {address}.")
    async with visit((host, int(port)), Program.KME, trust or Trust(Path(), [], None)) as visiting:
        yield visiting


def _trust(manifests: Path, root: Path | None, pccs: str | None) -> "Trust":
    from nsl.adapters.enclave import Trust
    from nsl.adapters.pccs import Pccs

    return Trust(manifests, _anchors(root), None if pccs is None else Pccs(pccs))


def _anchors(root: Path | None) -> list[Any]:
    from nsl_protocol.attestation.verify import INTEL, TrustAnchor

    if root is None:
        return [INTEL]
    try:
        return [TrustAnchor(root.read_bytes())]
    except OSError as error:
        fail(f"{root} cannot be read: {error.strerror}.")


def _not_there(path: Path) -> None:
    if path.exists():
        fail(f"{path} is there already, and is not overwritten.")


def _run[T](work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)
