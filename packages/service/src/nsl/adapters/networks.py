"""The public networks: their numbers and the RPC endpoints that their operators publish.

Numbers: N3 `ProtocolConfiguration.Network` of neo-node's ``config.mainnet.json`` and ``config.testnet.json``; Neo X
chain ids of the ethereum-lists/chains registry. Endpoints: N3 seeds of those files with their RPC ports and the nodes
of City of Zion and NSPCC; Neo X those of docs.neox.network. Public endpoints are for trying out: who moves real value
sets ``NSL_N3_RPC_URLS`` and ``NSL_NEOX_RPC_URLS`` to nodes of their own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nsl.ledger.errors import WrongNetwork


@dataclass(frozen=True, slots=True)
class PublicNetwork:
    """``number`` is the magic number on N3 and the chain id on Neo X."""

    number: int
    rpc_urls: tuple[str, ...]


N3_NETWORKS = {
    "mainnet": PublicNetwork(
        860833102,
        (
            "https://mainnet1.neo.coz.io:443",
            "https://mainnet2.neo.coz.io:443",
            "https://rpc10.n3.nspcc.ru:10331",
            "http://seed1.neo.org:10332",
            "http://seed2.neo.org:10332",
        ),
    ),
    "testnet": PublicNetwork(
        894710606,
        (
            "https://testnet1.neo.coz.io:443",
            "https://testnet2.neo.coz.io:443",
            "https://rpc.t5.n3.nspcc.ru:20331",
            "http://seed1t5.neo.org:20332",
            "http://seed2t5.neo.org:20332",
        ),
    ),
}

NEO_X_NETWORKS = {
    "mainnet": PublicNetwork(
        47763,
        (
            "https://mainnet-1.rpc.banelabs.org",
            "https://mainnet-2.rpc.banelabs.org",
            "https://mainnet-3.rpc.banelabs.org",
        ),
    ),
    "testnet": PublicNetwork(
        12227332,
        (
            "https://neoxt4seed1.ngd.network",
            "https://testnet.rpc.banelabs.org",
        ),
    ),
}


def chosen(
    known: Mapping[str, PublicNetwork], network: str, rpc_urls: Sequence[str], number: int | None
) -> PublicNetwork:
    """The network to use: an official one by its name, or a private one by its number.

    Raises:
        WrongNetwork: a number that is not the named network's, or neither a known name nor a number and endpoints.
    """
    official = known.get(network)
    if official is None:
        if number is None or not rpc_urls:
            raise WrongNetwork(f"The network {network!r} needs its number and its RPC endpoints.")
        return PublicNetwork(number, tuple(rpc_urls))
    if number not in (None, official.number):
        raise WrongNetwork(f"{network} has the number {official.number}, not {number}: leave it out, or correct it.")
    return PublicNetwork(official.number, tuple(rpc_urls) or official.rpc_urls)
