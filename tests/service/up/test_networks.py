from pathlib import Path

import pytest

from nsl.cli.up.errors import NotReady
from nsl.cli.up.networks import settings_of
from nsl.cli.up.process import free_port
from tests.support import drivers


@pytest.mark.parametrize(("name", "host"), [("testnet", "neo.coz.io"), ("mainnet", "neo.coz.io")])
async def test_a_public_network_is_known_by_its_name(name: str, host: str) -> None:
    """Both chains, by the endpoints that their operators publish."""
    found = await settings_of(name)
    assert (found["NSL_N3_NETWORK"], found["NSL_NEOX_NETWORK"]) == (name, name)
    assert host in found["NSL_N3_RPC_URLS"]
    assert found["NSL_NEOX_RPC_URLS"]


async def test_a_node_says_which_chain_it_serves(tmp_path: Path) -> None:
    """Two nodes of N3 make one list; Neo X is not served, because no node of it is named."""
    async with drivers.n3_node(tmp_path) as node:
        assert await settings_of(f"{node.url}, {node.url}/") == {
            "NSL_N3_NETWORK": "devnet",
            "NSL_N3_RPC_URLS": f"{node.url},{node.url}/",
            "NSL_N3_MAGIC": "56753",
        }


async def test_neo_x_is_known_by_its_chain_id(tmp_path: Path) -> None:
    """12227332 is the public testnet's."""
    async with drivers.neox_node(tmp_path) as node:
        assert await settings_of(node.url) == {
            "NSL_NEOX_NETWORK": "testnet",
            "NSL_NEOX_RPC_URLS": node.url,
            "NSL_NEOX_CHAIN_ID": "12227332",
        }


@pytest.mark.parametrize("network", ["wonderland", "ftp://x", ""])
async def test_an_unknown_name_is_refused(network: str) -> None:
    """With the names that exist."""
    with pytest.raises(NotReady, match="devnet, testnet, mainnet or the URLs"):
        await settings_of(network)


async def test_a_node_that_does_not_answer_is_named() -> None:
    """Nothing starts then."""
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(NotReady, match=url):
        await settings_of(url)
