"""``nsl enclave``: look at the enclaves, and what custodians and operators do with the key cluster."""

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from nsl.cli import ceremonies, stopping
from nsl.cli.connection import AsJson, Credentials, connect
from nsl.cli.enclave_connection import Addresses, Manifests, Root, anchors, not_there, run, visiting
from nsl.cli.output import explained, fail, show_json, show_list, show_record

#: of a single replica, by docs/threat-model.md
ALONE = "it cannot notice an older database that comes with its own seal of the same time"

app = typer.Typer(no_args_is_help=True, help="Enclaves: look at them, verify them, and keep the key cluster.")
manifest_app = typer.Typer(no_args_is_help=True, help="The cluster's manifest: sign it, apply it.")
app.add_typer(manifest_app, name="manifest")
app.add_typer(ceremonies.root_app, name="root")
for command in (
    ceremonies.request,
    ceremonies.approve,
    ceremonies.bootstrap,
    ceremonies.packages,
    ceremonies.join,
    ceremonies.register,
    ceremonies.recover,
    ceremonies.proceed,
    stopping.freeze,
    stopping.freeze_status,
    stopping.request_unfreeze,
    stopping.approve_unfreeze,
    stopping.unfreeze,
):
    app.command()(command)


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
    from nsl.adapters.enclave.trust import read_constitution
    from nsl_client.evidence import fresh_nonce, verify_evidence
    from nsl_protocol.attestation.policy import Floors
    from nsl_protocol.attestation.report import VerdictReport
    from nsl_protocol.cluster.manifest import Program

    with explained():
        constitution = read_constitution(manifests)
        nonce = fresh_nonce()
        with connect(credentials) as client:
            found = client.enclaves.evidence(name, nonce)
        policy = constitution.policy(Program(found.program), Floors())
        verdict = verify_evidence(found, nonce, constitution.cluster, policy, anchors(root))
        show_record(VerdictReport.of(verdict), as_json=as_json)
    raise typer.Exit(0 if verdict.accepted else 1)


@app.command()
def trust(
    manifests: Manifests,
    root: Root = None,
    out: Annotated[Path | None, typer.Option(help="Where to write it. Default: standard output.")] = None,
) -> None:
    """Write what to pin of a cluster from its signed manifests, once you have them from somebody you believe.

    Example: nsl enclave trust --manifest .state/cluster/manifest --root .state/cluster/simulation/root.der
    """
    from msgspec.json import encode

    from nsl.adapters.enclave.trust import read_constitution
    from nsl_protocol.attestation.trust import INTEL_ROOT, PinnedTrust
    from nsl_protocol.cluster.manifest import Program

    with explained():
        constitution = read_constitution(manifests)
        measured = [each.mrenclave or each.mrtd for each in constitution.present.programs[Program.KME]]
        roots = tuple(each.certificate.hex() if each.certificate else INTEL_ROOT for each in anchors(root))
        pinned = PinnedTrust(constitution.cluster.hex(), tuple(each for each in measured if each), roots)
        if not pinned.measurements:
            fail("The manifest lists enclaves by their signer alone: pin the measurements that you have seen yourself.")
        if out is None:
            show_json(pinned)
        else:
            out.write_bytes(encode(pinned) + b"\n")


@app.command()
def status(addresses: Addresses, as_json: AsJson = False) -> None:
    """Ask replicas directly what they say of themselves; nothing of it is verified.

    Example: nsl enclave status --address 10.0.0.1:9101 --address 10.0.0.2:9101
    """
    columns = {
        "ADDRESS": "address", "PHASE": "phase", "EPOCH": "epoch", "MANIFEST": "manifest_version", "SEAL": "seal",
        "REGISTER": "register", "LEASE SECONDS": "lease_seconds", "MODE": "mode", "MEASUREMENT": "measurement",
        "ERROR": "error",
    }  # fmt: skip
    with explained():
        found = run(_statuses(addresses))
        show_list(found, columns, as_json=as_json)
        for each in found:
            if each.get("register") is not None and each["lease_seconds"] is None and each["phase"] == "ready":
                typer.echo(f"{each['address']} is its cluster's only member: {ALONE}.", err=True)


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
        not_there(out)
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
        not_there(out)
        show_json({"sha256": Identity.make(out).fingerprint})


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
            async with visiting(address, None) as replica:
                answer = await replica.ask(ManifestApplied, ApplyManifest(file.read_bytes()))
                done.append({"address": address, "version": answer.version})
        return done

    with explained():
        show_list(run(work()), {"ADDRESS": "address", "VERSION": "version"}, as_json=as_json)


async def _statuses(addresses: list[str]) -> list[dict[str, Any]]:
    from msgspec import to_builtins

    from nsl.adapters.enclave import EnclaveDown
    from nsl_protocol.enclave.messages import GetStatus, Status

    async def one(address: str) -> dict[str, Any]:
        try:
            async with visiting(address, None) as replica:
                found = await replica.ask(Status, GetStatus())
        except EnclaveDown as error:
            return {"address": address, "error": error.detail}
        fields = {name: getattr(found, name) for name in found.__struct_fields__} | {"cluster": found.cluster.hex()}
        return {"address": address, **to_builtins(fields)}

    return list(await asyncio.gather(*map(one, addresses)))
