"""Keys: what is made, asked and signed of them, and their life."""

from nsl.keys.service.lifecycle import Lifecycle
from nsl.keys.service.signing import Keys, Made, Signed, ToSign, decoded

__all__ = ["Keys", "Lifecycle", "Made", "Signed", "ToSign", "decoded"]
