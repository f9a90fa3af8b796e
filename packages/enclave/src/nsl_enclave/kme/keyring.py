"""The keys of this replica: made, changed, opened and signed with, each act with its leaf for the audit log."""

from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from msgspec.msgpack import encode

from nsl_enclave.kernel.errors import Refusal
from nsl_enclave.kme import lifecycle, meaning
from nsl_enclave.kme.leaves import Leaves
from nsl_enclave.kme.signing import PrivateHalf, new_secret, private_half
from nsl_enclave.kme.wrapping import KeySecret, Wrapping
from nsl_protocol.enclave.lifecycle import ChangeKey, KeyChanged
from nsl_protocol.enclave.messages import (
    CreateKey,
    KeyCreated,
    Refused,
    Signable,
    Signature,
    SignDigest,
    SignEvmTransaction,
    SignMessage,
    SignN3Transaction,
    SignOrder,
    SignTypedData,
)
from nsl_protocol.enclave.wrapped import KeyName, WrappedKey

KEYS_KEPT = 4096
ANSWERS_KEPT = 8192
#: what the host repeats after it has done something about it: no act of anybody's
_NOT_YET = frozenset({"NOT_SHOWN", "ROOT_UNKNOWN"})


class _OpenKey:
    """A key that was opened: its private half, and whether it may sign blindly."""

    __slots__ = ("blind_signing", "private")

    def __init__(self, private: PrivateHalf, *, blind_signing: bool) -> None:
        self.private = private
        self.blind_signing = blind_signing


class _Answered(NamedTuple):
    """What was asked under an id, and the answer."""

    name: KeyName
    request: bytes
    signature: Signature


class Keyring:
    """
    Args:
        now: enclave time, Unix seconds.
    """

    def __init__(self, wrapping: Wrapping, leaves: Leaves, now: Callable[[], float]) -> None:
        self._wrapping = wrapping
        self._leaves = leaves
        self._now = now
        self._opened: OrderedDict[tuple[KeyName, bytes], _OpenKey] = OrderedDict()
        self._answered: OrderedDict[bytes, _Answered] = OrderedDict()

    def create(self, request: CreateKey) -> KeyCreated:
        """A new key; only its wrapped form leaves."""
        secret = KeySecret(request.curve, request.blind_signing, new_secret(request.curve))
        public_key = _private(secret).public_key
        wrapped = self._wrapping.wrap_key(request.name, secret)
        return KeyCreated(public_key, wrapped, self._leaves.made("key.created", request.name, public_key))

    def change(self, request: ChangeKey) -> KeyChanged:
        """The edition that a change leads to. Raises Refusal."""
        present = self._wrapping.open_key(request.name, request.wrapped)
        changed = lifecycle.changed(present.secret, request.change, request.wait_seconds, int(self._now()))
        wrapped = self._wrapping.wrap_key(request.name, changed, replaces=present.edition)
        leaf = self._leaves.made(f"key.{changed.state}", request.name, wrapped)
        return KeyChanged(wrapped, changed.state, changed.destroys_at, leaf)

    def sign(self, order: SignOrder) -> Signature | Refused:
        """The signature, or why not. Asked once more under the same id, it is the same signature with the same leaf."""
        request = encode(order.what)
        try:
            before = self._answered.get(order.id)
            if before is not None:
                return _insist_on_same(before, order, request)
            key = self._open(order.name, order.wrapped)
            found = _meaning(order.what, key)
        except Refusal as refusal:
            leaf = None if refusal.code in _NOT_YET else self._leaves.refused(order, request, refusal.code)
            return Refused(refusal.code, refusal.reason, leaf)
        made, decoded, public_key = key.private.sign(found.data), found.decoded_json(), key.private.public_key
        signature = Signature(
            signature=made.raw,
            recovery=made.recovery,
            algorithm=key.private.algorithm,
            salt=found.salt,
            public_key=public_key,
            decoded=decoded,
            leaf=self._leaves.signed(order, request, public_key + made.raw, decoded),
        )
        self._answered[order.id] = _Answered(order.name, request, signature)
        if len(self._answered) > ANSWERS_KEPT:
            self._answered.popitem(last=False)
        return signature

    def keep(self, item: WrappedKey) -> None:
        """The register has exactly this one. Raises Refusal: it is none, or not active."""
        secret = self._wrapping.open_key(item.name, item.wrapped).secret
        self._opened[item.name, item.wrapped] = _OpenKey(_private(secret), blind_signing=secret.blind_signing)
        if len(self._opened) > KEYS_KEPT:
            self._opened.popitem(last=False)

    def forget(self, name: KeyName | None) -> None:
        """What was kept of this one, or of all."""
        for place in [each for each in self._opened if name in (None, each[0])]:
            del self._opened[place]

    def _open(self, name: KeyName, wrapped: bytes) -> _OpenKey:
        """The key that exactly this blob is, and that the register was shown to have.

        Raises:
            Refusal: ``NOT_SHOWN``, or why the blob does not open.
        """
        place = (name, wrapped)
        key = self._opened.get(place)
        if key is None:
            self._wrapping.open_key(name, wrapped)
            raise Refusal("NOT_SHOWN", "Show this key and its path in the register first.")
        self._opened.move_to_end(place)
        return key


def _insist_on_same(before: _Answered, order: SignOrder, request: bytes) -> Signature:
    if (before.name, before.request) != (order.name, request):
        raise Refusal("REQUEST_ID_REUSED", "Something else was signed under this request's id.")
    return before.signature


def _private(secret: KeySecret) -> PrivateHalf:
    """Raises Refusal: it is not active."""
    return private_half(secret.curve, lifecycle.usable(secret))


def _meaning(what: Signable, key: _OpenKey) -> meaning.Meaning:
    curve = key.private.curve
    match what:
        case SignMessage():
            return meaning.of_message(what, curve)
        case SignDigest():
            return meaning.of_digest(what, blind_signing=key.blind_signing)
        case SignN3Transaction():
            return meaning.of_n3_transaction(what, curve, key.private.public_key)
        case SignEvmTransaction():
            return meaning.of_evm_transaction(what, curve)
        case SignTypedData():
            return meaning.of_typed_data(what, curve)
