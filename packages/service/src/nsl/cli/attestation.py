"""``nsl attestation``: quotes verified on this machine, without asking the layer."""

import base64
import binascii
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nsl.cli.connection import AsJson
from nsl.cli.output import explained, fail, show_json, show_record

if TYPE_CHECKING:
    from nsl_protocol.attestation.policy import Policy
    from nsl_protocol.attestation.verify import Collateral, TrustAnchor

app = typer.Typer(no_args_is_help=True, help="Verify SGX and TDX quotes, offline: the same code as in the enclaves.")

Root = Annotated[
    list[Path] | None,
    typer.Option("--root", help="A private root to trust besides Intel's (DER or PEM), as a simulation has one."),
]


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="A quote (binary, base64 or hex), or an RA-TLS certificate.")],
    collateral: Annotated[Path | None, typer.Option(help="Its collateral, as JSON.")] = None,
    pccs: Annotated[str | None, typer.Option(help="Where to ask for collateral when there is no file.")] = None,
    at: Annotated[datetime | None, typer.Option(help="As of when (UTC), such as 2026-01-31. Default: now.")] = None,
    policy: Annotated[Path | None, typer.Option(help="Policy as JSON. Default: any enclave, TCB up to date.")] = None,
    report_data: Annotated[str | None, typer.Option(help="The 64 bytes (hex) that it must be bound to.")] = None,
    root: Root = None,
    as_json: AsJson = False,
) -> None:
    """Say whether a quote is genuine and acceptable, and every reason if it is not. Exit status 1 if it is not.

    Example: nsl attestation verify quote.bin --collateral collateral.json --at 2026-01-31 --policy policy.json
    """
    from nsl.kit.clock import now
    from nsl_protocol.attestation.policy import judge
    from nsl_protocol.attestation.report import VerdictReport
    from nsl_protocol.errors import CodecError

    with explained():
        try:
            raw = _quote(file)
            moment = int((at.replace(tzinfo=UTC) if at else now()).timestamp())
            bound = None if report_data is None else bytes.fromhex(report_data)
            found = _collateral(collateral, pccs, raw)
            verdict = judge(raw, found, moment, _anchors(root), _policy(policy), bound)
        except (CodecError, ValueError, OSError) as error:
            fail(str(error))
        show_record(VerdictReport.of(verdict), as_json=as_json)
    raise typer.Exit(0 if verdict.accepted else 1)


@app.command("check-cases")
def check_cases(
    manifest: Annotated[Path, typer.Argument(help="MANIFEST.json; its files are beside it.")],
    as_json: AsJson = False,
) -> None:
    """Run a manifest of quotes with expected outcomes through stage one (signatures, certificates, TCB level).

    The last line sums up. Exit status 0 only if every case came out as expected.

    Example: nsl attestation check-cases attestation/MANIFEST.json --json
    """
    from nsl.cli.attestation_cases import run_cases
    from nsl_protocol.errors import CodecError

    with explained():
        try:
            wrong, count = [], 0
            for outcome in run_cases(manifest):
                count += 1
                if outcome.got != outcome.expected:
                    wrong.append({"case": outcome.case, "expected": outcome.expected, "got": outcome.got})
                if not as_json:
                    mark = "ok   " if outcome.got == outcome.expected else "WRONG"
                    typer.echo(f"{mark} {outcome.case}: {outcome.got}")
        except (CodecError, ValueError, OSError) as error:
            fail(str(error))
        show_json({"cases": count, "as_expected": count - len(wrong), "wrong": wrong})
    raise typer.Exit(1 if wrong else 0)


@app.command("ias-report")
def ias_report(
    report: Annotated[Path, typer.Argument(help="The report's body, byte for byte.")],
    signature: Annotated[Path, typer.Option(help="X-IASReport-Signature.")],
    chain: Annotated[Path, typer.Option(help="X-IASReport-Signing-Certificate, as PEM.")],
    root: Annotated[Path, typer.Option(help="Intel SGX Attestation Report Signing CA, as PEM.")],
    as_json: AsJson = False,
) -> None:
    """Read an archived report of the Intel Attestation Service (EPID, ended 2 April 2025). For audits only.

    Example: nsl attestation ias-report body.json --signature sig.txt --chain chain.pem --root ias-root.pem
    """
    from nsl_protocol.attestation.ias import read_report
    from nsl_protocol.errors import CodecError

    with explained():
        try:
            parts = (path.read_bytes() for path in (report, signature, chain, root))
            found = read_report(*parts)
        except (CodecError, OSError) as error:
            fail(str(error))
        record = {
            "at": found.at,
            "status": found.status,
            "advisories": found.advisories,
            "mrenclave": found.identity.mrenclave.hex(),
            "mrsigner": found.identity.mrsigner.hex(),
            "isv_prod_id": found.identity.isv_prod_id,
            "isv_svn": found.identity.isv_svn,
            "debug": found.debug,
            "report_data": found.report_data.hex(),
            "root_sha256": found.root,
        }
        show_record(record, as_json=as_json)


def _quote(file: Path) -> bytes:
    """Binary, hex, base64, or from an RA-TLS certificate, whose key it must then be bound to."""
    from nsl_protocol.attestation.quote import parse_quote
    from nsl_protocol.attestation.ratls import parse_certificate
    from nsl_protocol.errors import CodecError

    data = file.read_bytes()
    if data.lstrip().startswith(b"-----BEGIN") or data[:2] == b"\x30\x82":
        certificate = parse_certificate(data)
        if not certificate.bound(parse_quote(certificate.quote).report_data):
            raise CodecError("carries a quote that is about another key", field="certificate")
        return certificate.quote
    text = b"".join(data.split())
    for decode in (binascii.unhexlify, partial(base64.b64decode, validate=True)):
        try:
            return decode(text)
        except ValueError:
            continue
    return data


def _collateral(file: Path | None, pccs: str | None, quote: bytes) -> "Collateral":
    import asyncio

    from nsl.adapters.pccs import Pccs
    from nsl.kit.telemetry import configure_logs
    from nsl_protocol.attestation.verify import Collateral

    if file is not None:
        return Collateral(file.read_bytes())
    if pccs is not None:
        configure_logs("error")
        return asyncio.run(Pccs(pccs).collateral(quote))
    return fail("A quote is verified against collateral: pass --collateral FILE, or --pccs URL to fetch it.")


def _anchors(roots: list[Path] | None) -> tuple["TrustAnchor", ...]:
    from asn1crypto import pem

    from nsl_protocol.attestation.verify import INTEL, TrustAnchor

    contents = [path.read_bytes() for path in roots or ()]
    return (INTEL, *(TrustAnchor(pem.unarmor(data)[2] if pem.detect(data) else data) for data in contents))


def _policy(file: Path | None) -> "Policy":
    import msgspec

    from nsl_protocol.attestation.policy import Policy

    return Policy() if file is None else msgspec.json.decode(file.read_bytes(), type=Policy)
