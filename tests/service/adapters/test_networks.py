"""An official network is known by its name; a private one needs its number and endpoints."""

import pytest

from nsl.adapters.networks import N3_NETWORKS, NEO_X_NETWORKS, chosen
from nsl.ledger.errors import WrongNetwork


def test_the_official_numbers() -> None:
    assert {name: each.number for name, each in N3_NETWORKS.items()} == {"mainnet": 860833102, "testnet": 894710606}
    assert {name: each.number for name, each in NEO_X_NETWORKS.items()} == {"mainnet": 47763, "testnet": 12227332}


def test_an_official_network_has_its_number_and_endpoints_unless_others_are_given() -> None:
    assert chosen(N3_NETWORKS, "testnet", (), None) == N3_NETWORKS["testnet"]
    mine = chosen(NEO_X_NETWORKS, "mainnet", ("http://mine",), 47763)
    assert (mine.number, mine.rpc_urls) == (47763, ("http://mine",))


def test_a_private_network_is_what_it_is_said_to_be() -> None:
    private = chosen(N3_NETWORKS, "devnet", ("http://127.0.0.1:1",), 56753)
    assert (private.number, private.rpc_urls) == (56753, ("http://127.0.0.1:1",))


@pytest.mark.parametrize(
    ("network", "urls", "number"), [("testnet", (), 1), ("devnet", (), 56753), ("devnet", ("http://x",), None)]
)
def test_what_contradicts_itself_is_refused(network: str, urls: tuple[str, ...], number: int | None) -> None:
    with pytest.raises(WrongNetwork):
        chosen(N3_NETWORKS, network, urls, number)
