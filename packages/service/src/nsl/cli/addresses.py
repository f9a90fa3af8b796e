"""``nsl keys`` for deposit addresses: below one key, an address for each payer."""

from collections.abc import Callable
from functools import partial
from typing import Annotated

import typer

from nsl.cli.connection import AsJson, Credentials, KeyId, connect, key_of
from nsl.cli.output import explained, show_list, show_record

AddressIndex = Annotated[
    int | None, typer.Option(min=0, help="Of a deposit address below the key, which is used in the key's place.")
]
_COLUMNS = {"index": "index", "address": "address", "reference": "reference", "created": "created_at"}


def make_addresses(
    key_id: KeyId,
    references: Annotated[
        list[str] | None, typer.Argument(help="Whose they are; who has one already keeps it.", metavar="REFERENCE...")
    ] = None,
    count: Annotated[int | None, typer.Option(min=1, max=1000, help="So many, without a reference.")] = None,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """Make deposit addresses below a key. Its policy and its windows hold for them, and a freeze stops them.

    Example: nsl keys make-addresses KEY_ID customer-17 customer-18
    """
    if bool(references) == (count is not None):
        raise typer.BadParameter("say for whom, or how many with --count: one of both", param_hint="REFERENCE")
    with explained(), connect(credentials) as client:
        made = client.keys.make_addresses(key_of(client, key_id), references=references or (), count=count)
        show_list(made.items, _COLUMNS, as_json=as_json)


def addresses(
    key_id: KeyId,
    reference: Annotated[str | None, typer.Option(help="That of one payer.")] = None,
    address: Annotated[str | None, typer.Option(help="This one.")] = None,
    credentials: Credentials = None,
    as_json: AsJson = False,
) -> None:
    """List the deposit addresses below a key, in order.

    Example: nsl keys addresses KEY_ID --reference customer-17
    """
    with explained(), connect(credentials) as client:
        listed = partial(client.keys.addresses, key_of(client, key_id))
        show_list(list(client.every(listed, reference=reference, address=address)), _COLUMNS, as_json=as_json)


def xpub(key_id: KeyId, credentials: Credentials = None, as_json: AsJson = False) -> None:
    """Show what finds every address below a key, and spends from none: its chain code, and the xpub of secp256k1.

    Whoever sees it sees which addresses are yours. `nsl keys attestation` shows the enclave's word for it.

    Example: nsl keys xpub KEY_ID
    """
    with explained(), connect(credentials) as client:
        key = client.keys.get(key_of(client, key_id))
        found = client.keys.addresses(key.id, limit=1)
        record = {
            "public_key": key.public_key,
            "chain_code": found.chain_code,
            "extended_public_key": found.extended_public_key,
        }
        show_record(record, as_json=as_json)


COMMANDS: dict[str, Callable[..., None]] = {
    "make-addresses": make_addresses,
    "addresses": addresses,
    "xpub": xpub,
}
