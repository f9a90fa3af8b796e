"""neon-js as an oracle for the Neo N3 codecs."""

from contextlib import AbstractContextManager

from tests.support.javascript import Oracle as Neon
from tests.support.javascript import OracleError as NeonError
from tests.support.javascript import oracle

__all__ = ["Neon", "NeonError", "neon"]


def neon() -> AbstractContextManager[Neon]:
    """The process; skips visibly where Node.js or neon-js is missing."""
    return oracle("neon.mjs", "@cityofzion/neon-js")
