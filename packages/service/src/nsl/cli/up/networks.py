"""Real networks instead of the devnet, by a name or by the addresses of nodes."""

import httpx

from nsl.adapters.networks import N3_NETWORKS, NEO_X_NETWORKS
from nsl.cli.up.errors import NotReady

DEVNET = "devnet"


async def settings_of(network: str) -> dict[str, str]:
    """The settings for ``testnet``, ``mainnet``, or one or more node URLs with commas between.

    A node is asked which chain it serves; chains of which no node is named are not served.

    Raises:
        NotReady: no such name, or a node does not say what it serves.
    """
    if network in N3_NETWORKS:
        return _of_chain("N3", network, N3_NETWORKS[network].rpc_urls) | _of_chain(
            "NEOX", network, NEO_X_NETWORKS[network].rpc_urls
        )
    urls = [url.strip() for url in network.split(",")]
    if not all(url.startswith(("http://", "https://")) for url in urls):
        raise NotReady(f"--network is devnet, testnet, mainnet or the URLs of nodes, not {network!r}.")
    found: dict[str, str] = {}
    for url in urls:
        prefix, number = await _ask(url)
        known = N3_NETWORKS if prefix == "N3" else NEO_X_NETWORKS
        name = next((name for name, public in known.items() if public.number == number), DEVNET)
        earlier = found.get(f"NSL_{prefix}_RPC_URLS")
        found |= _of_chain(prefix, name, (*filter(None, [earlier]), url))
        found["NSL_N3_MAGIC" if prefix == "N3" else "NSL_NEOX_CHAIN_ID"] = str(number)
    return found


def _of_chain(prefix: str, network: str, urls: tuple[str, ...]) -> dict[str, str]:
    return {f"NSL_{prefix}_NETWORK": network, f"NSL_{prefix}_RPC_URLS": ",".join(urls)}


async def _ask(url: str) -> tuple[str, int]:
    """Which chain a node serves, and its number."""
    async with httpx.AsyncClient(timeout=10) as client:
        for method, prefix in (("getversion", "N3"), ("eth_chainId", "NEOX")):
            body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": []}
            try:
                result = (await client.post(url, json=body)).json().get("result")
            except (httpx.HTTPError, ValueError) as error:
                raise NotReady(f"The node at {url} does not answer: {error!r}.") from error
            if result is not None:
                return prefix, int(result["protocol"]["network"] if prefix == "N3" else int(result, 16))
    raise NotReady(f"The node at {url} serves neither Neo N3 nor Neo X.")
