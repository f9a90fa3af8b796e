"""``nsl compliance``: personal data, legal holds, and reports on who could and who did."""

from pathlib import Path
from typing import Annotated

import typer

from nsl.cli.connection import AsJson, Credentials, connect
from nsl.cli.output import explained, show_list, show_record

app = typer.Typer(no_args_is_help=True, help="What auditors and data protection ask for: reports, reviews, erasure.")
PersonId = Annotated[str, typer.Argument(metavar="PERSON", help="The person's id, as GET /v1/users lists it.")]
Reason = Annotated[str, typer.Option(help="Why. It is kept: name nobody.")]


@app.command()
def inventory(credentials: Credentials = None, as_json: AsJson = False) -> None:
    """List where personal data is kept, and what erasing a person does to each field.

    account: goes with the account. deleted: goes with the person's place in the tenant. shredded: text and salt of the
    audit log are forgotten. expires: gone by itself after so many days. kept: a random id that then leads to nobody.

    Example: nsl compliance inventory
    """
    with explained(), connect(credentials) as client:
        found = client.compliance.inventory().items
        columns = {"table": "table", "fields": "fields", "erasure": "erasure", "days": "days"}
        show_list(found, columns, as_json=as_json)


@app.command()
def export(
    person: PersonId,
    out: Annotated[Path | None, typer.Option(help="Where to write it, mode 0600. Default: standard output.")] = None,
    credentials: Credentials = None,
) -> None:
    """Write everything about a person as JSON, to answer their access request. That you asked is recorded.

    Example: nsl compliance export PERSON --out person.json
    """
    import msgspec

    from nsl.kit.files import write_private

    with explained(), connect(credentials) as client:
        document = msgspec.json.format(msgspec.json.encode(client.compliance.export_person(person))).decode() + "\n"
        if out is None:
            typer.echo(document, nl=False)
        else:
            write_private(out, document)


@app.command()
def erase(
    person: PersonId,
    reason: Reason,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask first.")] = False,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Forget a person for good. The audit log still verifies; keys keep their records, which then lead to nobody.

    A legal hold stands against it. Backups of the database have the person until they expire.

    Example: nsl compliance erase PERSON --reason "request 12"
    """
    if not yes:
        typer.confirm(f"Nothing brings {person} back. Erase?", abort=True, err=True)
    with explained(), connect(credentials) as client:
        show_record(client.compliance.erase_person(person, reason), as_json=as_json)


@app.command()
def hold(
    reason: Reason,
    person: Annotated[
        str | None, typer.Option(help="Only what is about this person. Default: all of the tenant.")
    ] = None,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Set a legal hold: nothing that it is about is erased, neither on request nor by age, until it is lifted.

    Example: nsl compliance hold --reason "case 7" --person PERSON
    """
    with explained(), connect(credentials) as client:
        show_record(client.compliance.set_hold(reason, subject=person), as_json=as_json)


@app.command()
def holds(
    every: Annotated[bool, typer.Option("--all", help="Those that were lifted as well.")] = False,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """List legal holds, newest first.

    Example: nsl compliance holds
    """
    with explained(), connect(credentials) as client:
        found = list(client.every(client.compliance.holds, in_force=not every))
        columns = {"id": "id", "person": "subject", "reason": "reason", "set": "set_at", "lifted": "lifted_at"}
        show_list(found, columns, as_json=as_json)


@app.command()
def lift(
    hold_id: Annotated[str, typer.Argument(metavar="HOLD", help="The hold's id.")],
    reason: Reason,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Lift a legal hold. What is past its time is erased within a minute.

    Example: nsl compliance lift HOLD --reason "case 7 is closed"
    """
    with explained(), connect(credentials) as client:
        show_record(client.compliance.lift_hold(hold_id, reason), as_json=as_json)


@app.command()
def access(credentials: Credentials = None, as_json: AsJson = False) -> None:
    """List who may do what in the tenant, and the digest that `nsl compliance review` takes.

    Remarks: administers (gives others access), moves-money (signs or sends), idle (did nothing for 90 days), no-end (a
    client that does not expire), inactive (cannot sign in now).

    Example: nsl compliance access
    """
    with explained(), connect(credentials) as client:
        page = client.compliance.access(limit=200)
        found, following = page.items, page.next_cursor
        while following is not None:
            more = client.compliance.access(limit=200, cursor=following)
            found, following = found + more.items, more.next_cursor
        if as_json:
            show_record({"digest": page.digest, "last_review": page.last_review, "items": found}, as_json=True)
            return
        columns = {
            "kind": "kind",
            "id": "id",
            "name": "name",
            "roles": "roles",
            "remarks": "remarks",
            "acted": "acted_at",
        }
        show_list(found, columns, as_json=False)
        show_record({"digest": page.digest, "last_review": page.last_review}, as_json=False)


@app.command()
def review(
    digest: Annotated[str, typer.Argument(metavar="DIGEST", help="Of the access that you have looked at.")],
    reason: Reason,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Write down that you have looked at all access. Refused when it has changed since.

    Example: nsl compliance review DIGEST --reason "quarterly review"
    """
    with explained(), connect(credentials) as client:
        show_record(client.compliance.review_access(digest, reason), as_json=as_json)


@app.command()
def governance(
    since: Annotated[str | None, typer.Option(help="RFC 3339. Default: 90 days before the end.")] = None,
    until: Annotated[str | None, typer.Option(help="RFC 3339. Default: now.")] = None,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Report by key who could sign, who did, who approved and who changed it.

    Example: nsl compliance governance --since 2026-10-01T00:00:00Z --json
    """
    with explained(), connect(credentials) as client:
        found = list(client.every(client.compliance.governance, since=since, until=until))
        columns = {
            "key": "id",
            "name": "name",
            "state": "state",
            "could": "could",
            "did": "did",
            "approved": "approved",
        }
        show_list(found, columns, as_json=as_json)
