"""``nsl policy``: policies of keys, checked and tested like code, without a layer and without a key."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nsl.cli.connection import AsJson
from nsl.cli.output import explained, fail, show_json, show_list, show_record
from nsl.cli.policy_changes import COMMANDS
from nsl.cli.policy_files import read_policy_file
from nsl.cli.ready_policies import ready
from nsl.cli.scoring import score

if TYPE_CHECKING:
    from nsl_protocol.policy.document import Policy

app = typer.Typer(no_args_is_help=True, help="Policies of keys: check, test, compare and change them.")
for name, command in COMMANDS.items():
    app.command(name)(command)
app.command("ready")(ready)
app.command("score")(score)


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="The policy, as JSON.")],
    as_json: AsJson = False,
) -> None:
    """Read a policy as the enclave would, and show the hash by which receipts name it.

    Example: nsl policy check payout.json
    """
    with explained():
        policy = read_policy_file(file)
        show_record({"hash": policy.hash, "bytes": len(policy.canonical), "rules": _names(policy)}, as_json=as_json)


@app.command("test")
def try_cases(
    file: Annotated[Path, typer.Argument(help="The policy, as JSON.")],
    cases: Annotated[Path, typer.Argument(help="What to try: a JSON list.")],
    as_json: AsJson = False,
) -> None:
    """Try a policy on cases, by the code that decides in the enclave. Exit status 0 only if each comes out as expected.

    A case has a name, the kind, the payload and network of a request to sign, the curve and public key of the key, at
    (RFC 3339), and expect: "allow", or the code of the refusal.

    Example: nsl policy test payout.json payout-cases.json
    """
    from nsl.cli.policy_cases import run_cases
    from nsl_protocol.errors import CodecError

    with explained():
        try:
            outcomes = run_cases(read_policy_file(file), cases.read_bytes())
        except (CodecError, OSError) as error:
            fail(str(error))
        wrong = [each for each in outcomes if not each.as_expected]
        if as_json:
            show_json({"cases": len(outcomes), "as_expected": len(outcomes) - len(wrong), "outcomes": outcomes})
        else:
            columns = {"case": "case", "expected": "expected", "got": "got", "meaning": "meaning", "why": "why"}
            show_list(outcomes, columns, as_json=False)
    raise typer.Exit(1 if wrong else 0)


def _names(policy: "Policy") -> list[str]:
    return [rule.name for rule in policy.rules or ()]
