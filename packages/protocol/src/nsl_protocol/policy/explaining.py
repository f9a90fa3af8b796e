"""What a policy's refusals say: what was asked, what the policy has instead, and what would change it. Pure."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice

from nsl_protocol.policy.document import (
    ANY,
    GAS_DECIMALS,
    NATIVE,
    ApproveRule,
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
from nsl_protocol.policy.matching import symbol_of

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_NAMED_MAX = 4
_ABOUT: tuple[tuple[type[Effect], type[Rule]], ...] = (
    (Moves, TransferRule),
    (Approves, ApproveRule),
    (Calls, CallRule),
    (Deploys, DeployRule),
    (SignsMessage, MessageRule),
    (SignsTypedData, TypedDataRule),
)
_TAGS = {
    TransferRule: "transfer",
    ApproveRule: "approve",
    CallRule: "call",
    DeployRule: "deploy",
    MessageRule: "message",
    TypedDataRule: "typed-data",
}


def sentence(text: str) -> str:
    """As one."""
    return f"{text[0].upper()}{text[1:]}."


def otherwise(policy: Policy, has: str) -> str:
    """Under which policy it would be allowed, and who may put that in place."""
    if policy.change is None:
        return f"another key, whose policy has {has} (this one's is fixed: it names nobody who may change it)"
    names = ", ".join(sorted(policy.approvers))
    return f"a policy that has {has} (it takes {policy.change.threshold} of {names} to change this key's)"


def networks(policy: Policy) -> str:
    """Those that the policy names."""
    return ", ".join(f"{each.chain} {each.number}" for each in policy.networks or ()) or "none"


def hours(policy: Policy) -> str:
    """When the policy signs, in UTC."""
    return "; ".join(f"{', '.join(each.days)} from {each.from_} to {each.to}" for each in policy.hours or ())


def opens(policy: Policy, now: datetime) -> datetime:
    """When the policy's hours begin next."""
    begins = []
    for ahead in range(len(DAYS) + 1):
        day = now + timedelta(days=ahead)
        for each in policy.hours or ():
            at = day.replace(hour=int(each.from_[:2]), minute=int(each.from_[3:]), second=0, microsecond=0)
            if DAYS[day.weekday()] in each.days and at > now:
                begins.append(at)
    return min(begins)


def why_not(policy: Policy, effect: Effect) -> str:
    """What stands in the way in each of the rules that are about such things."""
    kind = next(rule for made, rule in _ABOUT if isinstance(effect, made))
    found = [f"Rule {rule.name}: {_obstacle(policy, rule, effect)}." for rule in _rules_of(policy, kind)]
    if not found:
        return f"The policy has no rule of the kind {_TAGS[kind]}."
    more = [f"So it is with {len(found) - _NAMED_MAX} more."] if len(found) > _NAMED_MAX else []
    return " ".join([*islice(found, _NAMED_MAX), *more])


def cools_at(policy: Policy, effect: Effect, unix_seconds: int) -> datetime | None:
    """When somebody in a book counts, where that is all that is missing; None: it is not."""
    now = datetime.fromtimestamp(unix_seconds, UTC)
    for rule in policy.rules or ():
        match rule, effect:
            case TransferRule(), Moves():
                whom, address, bounded = rule.to, effect.recipient, True
            case ApproveRule(), Approves():
                whom, address = rule.spenders, effect.spender
                bounded = effect.amount is not None or rule.unlimited
            case _:
                continue
        known = symbol_of(policy, rule, effect.token) is not None
        since = _counts_from(policy, whom, effect.token.chain, address)
        if known and bounded and since is not None and since > now:
            return since
    return None


def said(policy: Policy, effect: Effect) -> str:
    """What it does, in the policy's own words for tokens."""
    match effect:
        case Moves():
            return f"move {_amount(policy, effect.token, effect.amount)} to {effect.recipient}"
        case Approves():
            amount = "any amount" if effect.amount is None else _amount(policy, effect.token, effect.amount)
            return f"let {effect.spender} take {amount} of {effect.token.contract}"
        case Calls():
            return f"call {effect.method} of {effect.contract} on {effect.chain}"
        case Deploys():
            return "create a contract"
        case SignsMessage():
            return "sign a message"
        case SignsTypedData():
            return f"sign typed data {effect.primary_type} for {effect.contract}"


def decimal(amount: int, decimals: int) -> str:
    """A count of the smallest unit as a decimal number."""
    whole, fraction = divmod(amount, 10**decimals)
    digits = str(fraction).rjust(decimals, "0").rstrip("0") if decimals else ""
    return f"{whole}.{digits}" if digits else str(whole)


def _rules_of(policy: Policy, kind: type[Rule]) -> Iterator[Rule]:
    return (each for each in policy.rules or () if isinstance(each, kind))


def _obstacle(policy: Policy, rule: Rule, effect: Effect) -> str:
    """Of a rule that is about such things and does not allow this one."""
    match rule, effect:
        case (TransferRule() | ApproveRule(), Moves() | Approves()):
            return _other_token(policy, rule, effect) or _other_account(policy, rule, effect)
        case CallRule(), Calls():
            return _other_call(rule, effect)
        case DeployRule(), Deploys():
            return f"no GAS may go with it, and {_gas(effect.value)} does"
        case TypedDataRule(), _:
            kinds = ", ".join(rule.primary_types)
            return f"it is about {kinds} for {rule.verifying_contract.lower()} on chain {rule.chain_id}"
    return "it is about something else"


def _other_token(policy: Policy, rule: TransferRule | ApproveRule, effect: Moves | Approves) -> str:
    """Empty: it is one of the rule's, and there is no more of it than the rule can bound."""
    if symbol_of(policy, rule, effect.token) is None:
        return f"it is about {', '.join(rule.assets)}, and {effect.token.contract} is none of these on this network"
    if isinstance(rule, ApproveRule) and effect.amount is None and not rule.unlimited:
        return "it allows no unlimited amount"
    return ""


def _other_account(policy: Policy, rule: TransferRule | ApproveRule, effect: Moves | Approves) -> str:
    whom = rule.to if isinstance(rule, TransferRule) else rule.spenders
    address = effect.recipient if isinstance(effect, Moves) else effect.spender
    since = _counts_from(policy, whom, effect.token.chain, address)
    if isinstance(whom, InBook) and since is not None:
        return f"{address} stands in book {whom.book} and counts from {_minute(since)} UTC on"
    if isinstance(whom, InBook):
        return f"{address} does not stand in book {whom.book}"
    return f"{address} is not among its {'recipients' if isinstance(rule, TransferRule) else 'spenders'}"


def _other_call(rule: CallRule, effect: Calls) -> str:
    if (rule.chain, rule.contract.lower()) != (effect.chain, effect.contract):
        return f"it is about {rule.contract.lower()} on {rule.chain}"
    if rule.methods != ANY and effect.method not in rule.methods:
        return f"its methods are {', '.join(rule.methods)}"
    return f"its value_max is {rule.value_max} GAS, and {_gas(effect.value)} goes with this"


def _counts_from(policy: Policy, whom: Whom, chain: Chain, address: str) -> datetime | None:
    """None: it stands in no book that is meant."""
    if not isinstance(whom, InBook):
        return None
    book = policy.books[whom.book]
    for entered, since in book.entries.items():
        if entered.startswith("0x") == (chain is Chain.NEO_X) and account_key(chain, entered) == address:
            return since.astimezone(UTC) + timedelta(seconds=book.cool_down_seconds)
    return None


def _minute(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M")


def _gas(value: int) -> str:
    return f"{decimal(value, GAS_DECIMALS[Chain.NEO_X])} GAS"


def _amount(policy: Policy, token: Token, amount: int) -> str:
    for symbol, asset in policy.assets.items():
        if (asset.chain, asset.contract.lower()) == (token.chain, token.contract):
            return f"{decimal(amount, asset.decimals)} {symbol}"
    unit = "wei of GAS" if token.contract == NATIVE else f"units of {token.contract}"
    return f"{amount} {unit}"
