"""What custodians and operators do with the key cluster: ask, approve, make the root, join, recover, replace it."""

from pathlib import Path
from typing import Annotated, Any

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

root_app = typer.Typer(no_args_is_help=True, help="The cluster's root: replace it.")

OwnFiles = Annotated[
    list[Path] | None,
    typer.Option("--custodian", help="A custodian's key file, where it is here; may be given more than once."),
]
Approvals = Annotated[
    list[Path] | None,
    typer.Option("--approval", help="What `nsl enclave approve` wrote; may be given more than once."),
]


def request(
    act: Annotated[Act, typer.Argument(help="bootstrap, rotate or retire.")],
    address: Address,
    manifests: Manifests,
    out: Annotated[Path, typer.Option(help="Where to write the request, for the custodians.")],
    root: Root = None,
    pccs: PccsUrl = None,
) -> None:
    """Ask a replica for the fresh quote that custodians approve an act by. It counts until the replica restarts.

    Example: nsl enclave request bootstrap --address 10.0.0.1:9101 --manifest manifest --out request.json
    """
    from msgspec.json import encode

    from nsl.cli.custodian import ask_custodians

    if act is Act.RECOVER:
        fail("A recovery takes no approvals: each custodian hands over his share with `nsl enclave recover`.")

    async def work() -> bytes:
        async with visiting(address, trust_in(manifests, root, pccs)) as replica:
            return encode(await ask_custodians(replica, act))

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

    Example: nsl enclave approve request.json --custodian ada.json --manifest manifest --out ada-approves.json
    """
    from msgspec.json import encode

    from nsl.cli.custodian import CustodianKeys, Question, read_file
    from nsl.cli.custodian import approve as sign

    with explained():
        question = read_file(Question, file)
        given = run(sign(question, trust_in(manifests, root, None), CustodianKeys.read(custodian)))
        out.write_bytes(encode(given))
        show_record(given, as_json=as_json)


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
        async with visiting(address, trust_in(manifests, root, pccs)) as replica:
            for keys in map(CustodianKeys.read, custodians):
                if keys.name not in found:
                    fail(f"{packages} holds no package of {keys.name}.")
                answer = await hand_over(replica, keys, found[keys.name])
                if isinstance(answer, Founded):
                    write_packages(packages, answer.packages)
                    return {"recovered": True, "epoch": answer.epoch, "packages": str(packages)}
                taken, needed = answer.taken, answer.needed
        return {"recovered": False, "shares": taken, "needed": needed}

    with explained():
        show_record(run(work()), as_json=as_json)


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
