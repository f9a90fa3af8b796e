"""``nsl enclave`` for the emergency stop of the whole cluster, and for its end."""

from pathlib import Path
from typing import Annotated

import typer
from msgspec import Struct

from nsl.cli.connection import AsJson, Credentials, connect
from nsl.cli.enclave_connection import Manifests
from nsl.cli.output import explained, fail, show_record
from nsl_client import FreezeName

HOURS = 24


class ThawRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """What custodians are asked to put their names to: the end of one freeze, until then (Unix seconds). A file."""

    cluster: str
    freeze: FreezeName
    expires_at: int


class ThawApproval(Struct, frozen=True, forbid_unknown_fields=True):
    """One custodian's answer. A file."""

    request: ThawRequest
    custodian: str
    signature: str


def freeze(
    cluster: Annotated[
        str | None, typer.Option(help="Its id in hex. Default: that of the layer, after a question.")
    ] = None,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Stop every key of every tenant at once: nothing is signed, decrypted or exported until custodians end it.

    The enclaves keep to it, over restarts and older databases. It takes the scope platform:admin.

    Example: nsl enclave freeze --cluster "$(nsl enclave freeze-status --json | jq -r .cluster)"
    """
    with explained(), connect(credentials) as client:
        named = cluster or client.enclaves.cluster_freeze().cluster
        if cluster is None:
            typer.confirm(f"Stop every key of cluster {named}? Only its custodians can end that.", abort=True)
        show_record(client.enclaves.freeze_cluster(named), as_json=as_json)


def freeze_status(credentials: Credentials = None, as_json: AsJson = False) -> None:
    """Whether the whole cluster is frozen, and since when.

    Example: nsl enclave freeze-status
    """
    with explained(), connect(credentials) as client:
        show_record(client.enclaves.cluster_freeze(), as_json=as_json)


def request_unfreeze(
    out: Annotated[Path, typer.Option(help="Where to write the request, for the custodians.")],
    hours: Annotated[int, typer.Option(min=1, max=720, help="For so long their approvals count.")] = HOURS,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Write down what custodians approve to end the freeze that holds now.

    Example: nsl enclave request-unfreeze --out unfreeze.json
    """
    from msgspec.json import encode

    from nsl.kit.clock import unix_seconds

    with explained(), connect(credentials) as client:
        found = client.enclaves.cluster_freeze()
        if found.freeze is None:
            fail(f"Cluster {found.cluster} is not frozen.")
        request = ThawRequest(found.cluster, found.freeze, int(unix_seconds()) + hours * 3600)
        out.write_bytes(encode(request))
        show_record(request, as_json=as_json)


def approve_unfreeze(
    file: Annotated[Path, typer.Argument(help="The request.")],
    custodian: Annotated[Path, typer.Option(help="Your key file.")],
    manifests: Manifests,
    out: Annotated[Path, typer.Option(help="Where to write your approval.")],
    as_json: AsJson = False,
) -> None:
    """Put your name, on your own machine, to the end of a freeze of the cluster of your manifest.

    Example: nsl enclave approve-unfreeze unfreeze.json --custodian ada.json --manifest manifest --out ada-approves.json
    """
    from msgspec.json import encode

    from nsl.adapters.enclave.trust import read_constitution
    from nsl.cli.custodian import CustodianKeys, read_file
    from nsl_protocol.cluster.custody import Act, thaw_digest

    with explained():
        request, keys = read_file(ThawRequest, file), CustodianKeys.read(custodian)
        cluster = read_constitution(manifests).cluster
        if request.cluster != cluster.hex():
            fail(f"The request is of cluster {request.cluster}, your manifest of {cluster.hex()}.")
        frozen = request.freeze
        digest = thaw_digest(frozen.epoch, frozen.number, frozen.at, request.expires_at)
        approval = ThawApproval(request, keys.name, keys.approve(Act.UNFREEZE, cluster, digest).hex())
        out.write_bytes(encode(approval))
        show_record(approval, as_json=as_json)


def unfreeze(
    approvals: Annotated[
        list[Path], typer.Option("--approval", help="A custodian's approval; as many as make a root.")
    ],
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """End a freeze of the whole cluster, with the approvals of its custodians.

    Example: nsl enclave unfreeze --approval ada-approves.json --approval ben-approves.json
    """
    from nsl.cli.custodian import read_file

    with explained(), connect(credentials) as client:
        given = [read_file(ThawApproval, each) for each in approvals]
        request = given[0].request
        if any(each.request != request for each in given):
            fail("Give approvals of one and the same request.")
        signatures = {each.custodian: each.signature for each in given}
        found = client.enclaves.unfreeze_cluster(request.freeze, expires_at=request.expires_at, approvals=signatures)
        show_record(found, as_json=as_json)
