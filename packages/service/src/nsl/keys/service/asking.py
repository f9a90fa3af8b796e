"""What the enclave is asked to sign: how it was asked for, in the enclave's words."""

from dataclasses import dataclass

from nsl.keys.errors import KindUnsuitable
from nsl.keys.model import KINDS_OF_CURVE, Key
from nsl_protocol.enclave.policies import Approval, ScoreGiven
from nsl_protocol.enclave.signable import PlainSignable, Signable, SignBelow
from nsl_protocol.errors import CodecError
from nsl_protocol.hd import DERIVING_CURVES
from nsl_protocol.policy.asking import to_sign
from nsl_protocol.policy.document import Kind


@dataclass(frozen=True, slots=True)
class ToSign:
    """``payload`` is the message, digest, transaction or document; ``network`` the N3 magic number or EVM chain id.

    ``address_index``: the key at ``m/0/address_index`` below signs it (BIP-32). ``approval``: signatures by approvers
    and requesters, where the key's policy asks for some. ``score``: how risky a scorer holds it.
    """

    kind: Kind
    payload: bytes
    network: int | None = None
    address_index: int | None = None
    approval: Approval | None = None
    score: ScoreGiven | None = None


def signable(key: Key, item: ToSign) -> Signable:
    """What the enclave is asked for. Raises KindUnsuitable."""
    what = _signable(key, item)
    if item.address_index is None:
        return what
    if key.curve not in DERIVING_CURVES:
        raise KindUnsuitable(f"There are no addresses below a key of {key.curve}.", field="address_index")
    return SignBelow(item.address_index, what)


def _signable(key: Key, item: ToSign) -> PlainSignable:
    if item.kind not in KINDS_OF_CURVE[key.curve]:
        allowed = ", ".join(sorted(KINDS_OF_CURVE[key.curve]))
        raise KindUnsuitable(f"A {key.curve} key does not sign {item.kind}; it signs: {allowed}.", field="kind")
    try:
        return to_sign(item.kind, item.payload, item.network)
    except CodecError as error:
        raise KindUnsuitable(error.reason, field=error.field) from error
