"""The leaves that this run of the program makes for the audit log: numbered without gaps, each with a MAC.

What a run has made is kept for a while: a host may have ended before it could write a leaf down, and no signature has
left then, but the log still has to have it.
"""

import hashlib
import hmac
from collections import deque
from collections.abc import Callable
from functools import lru_cache

from nsl_enclave.kernel.clock import random_bytes
from nsl_enclave.kme.state import Root
from nsl_protocol.audit.leaves import SALT_BYTES, EnclaveLeaf, commitment, encode_leaf
from nsl_protocol.enclave.fields import MarkedLeaf
from nsl_protocol.enclave.log import LEAVES_FETCHED_MAX, LEAVES_KEPT_MAX, GetLeaves, LeavesKept
from nsl_protocol.enclave.messages import SignOrder
from nsl_protocol.enclave.symmetric import UseOrder
from nsl_protocol.enclave.wrapped import KeyName

RUN_BYTES = 16


type Order = SignOrder | UseOrder


class LeafMacs:
    """By which enclaves of one cluster know each other's leaves: HMAC-SHA256, keys that follow from the roots."""

    def __init__(self, root: Root) -> None:
        self._keys = root.leaf_keys()

    def make(self, content: bytes) -> bytes:
        """Under the latest root."""
        return hmac.digest(self._keys[0], content, hashlib.sha256)

    def holds(self, content: bytes, mac: bytes) -> bool:
        """Under any root that is known here."""
        return any(hmac.compare_digest(hmac.digest(key, content, hashlib.sha256), mac) for key in self._keys)


class Leaves:
    """
    Args:
        now: enclave time, Unix seconds.
    """

    def __init__(self, macs: LeafMacs, now: Callable[[], float]) -> None:
        self.run = random_bytes(RUN_BYTES)
        self._run = self.run.hex()
        self._macs = macs
        self._now = now
        self._number = 0
        self._of_key: dict[bytes, int] = {}
        self._kept: deque[MarkedLeaf] = deque(maxlen=LEAVES_KEPT_MAX)

    def signed(
        self,
        order: SignOrder,
        request: bytes,
        outcome: bytes,
        decoded: bytes,
        *,
        policy: str,
        rules: tuple[str, ...],
        approvers: tuple[str, ...] = (),
    ) -> MarkedLeaf:
        """Of a signature that may leave when this leaf is written down. ``outcome``: public key and signature."""
        name = order.name
        salt = random_bytes(SALT_BYTES)
        leaf = EnclaveLeaf(
            self._run,
            self._number,
            self._unix_ms(),
            "signature",
            id=_text(order.id),
            tenant=_kept_text(name.tenant),
            key=_kept_text(name.key),
            version=name.version,
            key_number=self._key_number(name.key),
            request=hashlib.sha256(request).hexdigest(),
            outcome=hashlib.sha256(outcome).hexdigest(),
            policy=policy,
            rules=rules,
            commitment=commitment(salt, decoded),
            approvers=approvers,
        )
        return self._made(leaf, salt)

    def refused(
        self,
        order: Order,
        request: bytes,
        code: str,
        *,
        policy: str | None = None,
        rules: tuple[str, ...] = (),
    ) -> MarkedLeaf:
        """Of a refusal."""
        name = order.name
        leaf = EnclaveLeaf(
            self._run,
            self._number,
            self._unix_ms(),
            "refusal",
            id=_text(order.id),
            tenant=_kept_text(name.tenant),
            key=_kept_text(name.key),
            version=name.version,
            key_number=self._key_number(name.key),
            request=hashlib.sha256(request).hexdigest(),
            code=code,
            policy=policy,
            rules=rules,
        )
        return self._made(leaf, bytes(SALT_BYTES))

    def used(self, act: str, order: UseOrder, *, policy: str) -> MarkedLeaf:
        """Of what a secret key did."""
        name = order.name
        leaf = EnclaveLeaf(
            self._run,
            self._number,
            self._unix_ms(),
            act,
            id=_text(order.id),
            tenant=_kept_text(name.tenant),
            key=_kept_text(name.key),
            version=name.version,
            key_number=self._key_number(name.key),
            policy=policy,
        )
        return self._made(leaf, bytes(SALT_BYTES))

    def made(self, act: str, name: KeyName, outcome: bytes) -> MarkedLeaf:
        """Of another edition of a key. ``outcome``: its public key, or what else it comes to."""
        leaf = EnclaveLeaf(
            self._run,
            self._number,
            self._unix_ms(),
            act,
            tenant=_kept_text(name.tenant),
            key=_kept_text(name.key),
            version=name.version,
            outcome=hashlib.sha256(outcome).hexdigest(),
        )
        return self._made(leaf, bytes(SALT_BYTES))

    def kept(self, request: GetLeaves) -> LeavesKept:
        """Those that are asked for, as far as they are kept."""
        begin = self._number - len(self._kept)
        first = max(begin, request.first)
        found = tuple(self._kept[each - begin] for each in range(first, min(self._number, first + LEAVES_FETCHED_MAX)))
        return LeavesKept(self.run, first, found)

    def _made(self, leaf: EnclaveLeaf, salt: bytes) -> MarkedLeaf:
        content = encode_leaf(leaf)
        made = MarkedLeaf(content, self._macs.make(content), salt)
        self._number += 1
        self._kept.append(made)
        return made

    def _key_number(self, key: bytes) -> int:
        number = self._of_key.get(key, 0)
        self._of_key[key] = number + 1
        return number

    def _unix_ms(self) -> int:
        return int(self._now() * 1000)


def _text(raw: bytes) -> str:
    """A UUID as text. By hand: it is made for every signature, and the library's takes four times as long."""
    digits = raw.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


_kept_text = lru_cache(maxsize=4096)(_text)
