"""The development chain that stands for Neo X: an anvil node, mined by our own loop, behind a guard.

anvil is an EVM node for development. Where it does not behave as Neo X does, the guard does: fees (`rules.py`), block
tags that Neo X does not know, and methods that no public node offers. The process is `python -m nsl.cli.up.neox`.
"""

from nsl.cli.up.neox.driver import NeoxNode

__all__ = ["NeoxNode"]
