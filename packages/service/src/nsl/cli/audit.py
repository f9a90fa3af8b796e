"""``nsl audit``: the log of what was done, and what proves it; and ``nsl verify``, which asks nobody."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from nsl.cli.connection import AsJson, Credentials, connect
from nsl.cli.output import explained, fail, show_json, show_list, show_record

app = typer.Typer(no_args_is_help=True, help="The audit log: heads, records, proofs and receipts.")


def verify(
    receipt: Annotated[Path, typer.Argument(help="A receipt, as `nsl audit receipt` writes it.")],
    trust: Annotated[
        Path | None, typer.Option(help="What you trust, as JSON: cluster, measurements, roots, log_key, witnesses.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check a receipt offline, step by step. Exit status 0 only if every step holds against what you have pinned.

    Without --trust each step that needs it is `unanchored`: the receipt agrees with itself, which anyone's would.

    Example: nsl verify receipt.json --trust .state/trust.json
    """
    from nsl_client.receipts import PinnedTrust, holds, read_receipt, read_trust, verify_receipt
    from nsl_protocol.errors import CodecError

    try:
        pinned = PinnedTrust() if trust is None else read_trust(trust.read_bytes())
        steps = verify_receipt(read_receipt(receipt.read_bytes()), pinned)
    except (CodecError, OSError) as error:
        fail(str(error))
    held = holds(steps)
    rows = [{"step": step.name, "verdict": step.verdict.value, "detail": step.detail} for step in steps]
    if as_json:
        show_json({"holds": held, "steps": rows})
    else:
        show_list(rows, {"step": "step", "verdict": "verdict", "detail": "detail"}, as_json=False)
    raise typer.Exit(0 if held else 1)


@app.command()
def head(
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Show the newest head: how many leaves the log has, the root, and the signed checkpoint.

    Example: nsl audit head
    """
    with explained(), connect(credentials) as client:
        show_record(client.audit.tree_head(), as_json=as_json)


@app.command()
def records(
    action: Annotated[str | None, typer.Option(help="Only this, such as key.disabled.")] = None,
    actor: Annotated[str | None, typer.Option(help="Only by this client or person.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest first.")] = 50,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """List what was done in the tenant, newest first.

    Example: nsl audit records --action key.disabled --json
    """
    from itertools import islice

    with explained(), connect(credentials) as client:
        found = list(islice(client.every(client.audit.records, action=action, actor=actor), limit))
        columns = {"at": "at", "action": "action", "actor": "actor", "target": "target", "id": "id"}
        show_list(found, columns, as_json=as_json)


@app.command()
def proof(
    record: Annotated[str, typer.Argument(help="The record's id.")],
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Fetch the proof that a record stands in the log, and check it against the head that comes with it.

    Example: nsl audit proof 01a20b33-9605-7998-9ab5-7953b4ad4eba
    """
    from nsl_protocol.audit.heads import parse_signed_head
    from nsl_protocol.audit.merkle import leaf_hash
    from nsl_protocol.audit.proofs import verify_inclusion
    from nsl_protocol.errors import CodecError

    with explained(), connect(credentials) as client:
        found = client.audit.proof(record)
        try:
            root = parse_signed_head(found.checkpoint).head.root
            hashes = [bytes.fromhex(each) for each in found.proof]
            verify_inclusion(leaf_hash(found.leaf.encode()), found.index, found.size, hashes, root)
        except (CodecError, ValueError) as error:
            fail(f"The proof does not hold: {error}")
        show_record(found, as_json=as_json)


@app.command()
def receipt(
    identifier: Annotated[str, typer.Argument(metavar="ID", help="receipt_id of a signature, or a transaction's id.")],
    out: Annotated[Path | None, typer.Option(help="Where to write it. Default: standard output.")] = None,
    credentials: Credentials = None,
) -> None:
    """Fetch everything that shows a signature or transaction, as one JSON document for `nsl verify`.

    Example: nsl audit receipt 01a20b33-9605-7998-9ab5-7953b4ad4eba --out receipt.json
    """
    import msgspec

    with explained(), connect(credentials) as client:
        document = msgspec.json.encode(client.audit.receipt(identifier))
        if out is None:
            sys.stdout.write(document.decode() + "\n")
        else:
            out.write_bytes(document)


@app.command()
def export(
    out: Annotated[Path | None, typer.Option(help="Where to write it. Default: standard output.")] = None,
    first: Annotated[int, typer.Option(min=0, help="Index of the first leaf.")] = 0,
    credentials: Credentials = None,
) -> None:
    """Write the log itself as JSON Lines, one leaf a line, of all tenants: for the platform's auditors.

    Example: nsl audit export --out log.jsonl
    """
    with explained(), connect(credentials) as client:
        stream = sys.stdout if out is None else out.open("w", encoding="utf-8")
        try:
            cursor: str | None = str(first)
            while cursor is not None:
                page = client.audit.leaves(limit=1000, cursor=cursor)
                stream.writelines(
                    json.dumps({"index": each.index, "leaf": json.loads(each.leaf)}) + "\n" for each in page.items
                )
                cursor = page.next_cursor
        finally:
            if out is not None:
                stream.close()


@app.command()
def consistency(
    former: Annotated[int, typer.Argument(min=0, metavar="FROM", help="How many leaves the smaller head has.")],
    size: Annotated[int, typer.Argument(min=0, metavar="TO", help="And the larger one.")],
    out: Annotated[Path | None, typer.Option(help="Where to write it. Default: standard output.")] = None,
    credentials: Credentials = None,
) -> None:
    """Fetch the proof that the log of FROM leaves is the beginning of that of TO, for `nsl audit compare`.

    Example: nsl audit consistency 15 20 --out proof.json
    """
    import msgspec

    with explained(), connect(credentials) as client:
        document = msgspec.json.encode(client.audit.consistency(former, size)).decode() + "\n"
        if out is None:
            sys.stdout.write(document)
        else:
            out.write_text(document, encoding="utf-8")


@app.command()
def compare(
    heads: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Receipts, or `nsl audit head --json`.")],
    log: Annotated[list[str], typer.Option(help="ORIGIN=KEY, hex: from the enclave's evidence. Repeat it per key.")],
    proof: Annotated[
        list[Path] | None, typer.Option(help="As `nsl audit consistency` writes it. May be repeated.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare what different clients were given, offline: was each shown the same history?

    Heads of one size agree or contradict each other; of different sizes a proof tells, and without one it is unknown.
    Exit status 0 only if all agree.

    Example: nsl audit compare mine.json theirs.json --log ORIGIN=KEY --proof proof.json
    """
    from nsl.cli.heads import Agreement, compared, read_proofs
    from nsl.cli.witness import logs_of

    with explained():
        found = compared(heads, logs_of(log), read_proofs(proof or []))
    agree = all(each.verdict is Agreement.AGREE for each in found)
    if as_json:
        show_json({"agree": agree, "compared": found})
    else:
        show_list(found, {"one": "one", "other": "other", "sizes": "sizes", "verdict": "verdict"}, as_json=False)
    raise typer.Exit(0 if agree else 1)


@app.command()
def monitor(
    *,
    log: Annotated[list[str], typer.Option(help="ORIGIN=KEY, hex: from the enclave's evidence. Repeat it per key.")],
    state: Annotated[Path, typer.Option(help="Where the monitor keeps what it has seen.")],
    witness: Annotated[list[str] | None, typer.Option(help="Address of a witness to compare with.")] = None,
    compare: Annotated[list[Path] | None, typer.Option(help="A receipt or head that another client was given.")] = None,
    evidence: Annotated[Path | None, typer.Option(help="A folder for the signed heads that contradict.")] = None,
    n3: Annotated[str | None, typer.Option(help="Compare with anchors on mainnet, testnet or MAGIC@URL.")] = None,
    from_height: Annotated[int | None, typer.Option(min=0, help="The block that the first look begins at.")] = None,
    anchored_within_seconds: Annotated[int, typer.Option(min=1, help="How long the log may grow unanchored.")] = 7200,
    once: Annotated[bool, typer.Option("--once", help="Look once, and end: status 1 if anything is wrong.")] = False,
    interval_seconds: Annotated[float, typer.Option(min=1, help="Between two looks.")] = 30.0,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Follow the audit log, its witnesses and anchors; report what cannot be true of one history.

    Run it where those who run the layer cannot reach it.

    Exit status 1 if anything is wrong; with --once also if a witness or a head could not be compared with.

    Example: nsl audit monitor --log ORIGIN=KEY --state monitor.json --witness http://127.0.0.1:8400 --once
    """
    import asyncio

    from nsl.cli.anchoring import ChainReader, N3Network
    from nsl.cli.heads import keep_evidence
    from nsl.cli.monitor import Anchors, Monitor
    from nsl.cli.witness import logs_of
    from nsl.kit.clock import pause

    with explained(), connect(credentials) as client:
        anchors = None
        if n3 is not None:
            anchors = Anchors(ChainReader(N3Network.parse(n3), from_height), anchored_within_seconds)
        following = Monitor(client, logs_of(log), witness or [], state, compare or [], anchors)
        while True:
            look = following.look()
            keep_evidence((note for finding in look.findings for note in finding.heads), evidence)
            record = {
                "read": following.seen.read,
                "lost": following.seen.lost,
                "anchored": following.seen.anchored,
                "wrong": look.findings,
                "unsure": look.unsure,
            }
            if as_json or once or look.findings or look.unsure:
                show_record(record, as_json=as_json)
            if look.findings or once:
                raise typer.Exit(1 if look.findings or look.unsure else 0)
            asyncio.run(pause(interval_seconds))


@app.command("witness-key")
def witness_key(
    name: Annotated[str, typer.Argument(help="The witness' name, such as a domain of yours.")],
    out: Annotated[Path, typer.Option(help="Where to keep the key, mode 0600.")],
    as_json: AsJson = False,
) -> None:
    """Make a witness' key, and print what others verify its cosignatures by.

    Example: nsl audit witness-key witness.example --out witness.key
    """
    from nsl.cli.witness import WitnessKey

    with explained():
        made = WitnessKey.make(name, out)
        show_record({"name": name, "verifier_key": made.public.text}, as_json=as_json)


@app.command()
def witness(
    key: Annotated[Path, typer.Option(help="As `nsl audit witness-key` made it.")],
    log: Annotated[list[str], typer.Option(help="ORIGIN=KEY of a log to follow, the key in hex. May be repeated.")],
    state: Annotated[Path, typer.Option(help="Where it keeps what it has cosigned: never lose it.")],
    listen: Annotated[str, typer.Option(help="HOST:PORT.")] = "127.0.0.1:8400",
    evidence: Annotated[Path | None, typer.Option(help="A folder for signed heads that contradict each other.")] = None,
    metrics_port: Annotated[int | None, typer.Option(help="/metrics for Prometheus, on the loopback address.")] = None,
) -> None:
    """Be a witness: cosign heads of a log as long as each continues the last. Run it apart from the layer.

    Speaks c2sp.org/tlog-witness. Example: nsl audit witness --key witness.key --log ORIGIN=KEY --state witness.json
    """
    import uvicorn

    from nsl.cli.witness import WitnessApplication, WitnessKey, alone_with, logs_of
    from nsl.kit.telemetry import configure_logs, serve_metrics

    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal():
        fail(f"--listen is HOST:PORT, not {listen!r}.")
    configure_logs("warning")
    with explained(), alone_with(state):
        application = WitnessApplication(WitnessKey.read(key), logs_of(log), state, evidence)
        if metrics_port is not None:
            serve_metrics(metrics_port, "127.0.0.1")
        uvicorn.run(application, host=host, port=int(port), log_level="warning", lifespan="off", access_log=False)


@app.command("anchor-key")
def anchor_key(
    out: Annotated[Path, typer.Option(help="Where to keep the key, mode 0600.")],
    as_json: AsJson = False,
) -> None:
    """Make the key of an account that pays for anchors, and print the address to send some GAS to.

    Example: nsl audit anchor-key --out anchor.key
    """
    from nsl.cli.anchoring import make_key

    with explained():
        show_record({"address": make_key(out)}, as_json=as_json)


@app.command()
def anchor(
    key: Annotated[Path, typer.Option(help="As `nsl audit anchor-key` made it.")],
    log: Annotated[list[str], typer.Option(help="ORIGIN=KEY, hex: from the enclave's evidence. Repeat it per key.")],
    witness: Annotated[str, typer.Option(help="Address of a witness, whose newest head is anchored.")],
    n3: Annotated[str, typer.Option(help="mainnet, testnet or MAGIC@URL.")],
    state: Annotated[Path, typer.Option(help="Where it keeps what it has sent.")],
    interval_seconds: Annotated[float, typer.Option(min=1, help="Between two anchors.")] = 3600.0,
    once: Annotated[bool, typer.Option("--once", help="Anchor the newest head, wait for its block, and end.")] = False,
    metrics_port: Annotated[int | None, typer.Option(help="/metrics for Prometheus, on the loopback address.")] = None,
    as_json: AsJson = False,
) -> None:
    """Put heads of the audit log on Neo N3, where nobody can show two of them. Run it apart from the layer.

    Example: nsl audit anchor --key anchor.key --log ORIGIN=KEY --witness http://127.0.0.1:8400 --n3 testnet
    --state anchor.json
    """
    import asyncio

    from nsl.cli.anchoring import Anchorer, N3Network, anchor_once, keep_anchoring, read_key
    from nsl.cli.witness import alone_with, logs_of
    from nsl.kit.telemetry import configure_logs, serve_metrics

    async def work(private: bytes, network: N3Network) -> None:
        async with network.chain() as chain:
            anchorer = Anchorer(chain, private, logs_of(log), witness, state)
            if not once:
                await keep_anchoring(anchorer, interval_seconds)
            await anchor_once(anchorer)
            kept = anchorer.kept
            show_record({"transaction": kept.transaction, "checkpoint": kept.note}, as_json=as_json)

    configure_logs("info" if not once else "warning")
    with explained(), alone_with(state):
        if metrics_port is not None:
            serve_metrics(metrics_port, "127.0.0.1")
        asyncio.run(work(read_key(key), N3Network.parse(n3)))
