"""``nsl faucet``: development money, from the genesis accounts of the devnets of a state folder."""

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nsl.cli.connection import AsJson
from nsl.cli.output import explained, fail, show_record, working

if TYPE_CHECKING:
    from nsl.ledger.model import Asset, ChainName


def faucet(
    address: Annotated[str, typer.Option(help="Who gets it: N... on Neo N3, 0x... on Neo X.")],
    amount: Annotated[str, typer.Option(help='Decimal, in the asset\'s unit, such as "10".')],
    asset: Annotated[str, typer.Option(help="GAS, or on Neo N3 also NEO.")] = "GAS",
    state: Annotated[Path, typer.Option(help="The state folder of the running `nsl up`.")] = Path(".state"),
    as_json: AsJson = False,
) -> None:
    """Pay development money to an address, and wait until it is on a block. It works on the private devnets alone.

    Example: nsl faucet --address ADDRESS --asset GAS --amount 10
    """
    from nsl.ledger.model import NATIVE_ASSETS, ChainName, parse_amount

    with explained():
        chain = ChainName.NEO_X if address.startswith("0x") else ChainName.NEO_N3
        known = NATIVE_ASSETS[chain].get(asset.upper())
        if known is None:
            fail(f"The faucet of {chain.value} has {' and '.join(NATIVE_ASSETS[chain])}, not {asset}.")
        units = parse_amount(amount, known.decimals)
        ports = _ports(state)
        with working(f"waiting until {amount} {known.symbol} are on a block"):
            paid = asyncio.run(_pay(state, ports, chain, known, address, units))
        show_record(
            {"chain": chain.value, "address": address, "asset": known.symbol, "amount": amount, "hash": paid},
            as_json=as_json,
        )


async def _pay(state: Path, ports: dict[str, int], chain: "ChainName", asset: "Asset", address: str, units: int) -> str:
    from nsl.cli.up.faucet import Payment, pay_n3, pay_neox
    from nsl.cli.up.n3 import N3Node
    from nsl.cli.up.neox import NeoxNode
    from nsl.cli.up.neox.driver import find_anvil
    from nsl.ledger.model import ChainName, parse_address

    to = parse_address(chain, address)
    if chain is ChainName.NEO_N3:
        directory = state / "n3"
        if "n3" not in ports:
            fail(f"No Neo N3 devnet runs in {state}.")
        key = bytes.fromhex((directory / "validator.key").read_text(encoding="utf-8"))
        return await pay_n3(N3Node(directory, ports["n3"], 0, key), [Payment(to, units, asset.contract or "")])
    if "anvil" not in ports:
        fail(f"No Neo X devnet runs in {state}.")
    node = NeoxNode(state / "neox", find_anvil(), ports["neox"], ports["anvil"], 0)
    return (await pay_neox(node, [Payment(to, units)]))[0]


def _ports(state: Path) -> dict[str, int]:
    """Where the processes of a state folder listen; the folder's lock stays with its `nsl up`."""
    file = state / "ports.json"
    if not file.is_file():
        fail(f"{state} is no state folder. Start a devnet with `nsl up`, or name its folder with --state.")
    ports: dict[str, int] = json.loads(file.read_text(encoding="utf-8"))
    return ports
