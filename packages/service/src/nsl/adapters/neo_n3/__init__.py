"""Neo N3 through the RPC of its nodes."""

from nsl.adapters.neo_n3.chain import NeoN3

__all__ = ["NeoN3"]
