"""Neo X through the Ethereum JSON-RPC of its nodes."""

from nsl.adapters.neo_x.chain import NeoX

__all__ = ["NeoX"]
