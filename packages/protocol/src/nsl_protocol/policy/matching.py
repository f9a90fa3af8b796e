"""Which rule of a policy is about what a thing to sign does. Pure."""

from collections.abc import Collection
from datetime import UTC, datetime
from functools import lru_cache

from nsl_protocol.policy.amounts import units
from nsl_protocol.policy.document import (
    ANY,
    GAS_DECIMALS,
    ApproveRule,
    Book,
    CallRule,
    Chain,
    DeployRule,
    InBook,
    MessageRule,
    Policy,
    Rule,
    TransferRule,
    TypedDataRule,
    Whom,
    account_key,
)
from nsl_protocol.policy.effects import (
    Approves,
    Calls,
    Deploys,
    Effect,
    Moves,
    SignsMessage,
    SignsTypedData,
    Token,
)


def allows(policy: Policy, rule: Rule, effect: Effect, unix_seconds: int) -> bool:
    """Whatever it amounts to together with others."""
    match rule, effect:
        case TransferRule(), Moves():
            known = symbol_of(policy, rule, effect.token) is not None
            return known and is_meant(policy, rule.to, effect.token.chain, effect.recipient, unix_seconds)
        case ApproveRule(), Approves():
            known = symbol_of(policy, rule, effect.token) is not None
            bounded = effect.amount is not None or rule.unlimited  # which has no windows
            return known and bounded and is_meant(policy, rule.spenders, Chain.NEO_X, effect.spender, unix_seconds)
        case CallRule(), Calls():
            named = rule.methods == ANY or effect.method in rule.methods
            same = (rule.chain, rule.contract.lower()) == (effect.chain, effect.contract)
            return same and named and effect.value <= units(rule.value_max, GAS_DECIMALS[Chain.NEO_X])
        case DeployRule(), Deploys():
            return effect.value == 0
        case MessageRule(), SignsMessage():
            return True
        case TypedDataRule(), SignsTypedData():
            same = (rule.chain_id, rule.verifying_contract.lower()) == (effect.chain_id, effect.contract)
            return same and effect.primary_type in rule.primary_types
    return False


def symbol_of(policy: Policy, rule: TransferRule | ApproveRule, token: Token) -> str | None:
    """Of the rule's assets, the one that this token is."""
    for symbol in rule.assets:
        asset = policy.assets[symbol]
        same = (asset.chain, asset.contract.lower()) == (token.chain, token.contract)
        if same and asset.network in (None, token.network):
            return symbol
    return None


def is_meant(policy: Policy, whom: Whom, chain: Chain, address: str, unix_seconds: int) -> bool:
    """Whether the address is one of those; in a book, one that has cooled down."""
    if isinstance(whom, InBook):
        return address in _spelled(chain, cooled(policy.books[whom.book], unix_seconds))
    return isinstance(whom, str) or address in _spelled(chain, whom)


@lru_cache(maxsize=1024)
def _spelled(chain: Chain, addresses: Collection[str]) -> frozenset[str]:
    """Those of that chain, each as an effect spells it."""
    ours = (each for each in addresses if each.startswith("0x") == (chain is Chain.NEO_X))
    return frozenset(account_key(chain, each) for each in ours)


def cooled(book: Book, unix_seconds: int) -> frozenset[str]:
    """The addresses that count by then, as they are spelled in it."""
    now = datetime.fromtimestamp(unix_seconds, UTC)
    return frozenset(
        address for address, since in book.entries.items() if (now - since).total_seconds() >= book.cool_down_seconds
    )
