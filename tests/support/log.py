"""An audit log whose host holds the real log key, and lies with it as a test wants."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from nsl_client import ApiError
from nsl_client.errors import Problem
from nsl_protocol.audit.heads import Head, SignedHead, log_line, origin
from nsl_protocol.audit.leaves import EnclaveLeaf, encode_leaf
from nsl_protocol.audit.merkle import Frontier, leaf_hash, perfect_root
from nsl_protocol.audit.proofs import Kept, consistency_spans, root_of

KEY = Ed25519PrivateKey.from_private_bytes(b"l" * 32)
LOG_KEY = KEY.public_key().public_bytes_raw()
ORIGIN = origin(b"c" * 32)
RUN = "ab" * 16


def leaf(number: int, act: str = "signature") -> bytes:
    """One by an enclave."""
    return encode_leaf(EnclaveLeaf(RUN, number, 1000 + number, act))


class HostedLog:
    """A history, served to whoever asks: also the calls of the SDK that a monitor makes."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self.leaves = list(leaves)
        self.audit = SimpleNamespace(tree_head=self._tree_head, consistency=self._consistency, leaves=self._leaves_from)

    def signed(self, size: int | None = None) -> SignedHead:
        """The head of so many leaves."""
        part = self.leaves[:size]
        head = Head(ORIGIN, len(part), Frontier().appended(map(leaf_hash, part)).root)
        return SignedHead(head, (log_line(ORIGIN, LOG_KEY, KEY.sign(head.text.encode())),))

    def proof(self, former: int, size: int) -> tuple[bytes, ...]:
        """That one is the beginning of the other."""
        return tuple(root_of(span, self._read) for span in consistency_spans(former, size))

    def _read(self, kept: Kept) -> list[bytes]:
        size = 1 << kept.level
        starts = [(kept.first + each) * size for each in range(kept.length)]
        return [perfect_root(list(map(leaf_hash, self.leaves[each : each + size]))) for each in starts]

    def _tree_head(self) -> Any:
        return SimpleNamespace(checkpoint=self.signed().note)

    def _consistency(self, former: int, size: int) -> Any:
        if size > len(self.leaves):
            raise ApiError(422, Problem(code="TREE_SIZE_UNKNOWN"))
        return SimpleNamespace(proof=[each.hex() for each in self.proof(former, size)])

    def _leaves_from(self, *, limit: int, cursor: str) -> Any:
        first = int(cursor)
        found = list(enumerate(self.leaves))[first : first + limit]
        return SimpleNamespace(items=[SimpleNamespace(index=index, leaf=each.decode()) for index, each in found])
