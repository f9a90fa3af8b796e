"""What the ledger needs of a chain. Every method but ``health`` raises NodeDown when no endpoint answers."""

from collections.abc import Sequence
from typing import Protocol

from nsl.ledger.model import Asset, Balance, Block, ChainName, EndpointHealth, Fees, Mined


class ChainReader(Protocol):
    """One blockchain to read from."""

    name: ChainName
    #: magic number on N3, chain id on Neo X
    network: int

    def health(self) -> Sequence[EndpointHealth]:
        """What is known of each endpoint, without asking."""

    async def height(self) -> int:
        """The tip's height."""

    async def blocks(self, first: int, last: int) -> Sequence[Block]:
        """Blocks in order; fewer when the chain is shorter than ``last``."""

    async def mined(self, transaction: str) -> Mined | None:
        """A transaction on a block, by its hash."""

    async def asset(self, contract: str) -> Asset | None:
        """A token's symbol and decimals, from its own contract; None where that is no token."""

    async def balances(self, address: str, assets: Sequence[Asset]) -> Sequence[Balance]:
        """The balances of these assets, and on N3 of all that the node knows the account to hold."""

    async def fees(self) -> Fees:
        """What a plain transfer of GAS costs now."""
