"""What custodians and operators do with the key cluster: ask, approve, make the root, join, recover, replace it."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nsl.cli.connection import AsJson
from nsl.cli.enclave_connection import (
    Address,
    CustodianFiles,
    Manifests,
    Packages,
    PccsUrl,
    Root,
    not_there,
    run,
    trust_in,
    visiting,
)
from nsl.cli.output import explained, fail, show_record
from nsl_protocol.cluster.custody import Act

if TYPE_CHECKING:
    from nsl.cli.custodian import RegisterFile
    from nsl_protocol.enclave.agreement import Certificate

root_app = typer.Typer(no_args_is_help=True, help="The cluster's root: replace it.")

OwnFiles = Annotated[
    list[Path] | None,
    typer.Option("--custodian", help="A custodian's key file, where it is here; may be given more than once."),
]
Register = Annotated[
    Path | None,
    typer.Option("--register", help="What `nsl enclave register` wrote: the keys that are gone on with."),
]
Approvals = Annotated[
    list[Path] | None,
    typer.Option("--approval", help="What `nsl enclave approve` wrote; may be given more than once."),
]


def request(
    act: Annotated[Act, typer.Argument(help="bootstrap, rotate, retire or proceed.")],
    address: Address,
    manifests: Manifests,
    out: Annotated[Path, typer.Option(help="Where to write the request, for the custodians.")],
    register: Register = None,
    root: Root = None,
    pccs: PccsUrl = None,
) -> None:
    """Ask a replica for the fresh quote that custodians approve an act by. It counts until the replica restarts.

    Example: nsl enclave request bootstrap --address 10.0.0.1:9101 --manifest manifest --out request.json
    """
    from msgspec.json import encode

    from nsl.cli.custodian import ask_custodians, read_register

    if act is Act.RECOVER:
        fail("A recovery takes no approvals: each custodian hands over his share with `nsl enclave recover`.")
    if act is Act.UNFREEZE:
        fail("A freeze is ended through the layer: `nsl enclave request-unfreeze` writes what custodians approve.")

    async def work() -> bytes:
        async with visiting(address, trust_in(manifests, root, pccs)) as replica:
            return encode(await ask_custodians(replica, act, read_register(register)))

    with explained():
        out.write_bytes(run(work()))


def approve(
    file: Annotated[Path, typer.Argument(help="The request.")],
    custodian: Annotated[Path, typer.Option(help="Your key file.")],
    manifests: Manifests,
    out: Annotated[Path, typer.Option(help="Where to write your approval.")],
    root: Root = None,
    as_json: AsJson = False,
) -> None:
    """Verify the quote of a request by your own manifest, on your own machine, and put your name to it.

    Before you approve to proceed, look at the change that it goes on from (``register``): what was agreed on after it,
    as `nsl enclave status` of the other replicas may say, is given up.

    Example: nsl enclave approve request.json --custodian ada.json --manifest manifest --out ada-approves.json
    """
    from msgspec.json import encode

    from nsl.cli.custodian import CustodianKeys, Question, read_file
    from nsl.cli.custodian import approve as sign

    with explained():
        question = read_file(Question, file)
        given = run(sign(question, trust_in(manifests, root, None), CustodianKeys.read(custodian)))
        out.write_bytes(encode(given))
        shown = {"act": given.act, "custodian": given.custodian, "digest": given.digest}
        show_record(shown | _summary(given.register), as_json=as_json)


def bootstrap(
    address: Address,
    manifests: Manifests,
    packages: Packages,
    custodians: OwnFiles = None,
    approvals: Approvals = None,
    root: Root = None,
    pccs: PccsUrl = None,
    as_json: AsJson = False,
) -> None:
    """Make the cluster's root, once: custodians have approved the fresh quote of the first replica.

    The packages are the custodians' shares of the root, each encrypted to its custodian. Keep that file.

    Example: nsl enclave bootstrap --address 10.0.0.1:9101 --approval ada-approves.json --approval ben-approves.json
    --manifest manifest --packages packages.json
    """
    from nsl.cli.custodian import approved, write_packages
    from nsl.cli.custodian import bootstrap as make_root

    async def work() -> dict[str, Any]:
        async with visiting(address, trust_in(manifests, root, pccs)) as replica:
            found = await make_root(replica, await approved(replica, Act.BOOTSTRAP, custodians, approvals))
            write_packages(packages, found.packages)
            return {"epoch": found.epoch, "packages": str(packages)}

    with explained():
        not_there(packages)
        show_record(run(work()), as_json=as_json)


def packages(address: Address, out: Annotated[Path, typer.Option(help="Where to write them; mode 0600.")]) -> None:
    """Fetch the custodians' packages once more, from the replica that made them: a command may have been cut off.

    Example: nsl enclave packages --address 10.0.0.1:9101 --out packages.json
    """
    from nsl.cli.custodian import packages as fetch
    from nsl.cli.custodian import write_packages

    async def work() -> dict[str, bytes]:
        async with visiting(address, None) as replica:
            return (await fetch(replica)).packages

    with explained():
        not_there(out)
        found = run(work())
        if not found:
            fail("This replica has joined and has no packages: ask the one that made, recovered or rotated the root.")
        write_packages(out, found)


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
        trust = trust_in(manifests, root, pccs)
        async with visiting(member, trust) as giving, visiting(address, trust) as taking:
            return {"epoch": (await carry(giving, taking)).epoch}

    with explained():
        show_record(run(work()), as_json=as_json)


def register(
    out: Annotated[Path, typer.Option(help="Where to write it, for the custodians.")], as_json: AsJson = False
) -> None:
    """Write down how far the database's register of keys is: what custodians accept when they recover or proceed.

    The database is that of NSL_DATABASE_URL.

    Example: nsl enclave register --out register.json
    """
    from msgspec.json import encode

    from nsl.adapters.enclave import PostgresRegister
    from nsl.cli.custodian import RegisterFile
    from nsl.kit.db import Database
    from nsl.settings import needed

    async def work() -> "Certificate | None":
        url = needed(os.environ.get("NSL_DATABASE_URL"), "NSL_DATABASE_URL")
        async with Database(url, connections_max=1) as database:
            return (await PostgresRegister(database).kept()).certificate

    with explained():
        certificate = run(work())
        if certificate is None:
            fail("No key was ever made by this database: recover without --register.")
        found = RegisterFile.of(certificate)
        out.write_bytes(encode(found))
        show_record(_summary(found), as_json=as_json)


def proceed(
    address: Address,
    manifests: Manifests,
    custodians: OwnFiles = None,
    approvals: Approvals = None,
    register: Register = None,
    root: Root = None,
    pccs: PccsUrl = None,
    as_json: AsJson = False,
) -> None:
    """Go on with one replica alone, from the database's register of keys: custodians accept what is not in it.

    For when too few replicas are left to agree on changes, or the database is older than what was agreed. A new epoch
    begins; the others have to join again. They may go on signing for ``fenced_after_seconds`` at most.

    Example: nsl enclave proceed --address 10.0.0.3:9101 --manifest manifest --approval ada-approves.json
    --approval ben-approves.json
    """
    from nsl.cli.custodian import approved, read_register
    from nsl.cli.custodian import proceed as go_on

    async def work() -> dict[str, Any]:
        async with visiting(address, trust_in(manifests, root, pccs)) as replica:
            by = await approved(replica, Act.PROCEED, custodians, approvals, read_register(register))
            done = await go_on(replica, by)
            return {"epoch": done.epoch, "register": done.number, "fenced_after_seconds": done.fenced_after_seconds}

    with explained():
        show_record(run(work()), as_json=as_json)


def recover(
    address: Address,
    custodians: CustodianFiles,
    manifests: Manifests,
    packages: Packages,
    register: Register = None,
    root: Root = None,
    pccs: PccsUrl = None,
    as_json: AsJson = False,
) -> None:
    """When all replicas are gone: hand your share to a fresh one, after it has proven itself to you.

    With enough shares the root is back, in a new epoch; then the packages file holds new packages. All custodians give
    the same --register, and accept with it what the database may have lost.

    Example: nsl enclave recover --address 10.0.0.1:9101 --custodian ada.json --manifest manifest
    --packages packages.json --register register.json
    """
    from nsl.cli.custodian import CustodianKeys, RegisterFile, read_packages, read_register, write_packages
    from nsl.cli.custodian import recover as hand_over
    from nsl_protocol.enclave.membership import Founded

    async def work() -> dict[str, Any]:
        found, taken, needed = read_packages(packages), 0, 0
        kept = read_register(register)
        async with visiting(address, trust_in(manifests, root, pccs)) as replica:
            for keys in map(CustodianKeys.read, custodians):
                if keys.name not in found:
                    fail(f"{packages} holds no package of {keys.name}.")
                answer = await hand_over(replica, keys, found[keys.name], None if kept is None else kept.opened)
                if isinstance(answer, Founded):
                    write_packages(packages, answer.packages)
                    done = {"recovered": True, "epoch": answer.epoch, "packages": str(packages)}
                    return done | _summary(RegisterFile.of(answer.certificate))
                taken, needed = answer.taken, answer.needed
        return {"recovered": False, "shares": taken, "needed": needed}

    with explained():
        show_record(run(work()), as_json=as_json)


def _summary(file: "RegisterFile | None") -> dict[str, Any]:
    if file is None:
        return {}
    head = file.opened.head
    members = [member.hex() for member in head.members]
    return {"register": head.number, "register_epoch": head.epoch, "members": members, "root": head.root.hex()}


@root_app.command("rotate")
def rotate_root(
    packages: Packages,
    custodians: OwnFiles = None,
    approvals: Approvals = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a rotation that was interrupted.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make another root, share it, let the other replicas join again, and wrap everything anew under it.

    Settings come from the environment as for `nsl serve`, and NSL_DATABASE_OWNER_URL besides. Signing goes on. Both
    roots open what they wrapped until `nsl enclave root retire`.

    Example: nsl enclave root rotate --approval ada-approves.json --approval ben-approves.json --packages packages.json
    """
    from nsl.cli.rotation import Rotation

    with explained():
        done = Rotation.from_environment(packages).rotate(custodians, approvals, resume=resume)
        show_record(run(done), as_json=as_json)


@root_app.command("retire")
def retire_roots(
    packages: Packages, custodians: OwnFiles = None, approvals: Approvals = None, as_json: AsJson = False
) -> None:
    """Forget the roots of before, after everything was wrapped anew; it looks whether that is so.

    Example: nsl enclave root retire --approval ada-approves.json --approval ben-approves.json --packages packages.json
    """
    from nsl.cli.rotation import Rotation

    with explained():
        done = Rotation.from_environment(packages).retire(custodians, approvals)
        show_record(run(done), as_json=as_json)
