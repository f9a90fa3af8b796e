"""What a policy has counted of a transaction, held against what it did on a node. Nothing here reads transactions."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random

from nsl_protocol.enclave.messages import Curve
from nsl_protocol.enclave.signable import Signable
from nsl_protocol.policy.decision import decide
from nsl_protocol.policy.document import read_policy
from nsl_protocol.policy.effects import Approves, Calls, Deploys, Meaning, Moves
from nsl_protocol.policy.reading import meaning_of
from tests.protocol.policy.generated import NOW, policy

NATIVE = "native"


@dataclass
class Counted:
    """By contract and account: what may go there, and what may be taken from there on; None: all there is.

    ``called``: contracts of which a rule allows a call, whatever it does in them.
    """

    moves: Counter[tuple[str, str]] = field(default_factory=Counter)
    approvals: dict[tuple[str, str], int | None] = field(default_factory=dict)
    called: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, meaning: Meaning) -> "Counted":
        made = cls()
        for effect in meaning.effects:
            match effect:
                case Moves():
                    made.moves[effect.token.contract, effect.recipient] += effect.amount
                case Approves():
                    place = (effect.token.contract, effect.spender)
                    before = made.approvals.get(place, 0)
                    unlimited = effect.amount is None or before is None
                    made.approvals[place] = None if unlimited else (before or 0) + (effect.amount or 0)
                case Calls():
                    made.called.add(effect.contract)
                    made.moves[NATIVE, effect.contract] += effect.value
                case Deploys():
                    made.moves[NATIVE, ""] += effect.value
        return made

    def out(self, contract: str) -> int:
        """What may leave in all."""
        return sum(amount for (each, _), amount in self.moves.items() if each == contract)


def allowed(
    seed: int, many: int, make: Callable[[Random], Signable], curve: Curve, public_key: bytes
) -> Iterator[tuple[Signable, Counted]]:
    """So many of the things made that a generated policy with rules allows, and what it counts of each."""
    random = Random(seed)
    found = 0
    while found < many:
        read = read_policy(json.dumps(policy(random)).encode())
        for _ in range(40 if read.rules else 0):
            what = make(random)
            meaning = meaning_of(what, curve, public_key)
            if found < many and not decide(read, meaning, NOW).objections:
                found += 1
                yield what, Counted.of(meaning)
