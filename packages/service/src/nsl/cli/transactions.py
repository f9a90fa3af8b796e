"""``nsl tx``: transfers."""

from enum import StrEnum
from typing import Annotated

import typer

from nsl.cli.addresses import AddressIndex
from nsl.cli.connection import AsJson, Credentials, connect, key_of
from nsl.cli.output import explained, show_list, show_record, working

app = typer.Typer(no_args_is_help=True, help="Transactions: send, wait, look at, list.")


class ChainOption(StrEnum):
    NEO_N3 = "neo-n3"
    NEO_X = "neo-x"


@app.command()
def send(
    chain: Annotated[ChainOption, typer.Option(help="The chain.")],
    from_key: Annotated[str, typer.Option("--from", help="The id or alias of the key that pays.")],
    to: Annotated[str, typer.Option(help="The recipient's address on that chain.")],
    amount: Annotated[str, typer.Option(help='Decimal, in the asset\'s unit, such as "1.5".')],
    asset: Annotated[str, typer.Option(help="GAS, NEO, or a token's contract.")] = "GAS",
    *,
    address_index: AddressIndex = None,
    idempotency_key: Annotated[
        str | None, typer.Option(help="Your own key: repeating the command with it pays once.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it is confirmed.")] = False,
    timeout: Annotated[float, typer.Option(help="Seconds that --wait takes at most.")] = 120.0,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Send tokens. The transfer is made exactly once, even if this command dies.

    Example: nsl tx send --chain neo-n3 --from KEY_ID --to ADDRESS --amount 1.5 --wait
    """
    with explained(), connect(credentials) as client:
        made = client.transactions.transfer(
            chain=chain.value,
            from_key=key_of(client, from_key),
            asset=asset,
            to=to,
            amount=amount,
            idempotency_key=idempotency_key,
            address_index=address_index,
        )
        if wait:
            with working(f"waiting until {made.id} is on a block"):
                made = client.wait_for_transaction(made.id, timeout_seconds=timeout)
        show_record(made, as_json=as_json)


@app.command("wait")
def wait_(
    transaction_id: Annotated[str, typer.Argument(help="The transaction's id.")],
    timeout: Annotated[float, typer.Option(help="Seconds to wait at most.")] = 120.0,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Wait until a transaction is confirmed; the status is 1 when it ends otherwise.

    Example: nsl tx wait TRANSACTION_ID --timeout 30
    """
    with explained(), connect(credentials) as client:
        with working(f"waiting until {transaction_id} is on a block"):
            done = client.wait_for_transaction(transaction_id, timeout_seconds=timeout)
        show_record(done, as_json=as_json)


@app.command()
def get(
    transaction_id: Annotated[str, typer.Argument(help="The transaction's id.")],
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Show a transaction with its history.

    Example: nsl tx get TRANSACTION_ID
    """
    with explained(), connect(credentials) as client:
        show_record(client.transactions.get(transaction_id), as_json=as_json)


@app.command("list")
def list_(
    state: Annotated[str | None, typer.Option(help="Only those in this state, such as confirmed.")] = None,
    chain: Annotated[ChainOption | None, typer.Option(help="Only those on this chain.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many at most.")] = 50,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """List transactions, newest first.

    Example: nsl tx list --state failed
    """
    with explained(), connect(credentials) as client:
        page = client.transactions.list(state=state, chain=None if chain is None else chain.value, limit=limit)
        columns = {"id": "id", "chain": "chain", "amount": "amount", "asset": "asset", "to": "to", "state": "state"}
        show_list(page.items, columns, as_json=as_json)
