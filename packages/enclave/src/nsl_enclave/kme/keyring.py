"""The keys of this replica: made, changed, opened and signed with, each act with its leaf for the audit log."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import astuple
from typing import NamedTuple

from msgspec import json
from msgspec.msgpack import encode

from nsl_enclave.kernel.errors import Refusal
from nsl_enclave.kme import lifecycle, meaning
from nsl_enclave.kme.approvals import Approvals
from nsl_enclave.kme.deriving import Below, chain_code_of
from nsl_enclave.kme.leaves import Leaves, Order
from nsl_enclave.kme.portable import policy_in, suitable
from nsl_enclave.kme.signing import SECRET_CURVES, PrivateHalf, new_secret, private_half
from nsl_enclave.kme.windows import Lacking, Windows
from nsl_enclave.kme.wrapping import KeySecret, Wrapping
from nsl_protocol.enclave.below import DeriveKeys, KeysDerived
from nsl_protocol.enclave.evaluation import ApprovalNeeded, Evaluate, Evaluated, ObjectionTo, WindowLeft
from nsl_protocol.enclave.lifecycle import ChangeKey, KeyChange, KeyChanged, KeyState
from nsl_protocol.enclave.messages import (
    CreateKey,
    Curve,
    KeyCreated,
    Refused,
    Signature,
    SignOrder,
)
from nsl_protocol.enclave.signable import (
    PlainSignable,
    Signable,
    SignBelow,
    SignDigest,
    SignEvmTransaction,
    SignMessage,
    SignN3Transaction,
    SignTypedData,
    plain,
)
from nsl_protocol.enclave.symmetric import UseOrder
from nsl_protocol.enclave.wrapped import KeyName, WrappedKey
from nsl_protocol.policy.decision import Decision, Objection, decide, summary, too_much, unapproved
from nsl_protocol.policy.document import Kind, Policy
from nsl_protocol.policy.effects import Meaning
from nsl_protocol.policy.reading import meaning_of

KEYS_KEPT = 4096
ANSWERS_KEPT = 8192
#: what the host repeats after it has done something about it: no act of anybody's
_NOT_YET = frozenset({"NOT_SHOWN", "ROOT_UNKNOWN"})
#: as well: the host leases a share of the window
WINDOW_LEASE_NEEDED = "WINDOW_LEASE_NEEDED"


_KINDS: dict[type[PlainSignable], Kind] = {
    SignMessage: Kind.MESSAGE,
    SignDigest: Kind.DIGEST,
    SignN3Transaction: Kind.N3_TRANSACTION,
    SignEvmTransaction: Kind.EVM_TRANSACTION,
    SignTypedData: Kind.TYPED_DATA,
}


class OpenKey:
    """A key that was opened: its secret, its private half and those below it, and what they may sign.

    ``secrets``: all versions of the secret, from 1 on; the last one is ``secret``.
    """

    __slots__ = ("_below", "policy", "policy_by_kind", "policy_hash", "private", "secret", "secrets")

    def __init__(self, key: KeySecret) -> None:
        policy, secret = policy_in(key.policy), lifecycle.usable(key)
        self.private = private_half(key.curve, secret)
        self.secret = secret
        self.secrets = key.secrets
        self._below: Below | None = None
        self.policy = policy
        self.policy_hash = policy.hash
        self.policy_by_kind = policy.by_kind_alone

    @property
    def below(self) -> Below:
        """The keys below it. Raises Refusal: ``WRONG_CURVE``."""
        if self._below is None:
            self._below = Below(self.private.curve, self.secret)
        return self._below

    def half(self, what: Signable) -> PrivateHalf:
        """The private half that signs this. Raises Refusal: there are none below."""
        return self.below.at(what.index) if isinstance(what, SignBelow) else self.private


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

    def __init__(
        self, wrapping: Wrapping, leaves: Leaves, windows: Windows, approvals: Approvals, now: Callable[[], float]
    ) -> None:
        self._wrapping = wrapping
        self._leaves = leaves
        self._windows = windows
        self._approvals = approvals
        self._now = now
        self._opened: OrderedDict[tuple[KeyName, bytes], OpenKey] = OrderedDict()
        self._answered: OrderedDict[bytes, _Answered] = OrderedDict()

    def create(self, request: CreateKey) -> KeyCreated:
        """A new key; only its wrapped form leaves."""
        policy, recipients = policy_in(request.policy).canonical, suitable(request.recipients)
        secret = KeySecret(request.curve, policy, new_secret(request.curve), recipients=recipients)
        public_key = _private(secret).public_key
        wrapped = self._wrapping.wrap_key(request.name, secret)
        return KeyCreated(public_key, wrapped, self._leaves.made("key.created", request.name, public_key))

    def change(self, request: ChangeKey) -> KeyChanged:
        """The edition that a change leads to. Raises Refusal."""
        present = self._wrapping.open_key(request.name, request.wrapped)
        changed = lifecycle.changed(present.secret, request.change, request.wait_seconds, int(self._now()))
        if request.change in (KeyChange.UNFREEZE, KeyChange.DESTROY_LATER):
            self._approvals.insist_on_change(request, present.secret)
        if request.change is KeyChange.ROTATE:
            changed = lifecycle.rotated(changed, new_secret(changed.curve))
        wrapped = self._wrapping.wrap_key(request.name, changed, replaces=present.edition)
        leaf = self._leaves.made(_act(request.change, changed.state), request.name, wrapped)
        return KeyChanged(wrapped, changed.state, changed.destroys_at, leaf, changed.frozen_at, changed.version)

    def sign(self, order: SignOrder) -> Signature | Refused:
        """The signature, or why not. Asked once more under the same id, it is the same signature with the same leaf."""
        request = encode(order.what)
        try:
            before = self._answered.get(order.id)
            if before is not None:
                return _insist_on_same(before, order, request)
            key = self._open(order.name, order.wrapped)
            private = key.half(order.what)
            found = _meaning(plain(order.what), private)
            decision = self._decided(order.what, key, private)
        except Refusal as refusal:
            leaf = None if refusal.code in _NOT_YET else self._leaves.refused(order, request, refusal.code)
            return Refused(refusal.code, refusal.reason, leaf)
        approvers = self._approvals.by(order, key.policy, key.policy_hash) if decision.approvals else frozenset()
        risk = self._approvals.risk(order, key.policy)
        against = self._against(order, request, key, decision, approvers, risk)
        if against is not None:
            return against
        made, decoded, public_key = private.sign(found.data), found.decoded_json(), private.public_key
        signature = Signature(
            signature=made.raw,
            recovery=made.recovery,
            algorithm=private.algorithm,
            salt=found.salt,
            public_key=public_key,
            decoded=decoded,
            leaf=self._leaves.signed(
                order,
                request,
                public_key + made.raw,
                decoded,
                policy=key.policy_hash,
                rules=decision.rules,
                approvers=tuple(sorted(approvers)),
            ),
        )
        self._answered[order.id] = _Answered(order.name, request, signature)
        if len(self._answered) > ANSWERS_KEPT:
            self._answered.popitem(last=False)
        return signature

    def admit(self, order: UseOrder, kind: Kind, curve: Curve) -> OpenKey | Refused:
        """The secret key, if it is one of these and may be asked for that."""
        try:
            key = self._open(order.name, order.wrapped)
            _insist_on_curve(key, kind, curve)
        except Refusal as refusal:
            leaf = None if refusal.code in _NOT_YET else self._leaves.refused(order, order.id, refusal.code)
            return Refused(refusal.code, refusal.reason, leaf)
        decision = decide(key.policy, Meaning(kind, None, None, "", ()), int(self._now()))
        risk = self._approvals.risk(order, key.policy)
        return self._against(order, order.id, key, decision, risk=risk) or key

    def evaluate(self, request: Evaluate) -> Evaluated:
        """What signing would come to. Raises Refusal: the key does not open, or what is to be signed does not parse."""
        secret = self._wrapping.open_key(request.name, request.wrapped).secret
        key = OpenKey(secret)
        private = key.half(request.what)
        found = _meaning(plain(request.what), private)
        understood = meaning_of(request.what, private.curve, private.public_key)
        decision = decide(key.policy, understood, int(self._now()))
        decoded = found.decoded | {"summary": summary(key.policy, understood)}
        lefts = list(self._windows.left(request.name, decision.spends, request.ledger))
        against = (*decision.objections, *(_too_much(key.policy, each) for each in lefts if each.sure))
        objections = tuple(ObjectionTo(*astuple(each)) for each in against)
        windows = tuple(_said(each) for each in lefts)
        approvals = tuple(ApprovalNeeded(each.threshold, tuple(sorted(each.of))) for each in decision.approvals)
        ceiling = None if key.policy.risk is None else key.policy.risk.score_max
        return Evaluated(json.encode(decoded), key.policy_hash, objections, decision.rules, windows, approvals, ceiling)

    def derive(self, request: DeriveKeys) -> KeysDerived:
        """Public keys below. Raises Refusal: it does not open, is not active, or is of a curve without such keys."""
        key = OpenKey(self._wrapping.open_key(request.name, request.wrapped).secret)
        below = key.below.from_(request.first, request.count)
        return KeysDerived(chain_code_of(key.private.curve, key.secret), below)

    def _decided(self, what: Signable, key: OpenKey, private: PrivateHalf) -> Decision:
        """On what ``_meaning`` has parsed; where only its kind matters, that is all that is looked at."""
        if key.policy_by_kind:
            return decide(key.policy, Meaning(_KINDS[type(plain(what))], None, None, "", ()), 0)
        return decide(key.policy, meaning_of(what, private.curve, private.public_key), int(self._now()))

    def _against(
        self,
        order: Order,
        request: bytes,
        key: OpenKey,
        decision: Decision,
        approvers: frozenset[str] = frozenset(),
        risk: Objection | None = None,
    ) -> Refused | None:
        """What speaks against it; None: nothing does, and it has counted."""
        unapproved_ = (risk, *(unapproved(each, approvers) for each in decision.approvals))
        objections = decision.objections or tuple(each for each in unapproved_ if each is not None)
        if not objections and decision.spends:
            lacking = self._windows.spend(order.name, decision.spends)
            if lacking is not None and not lacking.sure:
                return Refused(WINDOW_LEASE_NEEDED, _elsewhere(lacking))
            objections = () if lacking is None else (_too_much(key.policy, lacking),)
        return self._objected(order, request, key, objections) if objections else None

    def _objected(self, order: Order, request: bytes, key: OpenKey, objections: Sequence[Objection]) -> Refused:
        first, parts = objections[0], tuple(dict.fromkeys(each.part for each in objections))
        reasons = " ".join(f"{each.reason} What would change it: {each.would_change}" for each in objections)
        leaf = self._leaves.refused(order, request, first.code, policy=key.policy_hash, rules=parts)
        return Refused(first.code, reasons, leaf)

    def keep(self, item: WrappedKey) -> None:
        """The register has exactly this one. Raises Refusal: it is none, or not active."""
        secret = self._wrapping.open_key(item.name, item.wrapped).secret
        self._opened[item.name, item.wrapped] = OpenKey(secret)
        if len(self._opened) > KEYS_KEPT:
            self._opened.popitem(last=False)

    def insist_on_shown(self, name: KeyName, wrapped: bytes) -> None:
        """Raises Refusal: ``NOT_SHOWN``."""
        self._open(name, wrapped)

    def forget(self, name: KeyName | None) -> None:
        """What was kept of this one, or of all."""
        for place in [each for each in self._opened if name in (None, each[0])]:
            del self._opened[place]

    def _open(self, name: KeyName, wrapped: bytes) -> OpenKey:
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
        raise Refusal(
            "REQUEST_ID_REUSED", "Something else was signed under this request's id: send it under one of its own."
        )
    return before.signature


def _act(change: KeyChange, state: KeyState) -> str:
    named = {KeyChange.UNFREEZE: "key.unfrozen", KeyChange.ROTATE: "key.rotated"}
    return named.get(change, f"key.{state}")


def _too_much(policy: Policy, lacking: Lacking) -> Objection:
    return too_much(policy, lacking.spend, lacking.left, lacking.free_in)


def _elsewhere(lacking: Lacking) -> str:
    """What is said where nothing can be done about it: whoever has the rest does not answer."""
    later = "" if lacking.free_in is None else f" in {lacking.free_in} seconds"
    return f"What is left of window {lacking.spend.counter} may be with a replica that is away: repeat this{later}."


def _said(found: Lacking) -> WindowLeft:
    spend = found.spend
    return WindowLeft(spend.counter, spend.seconds, str(spend.limit), str(spend.amount), str(found.left))


def _private(secret: KeySecret) -> PrivateHalf:
    """Raises Refusal: it is not active."""
    return private_half(secret.curve, lifecycle.usable(secret))


def _insist_on_curve(key: OpenKey, kind: Kind, curve: Curve) -> None:
    if key.private.curve is not curve:
        raise Refusal("WRONG_CURVE", f"For {kind} it takes a key of {curve}; this one is {key.private.curve}.")


def _meaning(what: PlainSignable, private: PrivateHalf) -> meaning.Meaning:
    curve = private.curve
    if curve in SECRET_CURVES:
        raise Refusal("WRONG_CURVE", f"A key of {curve} signs nothing: encrypt, decrypt or authenticate with it.")
    match what:
        case SignMessage():
            return meaning.of_message(what, curve)
        case SignDigest():
            return meaning.of_digest(what)
        case SignN3Transaction():
            return meaning.of_n3_transaction(what, curve, private.public_key)
        case SignEvmTransaction():
            return meaning.of_evm_transaction(what, curve)
        case SignTypedData():
            return meaning.of_typed_data(what, curve)
