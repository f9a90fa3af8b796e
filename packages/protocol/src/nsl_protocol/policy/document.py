"""A key's policy: a small typed document (JSON), read once and refused for anything that it does not know.

Everything that an amount or an address means stands in it: the host names no asset, no decimals and no recipient.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from nsl_protocol.errors import CodecError
from nsl_protocol.evm.address import EvmAddress
from nsl_protocol.n3.address import ScriptHash
from nsl_protocol.policy.amounts import Amount, units
from nsl_protocol.policy.approvers import (
    ApprovalRule,
    Approver,
    ChangeRule,
    Name,
    insist_on_approvers,
    insist_on_requesters,
)
from nsl_protocol.policy.scoring import RiskRule, insist_on_scorers

DOCUMENT_BYTES_MAX: Final = 6144
NATIVE: Final = "native"
ANY: Final = "any"
RULES_MAX: Final = 32
ITEMS_MAX: Final = 64
GAS_DECIMALS: Final = {"neo-n3": 8, "neo-x": 18}
#: what is counted over time has to fit what an enclave keeps of a key
COUNTERS_MAX: Final = 8


class Chain(StrEnum):
    NEO_N3 = "neo-n3"
    NEO_X = "neo-x"


class Kind(StrEnum):
    """What a key can be asked for; what is not about signing is for secret keys."""

    MESSAGE = "message"
    DIGEST = "digest"
    N3_TRANSACTION = "n3-transaction"
    EVM_TRANSACTION = "evm-transaction"
    TYPED_DATA = "typed-data"
    ENCRYPT = "encrypt"
    DECRYPT = "decrypt"
    DATA_KEY = "data-key"
    MAC = "mac"
    VERIFY_MAC = "verify-mac"


class Scope(StrEnum):
    """Witness scopes of Neo N3 (how far a signature reaches)."""

    NONE = "None"
    CALLED_BY_ENTRY = "CalledByEntry"
    CUSTOM_CONTRACTS = "CustomContracts"
    CUSTOM_GROUPS = "CustomGroups"
    WITNESS_RULES = "WitnessRules"
    GLOBAL = "Global"


type Symbol = Annotated[str, Meta(pattern="^[A-Za-z0-9.]{1,16}$")]
type Address = Annotated[str, Meta(min_length=1, max_length=64)]
type Contract = Annotated[str, Meta(pattern="^(native|0x[0-9a-fA-F]{40})$")]
type Method = Annotated[str, Meta(pattern="^([A-Za-z_$][A-Za-z0-9_$]{0,63}|0x[0-9a-f]{8})$")]
type Number = Annotated[int, Meta(ge=0, le=2**53 - 1)]
type Clock = Annotated[str, Meta(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$")]
type Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class _Part(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of every part."""


class Network(_Part, frozen=True):
    """``number``: the magic number of Neo N3, or the EVM chain id."""

    chain: Chain
    number: Number


class Asset(_Part, frozen=True):
    """A token by its contract (``0x``, 40 hex digits, big-endian on Neo N3), or ``native``: GAS of Neo X.

    ``network``: where its contract is that one; None: on every network that the policy allows.
    """

    chain: Chain
    contract: Contract
    decimals: Annotated[int, Meta(ge=0, le=30)]
    network: Number | None = None


class Book(_Part, frozen=True):
    """Addresses, each with when it was entered (RFC 3339); it counts when it has cooled down."""

    entries: Annotated[dict[Address, datetime], Meta(max_length=ITEMS_MAX)]
    cool_down_seconds: Number = 0


class Hours(_Part, frozen=True):
    """When it may be signed, in UTC and the enclave's time; to is not in it."""

    days: Annotated[tuple[Day, ...], Meta(min_length=1)]
    from_: Clock = msgspec.field(name="from")
    to: Clock


class InBook(_Part, frozen=True):
    """Whoever stands in that book, and has cooled down."""

    book: Name


type Whom = Literal["any"] | Annotated[tuple[Address, ...], Meta(min_length=1, max_length=ITEMS_MAX)] | InBook
type Assets = Annotated[tuple[Symbol, ...], Meta(min_length=1, max_length=ITEMS_MAX)]


type WindowSeconds = Annotated[int, Meta(ge=60, le=366 * 86_400)]


class Window(_Part, frozen=True):
    """At most ``amount_max`` of each of the rule's assets in any so many seconds. What was signed counts."""

    seconds: WindowSeconds
    amount_max: Amount


class Rate(_Part, frozen=True):
    """At most so many signatures in any so many seconds."""

    seconds: WindowSeconds
    count_max: Annotated[int, Meta(ge=1, le=2**53 - 1)]


type Windows = Annotated[tuple[Window, ...], Meta(max_length=4)]


class _Rule(_Part, frozen=True, tag_field="allow"):
    """Base of the rules."""

    name: Name


class TransferRule(_Rule, frozen=True, tag="transfer"):
    """Move these assets to these accounts, at most ``amount_max`` of each in one transaction."""

    assets: Assets
    to: Whom
    amount_max: Amount | None = None
    windows: Windows = ()


class ApproveRule(_Rule, frozen=True, tag="approve"):
    """Let these accounts take of these assets, by a transaction or by a signed permit."""

    assets: Assets
    spenders: Whom
    amount_max: Amount | None = None
    unlimited: bool = False
    windows: Windows = ()


class CallRule(_Rule, frozen=True, tag="call"):
    """Call these methods of a contract, whatever they do with their arguments; ``value_max`` of native GAS with it."""

    chain: Chain
    contract: Contract
    methods: Literal["any"] | Annotated[tuple[Method, ...], Meta(min_length=1, max_length=ITEMS_MAX)]
    value_max: Amount = "0"


class DeployRule(_Rule, frozen=True, tag="deploy"):
    """Create contracts on Neo X."""


class MessageRule(_Rule, frozen=True, tag="message"):
    """Sign messages in their envelope."""


class TypedDataRule(_Rule, frozen=True, tag="typed-data"):
    """Sign EIP-712 documents of these primary types for one contract; never a permit, which approve rules are about."""

    verifying_contract: Contract
    chain_id: Number
    primary_types: Annotated[tuple[Annotated[str, Meta(max_length=100)], ...], Meta(min_length=1, max_length=ITEMS_MAX)]


type Rule = TransferRule | ApproveRule | CallRule | DeployRule | MessageRule | TypedDataRule


class Policy(_Part, frozen=True):
    """
    Attributes:
        kinds: what may be signed; None: everything but digests.
        blind_signing: whether bare digests may be signed.
        networks: for which transactions may be signed; None: any.
        assets: by symbol, what the rules speak of.
        fee_max: in GAS, by chain, of one transaction.
        scopes: witness scopes on Neo N3 that this key's account may have; None: CalledByEntry and None where there are
            rules, any where there are none.
        hours: None: always.
        rate: how many signatures of any kind it makes over time.
        approvers: by name, whose signatures count.
        change: how another policy takes this one's place; None: never.
        approvals: which signatures take the approval of others.
        requesters: by name, clients' own keys: each request to sign must itself be signed by one of them. None: not so.
        rules: tried in order; everything that is done must be allowed by one. None: no restriction by what is done.
    """

    version: Literal[1] = 1
    kinds: tuple[Kind, ...] | None = None
    blind_signing: bool = False
    networks: Annotated[tuple[Network, ...], Meta(max_length=ITEMS_MAX)] | None = None
    assets: Annotated[dict[Symbol, Asset], Meta(max_length=ITEMS_MAX)] = {}
    books: Annotated[dict[Name, Book], Meta(max_length=ITEMS_MAX)] = {}
    fee_max: dict[Chain, Amount] = {}
    scopes: tuple[Scope, ...] | None = None
    hours: Annotated[tuple[Hours, ...], Meta(min_length=1, max_length=ITEMS_MAX)] | None = None
    rules: Annotated[tuple[Rule, ...], Meta(max_length=RULES_MAX)] | None = None
    rate: Annotated[tuple[Rate, ...], Meta(max_length=4)] = ()
    approvers: Annotated[dict[Name, Approver], Meta(max_length=16)] = {}
    change: ChangeRule | None = None
    approvals: Annotated[tuple[ApprovalRule, ...], Meta(max_length=8)] = ()
    requesters: Annotated[dict[Name, Approver], Meta(max_length=16)] = {}
    risk: RiskRule | None = None

    @property
    def by_kind_alone(self) -> bool:
        """Whether nothing but the kind of what is to be signed matters, and how often."""
        return self == Policy(
            kinds=self.kinds,
            blind_signing=self.blind_signing,
            rate=self.rate,
            approvers=self.approvers,
            change=self.change,
            requesters=self.requesters,
            risk=self.risk,
        )

    @property
    def canonical(self) -> bytes:
        """Its one encoding."""
        return msgspec.json.encode(self, order="sorted")

    @property
    def hash(self) -> str:
        """SHA-256 of that, hex: by which leaves and receipts name it."""
        return hashlib.sha256(self.canonical).hexdigest()


_decoder = msgspec.json.Decoder(Policy)


def read_policy(document: bytes) -> Policy:
    """A policy that speaks of nothing it does not define.

    Raises:
        CodecError: it says which part, and what to do.
    """
    try:
        policy = _decoder.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CodecError(str(error), field="policy") from error
    return checked(policy)


def checked(policy: Policy) -> Policy:
    """The same, if all that it speaks of is defined in it. Raises CodecError as ``read_policy``."""
    if len(policy.canonical) > DOCUMENT_BYTES_MAX:
        raise CodecError(f"is longer than the {DOCUMENT_BYTES_MAX} bytes that are taken", field="policy")
    _insist_on_sense(policy)
    return policy


def account_key(chain: Chain, address: str) -> str:
    """One spelling for every address: Base58 on Neo N3, lower-case hex on Neo X. Raises CodecError."""
    return ScriptHash.from_address(address).address if chain is Chain.NEO_N3 else str(EvmAddress.parse(address)).lower()


def _insist_on_sense(policy: Policy) -> None:
    names = [rule.name for rule in policy.rules or ()]
    if len(set(names)) != len(names):
        raise CodecError("two rules have one name", field="policy.rules")
    for symbol, asset in policy.assets.items():
        if asset.contract == NATIVE and asset.chain is not Chain.NEO_X:
            raise CodecError(f"{symbol}: only Neo X has a native asset; name the contract", field="policy.assets")
    for chain, amount in policy.fee_max.items():
        units(amount, GAS_DECIMALS[chain])
    for name, book in policy.books.items():
        for address, since in book.entries.items():
            if since.tzinfo is None:
                raise CodecError(f"{name}: the time of {address} needs a zone, such as Z", field="policy.books")
            _chain_of(address, f"policy.books.{name}")
    for each in policy.hours or ():
        if each.from_ >= each.to:
            raise CodecError(
                f"{each.from_} to {each.to} is no time of a day: split it at midnight", field="policy.hours"
            )
    for rule in policy.rules or ():
        _insist_on_rule(policy, rule)
    _insist_on_counters(policy)
    insist_on_approvers(policy.approvers, policy.change)
    insist_on_requesters(policy.requesters, policy.approvers)
    insist_on_scorers(policy.risk, [*policy.approvers.values(), *policy.requesters.values()])
    for approval in policy.approvals:
        _insist_on_approval(policy, approval)


def _insist_on_approval(policy: Policy, rule: ApprovalRule) -> None:
    where = "policy.approvals"
    among = policy.approvers if rule.of is None else set(rule.of)
    for name in among:
        if name not in policy.approvers:
            raise CodecError(f"{name} is not among the policy's approvers: add the key there", field=where)
    if rule.threshold > len(among):
        raise CodecError(f"{rule.threshold} of {len(among)} approvers can never approve", field=where)
    known = {each.name for each in policy.rules or ()}
    for name in rule.rules or ():
        if name not in known:
            raise CodecError(f"there is no rule {name}", field=where)
    for symbol, amount in (rule.above or {}).items():
        if symbol not in policy.assets:
            raise CodecError(f"{symbol} is not among the policy's assets: add it there", field=where)
        units(amount, policy.assets[symbol].decimals)
    if rule.above is not None and policy.rules is None:
        raise CodecError("amounts are counted by rules, and there are none: leave out above, or add rules", field=where)


def _insist_on_counters(policy: Policy) -> None:
    names = [f"rate over {each.seconds} s" for each in policy.rate]
    for rule in policy.rules or ():
        if isinstance(rule, TransferRule | ApproveRule):
            names += [f"{rule.name}: {one} over {each.seconds} s" for one in rule.assets for each in rule.windows]
    for name in names:
        if names.count(name) > 1:
            raise CodecError(f"{name} stands there twice", field="policy")
    if len(names) > COUNTERS_MAX:
        raise CodecError(
            f"it counts {len(names)} things over time (each asset of a rule with each of its windows, and each rate); "
            f"{COUNTERS_MAX} are kept",
            field="policy",
        )


def _insist_on_rule(policy: Policy, rule: Rule) -> None:
    where = f"policy.rules.{rule.name}"
    match rule:
        case TransferRule() | ApproveRule():
            whom = rule.to if isinstance(rule, TransferRule) else rule.spenders
            for symbol in rule.assets:
                if symbol not in policy.assets:
                    raise CodecError(f"{symbol} is not among the policy's assets: add it there", field=where)
                for amount in (rule.amount_max, *(each.amount_max for each in rule.windows)):
                    if amount is not None:
                        units(amount, policy.assets[symbol].decimals)
            if rule.windows and isinstance(rule, ApproveRule) and rule.unlimited:
                raise CodecError("what is unlimited cannot be counted: leave out unlimited or windows", field=where)
            _insist_on_whom(policy.books, whom, where)
        case CallRule():
            units(rule.value_max, GAS_DECIMALS[Chain.NEO_X])
            if rule.chain is Chain.NEO_N3 and rule.value_max != "0":
                raise CodecError("a call on Neo N3 carries no value: leave value_max out", field=where)
        case DeployRule() | MessageRule() | TypedDataRule():
            pass


def _insist_on_whom(books: Mapping[str, Book], whom: Whom, where: str) -> None:
    match whom:
        case InBook():
            if whom.book not in books:
                raise CodecError(f"there is no book {whom.book}: add it to the policy's books", field=where)
        case tuple():
            for address in whom:
                _chain_of(address, where)
        case _:
            pass


def _chain_of(address: str, where: str) -> Chain:
    for chain in Chain:
        try:
            account_key(chain, address)
        except CodecError:
            continue
        return chain
    raise CodecError(f"{address} is no address of Neo N3 or Neo X", field=where)
