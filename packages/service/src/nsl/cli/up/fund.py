"""``nsl fund``: development money from the genesis accounts of a running devnet, for a first transfer."""

import json
from dataclasses import dataclass
from pathlib import Path

from nsl.cli.up.errors import DevnetOnly, NotReady
from nsl.cli.up.faucet import Payment, pay_n3, pay_neox
from nsl.cli.up.n3 import N3Node
from nsl.cli.up.neox import NeoxNode
from nsl.ledger.model import NATIVE_ASSETS, ChainName, parse_address, parse_amount


@dataclass(frozen=True)
class Funded:
    """What was paid, as it is printed."""

    chain: str
    address: str
    asset: str
    amount: str
    hash: str


async def fund(state: Path, address: str, amount: str, asset: str) -> Funded:
    """Pay to an address of either devnet, and wait until it is mined.

    Raises:
        NotReady: no devnet runs in this state folder.
        DevnetOnly: the node is not the private devnet, or the asset is none of its own.
        BadAddress, BadAmount: not an address of that chain, not an amount of that asset.
    """
    chain = ChainName.NEO_X if address.startswith("0x") else ChainName.NEO_N3
    known = NATIVE_ASSETS[chain].get(asset)
    if known is None:
        raise DevnetOnly(f"The genesis accounts hold {', '.join(NATIVE_ASSETS[chain])} on {chain}, no {asset}.")
    to = parse_address(chain, address, field="address")
    units = parse_amount(amount, known.decimals)
    ports = _ports(state)
    if chain is ChainName.NEO_N3:
        key = bytes.fromhex((state / "n3" / "validator.key").read_text(encoding="utf-8"))
        node = N3Node(state / "n3", _port(ports, "n3", state), 1000, key)
        paid = await pay_n3(node, [Payment(to, units, str(known.contract))])
    else:
        devnet = NeoxNode(state / "neox", Path(), _port(ports, "neox", state), _port(ports, "anvil", state), 1000)
        (paid,) = await pay_neox(devnet, [Payment(to, units)])
    return Funded(chain.value, to, known.symbol, amount, paid)


def _ports(state: Path) -> dict[str, int]:
    try:
        ports: dict[str, int] = json.loads((state / "ports.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise NotReady(
            f"No devnet has run in {state}: start one with `nsl up`, or name its folder with --state."
        ) from None
    return ports


def _port(ports: dict[str, int], name: str, state: Path) -> int:
    if name not in ports:
        raise NotReady(f"The chain of this address does not run in {state}.")
    return ports[name]
