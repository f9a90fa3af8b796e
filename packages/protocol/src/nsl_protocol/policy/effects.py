"""What a thing to sign does, as far as its bytes say: what moves, who may take what, what is called."""

from dataclasses import dataclass

from nsl_protocol.policy.document import Chain, Kind, Scope


@dataclass(frozen=True, slots=True)
class Token:
    """Which one: contract in lower-case hex, or ``native``."""

    chain: Chain
    network: int
    contract: str


@dataclass(frozen=True, slots=True)
class Moves:
    """Tokens go from one account to another. ``amount`` in the smallest unit."""

    token: Token
    source: str
    recipient: str
    amount: int


@dataclass(frozen=True, slots=True)
class Approves:
    """Somebody else may take tokens. ``amount`` in the smallest unit; None: as many as there will ever be."""

    token: Token
    owner: str
    spender: str
    amount: int | None


@dataclass(frozen=True, slots=True)
class Calls:
    """A contract is called, of which is known what is called and nothing else. ``value``: native GAS that goes with it.

    ``method``: its name on Neo N3, its selector (``0x``, 8 hex digits) on Neo X.
    """

    chain: Chain
    contract: str
    method: str
    value: int = 0


@dataclass(frozen=True, slots=True)
class Deploys:
    """A contract is created, with so much native GAS."""

    value: int


@dataclass(frozen=True, slots=True)
class SignsMessage:
    """A message in its envelope, which is no transaction of anybody's."""


@dataclass(frozen=True, slots=True)
class SignsTypedData:
    """An EIP-712 document that is no permit."""

    chain_id: int | None
    contract: str | None
    primary_type: str


type Effect = Moves | Approves | Calls | Deploys | SignsMessage | SignsTypedData


@dataclass(frozen=True, slots=True)
class Meaning:
    """
    Attributes:
        network: of a transaction; None for what belongs to none.
        own: the signing key's account, spelled as ``document.account_key`` does; "" where the curve has none.
        not_understood: why not all of it is understood; "" where it is.
        fee: at most, in the smallest unit of GAS.
        scopes: of the own account's signature on Neo N3.
    """

    kind: Kind
    chain: Chain | None
    network: int | None
    own: str
    effects: tuple[Effect, ...]
    not_understood: str = ""
    fee: int = 0
    scopes: tuple[Scope, ...] = ()
