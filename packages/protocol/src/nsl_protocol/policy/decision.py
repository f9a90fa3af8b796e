"""Whether a policy allows what a thing to sign does. Pure; everything that speaks against it is named."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from nsl_protocol.policy.document import (
    ANY,
    GAS_DECIMALS,
    NATIVE,
    ApproveRule,
    CallRule,
    Chain,
    DeployRule,
    InBook,
    Kind,
    MessageRule,
    Policy,
    Rule,
    Scope,
    TransferRule,
    TypedDataRule,
    Whom,
    account_key,
    cooled,
    units,
)
from nsl_protocol.policy.effects import (
    Approves,
    Calls,
    Deploys,
    Effect,
    Meaning,
    Moves,
    SignsMessage,
    SignsTypedData,
    Token,
)

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SCOPES_OF_RULES = (Scope.CALLED_BY_ENTRY, Scope.NONE)


@dataclass(frozen=True, slots=True)
class Objection:
    """Why not: which rule or part of the policy, and what would change it."""

    code: str
    part: str
    reason: str
    would_change: str


@dataclass(frozen=True, slots=True)
class Spend:
    """What signing counts as, in one of the policy's windows.

    Attributes:
        counter: by what name it is counted: ``rate/SECONDS`` or ``RULE/SYMBOL/SECONDS``.
        amount: signatures, or the asset's smallest units.
        limit: the most of that in any ``seconds``.
    """

    counter: str
    seconds: int
    limit: int
    amount: int


@dataclass(frozen=True, slots=True)
class Needed:
    """It takes the approval of so many of these."""

    threshold: int
    of: frozenset[str]


@dataclass(frozen=True, slots=True)
class Decision:
    """``rules``: those that allowed something; ``spends``: what has to fit windows; ``approvals``: it takes these."""

    objections: tuple[Objection, ...]
    rules: tuple[str, ...]
    spends: tuple[Spend, ...] = ()
    approvals: tuple[Needed, ...] = ()

    @property
    def allowed(self) -> bool:
        """Nothing speaks against it."""
        return not self.objections


def decide(policy: Policy, meaning: Meaning, unix_seconds: int) -> Decision:
    """
    Args:
        unix_seconds: enclave time.
    """
    objections = [*_by_kind(policy, meaning), *_by_place(policy, meaning), *_by_time(policy, unix_seconds)]
    rates = tuple(Spend(f"rate/{each.seconds}", each.seconds, each.count_max, 1) for each in policy.rate)
    if policy.rules is None:
        return Decision(tuple(objections), (), rates, tuple(_needed(policy, (), {}, ())))
    if meaning.not_understood and meaning.kind is not Kind.DIGEST:
        change = "Sign something that is understood in full, or use a key whose policy has no rules."
        objections.append(Objection("NOT_UNDERSTOOD_IN_FULL", "rules", meaning.not_understood, change))
    by_rule: dict[tuple[str, Token], int] = defaultdict(int)
    used: list[str] = []
    unbounded: set[str] = set()
    for effect in meaning.effects:
        found = _allowing(policy, meaning, effect, unix_seconds)
        if isinstance(found, Objection):
            objections.append(found)
            continue
        used.append(found.name)
        if isinstance(effect, Approves) and effect.amount is None:
            unbounded.add(found.name)
        elif isinstance(effect, Moves | Approves) and effect.amount is not None:
            by_rule[found.name, effect.token] += effect.amount
    objections += _by_amount(policy, by_rule)
    rules, sums = tuple(dict.fromkeys(used)), _sums(policy, by_rule)
    return Decision(
        tuple(objections), rules, (*rates, *_spends(policy, sums)), tuple(_needed(policy, rules, sums, unbounded))
    )


def unapproved(needed: Needed, by: frozenset[str]) -> Objection | None:
    """What speaks against it where these have approved it."""
    have = by & needed.of
    if len(have) >= needed.threshold:
        return None
    reason = (
        f"It takes the approval of {needed.threshold} of {', '.join(sorted(needed.of))}; {len(have)} have given it."
    )
    return Objection("APPROVAL_NEEDED", "approvals", reason, "Their signatures over exactly this: ask for an approval.")


def _needed(
    policy: Policy, used: Collection[str], sums: Mapping[tuple[str, str], int], unbounded: Collection[str]
) -> Iterator[Needed]:
    for rule in policy.approvals:
        scope = set(used) if rule.rules is None else set(rule.rules)
        if rule.rules is not None and not scope & set(used):
            continue
        if rule.above is not None and not scope & set(unbounded) and not _is_above(policy, rule.above, scope, sums):
            continue
        yield Needed(rule.threshold, frozenset(policy.approvers if rule.of is None else rule.of))


def _is_above(
    policy: Policy, above: Mapping[str, str], scope: Collection[str], sums: Mapping[tuple[str, str], int]
) -> bool:
    """Assets that it does not name are below it at nothing."""
    totals: dict[str, int] = defaultdict(int)
    for (name, symbol), amount in sums.items():
        if name in scope:
            totals[symbol] += amount
    return any(
        amount > units(above.get(symbol, "0"), policy.assets[symbol].decimals) for symbol, amount in totals.items()
    )


def _sums(policy: Policy, by_rule: Mapping[tuple[str, Token], int]) -> Mapping[tuple[str, str], int]:
    """What each rule lets through of each asset."""
    rules = {rule.name: rule for rule in policy.rules or ()}
    sums: dict[tuple[str, str], int] = defaultdict(int)
    for (name, token), amount in by_rule.items():
        rule = rules[name]
        symbol = _symbol(policy, rule, token) if isinstance(rule, TransferRule | ApproveRule) else None
        if symbol is not None:
            # An asset that has one contract on several networks is one asset.
            sums[name, symbol] += amount
    return sums


def _spends(policy: Policy, sums: Mapping[tuple[str, str], int]) -> Iterator[Spend]:
    rules = {rule.name: rule for rule in policy.rules or ()}
    for (name, symbol), amount in sums.items():
        rule = rules[name]
        for each in rule.windows if isinstance(rule, TransferRule | ApproveRule) else ():
            limit = units(each.amount_max, policy.assets[symbol].decimals)
            yield Spend(f"{name}/{symbol}/{each.seconds}", each.seconds, limit, amount)


def too_much(policy: Policy, spend: Spend, left: int, free_in: int | None = None) -> Objection:
    """What speaks against it where so much of its window is left.

    Args:
        free_in: seconds until there is more.
    """
    part, *rest = spend.counter.split("/")
    symbol = rest[0] if len(rest) > 1 else None
    limit, asked, remains = (_counted(policy, symbol, each) for each in (spend.limit, spend.amount, max(0, left)))
    reason = f"In any {spend.seconds} seconds it may come to {limit}; {remains} is left, and this is {asked}."
    change = "A smaller amount." if spend.amount > spend.limit else "The same request later"
    if spend.amount <= spend.limit:
        change += "." if free_in is None else f": there is more in {free_in} seconds."
    return Objection("WINDOW_EXCEEDED", part, f"{_window_of(part, symbol)} is used up. {reason}", change)


def _window_of(part: str, symbol: str | None) -> str:
    return "The policy's rate" if symbol is None else f"Rule {part}'s window for {symbol}"


def _counted(policy: Policy, symbol: str | None, count: int) -> str:
    if symbol is None:
        return f"{count} signature" if count == 1 else f"{count} signatures"
    return f"{decimal(count, policy.assets[symbol].decimals)} {symbol}"


def _by_kind(policy: Policy, meaning: Meaning) -> Iterator[Objection]:
    if policy.kinds is not None and meaning.kind not in policy.kinds:
        allowed = ", ".join(policy.kinds) or "nothing"
        reason = f"This key's policy does not allow {meaning.kind}; it allows {allowed}."
        yield Objection("KIND_NOT_ALLOWED", "kinds", reason, f"{meaning.kind} among the policy's kinds.")
    elif meaning.kind is Kind.DIGEST and not policy.blind_signing:
        reason = "This key does not sign bare digests: a digest hides what it stands for."
        change = "Submit what the digest stands for, or use a key whose policy allows blind_signing."
        yield Objection("BLIND_SIGNING_NOT_ALLOWED", "blind_signing", reason, change)


def _by_place(policy: Policy, meaning: Meaning) -> Iterator[Objection]:
    chain, network = meaning.chain, meaning.network
    named = policy.networks is None or any((each.chain, each.number) == (chain, network) for each in policy.networks)
    if chain is not None and not named:
        reason = f"The policy does not name network {network} of {chain}."
        yield Objection("NETWORK_NOT_ALLOWED", "networks", reason, "That network among the policy's networks.")
    most = None if chain is None else policy.fee_max.get(chain)
    if chain is not None and most is not None and meaning.fee > units(most, GAS_DECIMALS[chain]):
        reason = f"It may cost more than {most} GAS in fees on {chain}."
        yield Objection("FEE_TOO_HIGH", "fee_max", reason, "A lower fee limit in the transaction.")
    allowed = policy.scopes if policy.scopes is not None or policy.rules is None else _SCOPES_OF_RULES
    for scope in meaning.scopes:
        if allowed is not None and scope not in allowed:
            reason = f"The signature would reach as far as {scope}; allowed are {', '.join(allowed) or 'none'}."
            yield Objection("SCOPE_NOT_ALLOWED", "scopes", reason, "The scope CalledByEntry in the transaction.")


def _by_time(policy: Policy, unix_seconds: int) -> Iterator[Objection]:
    if policy.hours is None:
        return
    now = datetime.fromtimestamp(unix_seconds, UTC)
    day, clock = _DAYS[now.weekday()], now.strftime("%H:%M")
    if not any(day in each.days and each.from_ <= clock < each.to for each in policy.hours):
        reason = f"It is {day} {clock} UTC, and the policy signs at other hours."
        yield Objection("OUTSIDE_HOURS", "hours", reason, "The same request at an hour that the policy names.")


def _by_amount(policy: Policy, by_rule: Mapping[tuple[str, Token], int]) -> Iterator[Objection]:
    rules = {rule.name: rule for rule in policy.rules or ()}
    for (name, token), amount in by_rule.items():
        rule = rules[name]
        if isinstance(rule, TransferRule | ApproveRule) and rule.amount_max is not None:
            symbol = _symbol(policy, rule, token)
            if symbol is not None and amount > units(rule.amount_max, policy.assets[symbol].decimals):
                reason = f"Rule {name} allows at most {rule.amount_max} {symbol} in one transaction."
                yield Objection("AMOUNT_TOO_HIGH", name, reason, "A smaller amount, or another rule.")


def _allowing(policy: Policy, meaning: Meaning, effect: Effect, unix_seconds: int) -> Rule | Objection:
    """The first rule that this is allowed by."""
    owner = _owner(effect)
    if owner not in (None, meaning.own):
        reason = f"It moves or approves what belongs to {owner}, not to this key's account {meaning.own}."
        return Objection("NOT_OWN_ACCOUNT", "rules", reason, "A transaction over this key's own account.")
    for rule in policy.rules or ():
        if _allows(policy, rule, effect, unix_seconds):
            return rule
    reason = f"No rule allows to {_said(policy, effect)}."
    return Objection("NOT_ALLOWED_BY_ANY_RULE", "rules", reason, "A rule of the policy that allows exactly that.")


def _owner(effect: Effect) -> str | None:
    """Whose tokens it is about; None: nobody's."""
    match effect:
        case Moves():
            return effect.source
        case Approves():
            return effect.owner
    return None


def _allows(policy: Policy, rule: Rule, effect: Effect, unix_seconds: int) -> bool:
    match rule, effect:
        case TransferRule(), Moves():
            known = _symbol(policy, rule, effect.token) is not None
            return known and _is_meant(policy, rule.to, effect.token.chain, effect.recipient, unix_seconds)
        case ApproveRule(), Approves():
            known = _symbol(policy, rule, effect.token) is not None
            bounded = effect.amount is not None or rule.unlimited  # which has no windows
            return known and bounded and _is_meant(policy, rule.spenders, Chain.NEO_X, effect.spender, unix_seconds)
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


def _symbol(policy: Policy, rule: TransferRule | ApproveRule, token: Token) -> str | None:
    """Of the rule's assets, the one that this token is."""
    for symbol in rule.assets:
        asset = policy.assets[symbol]
        same = (asset.chain, asset.contract.lower()) == (token.chain, token.contract)
        if same and asset.network in (None, token.network):
            return symbol
    return None


def _is_meant(policy: Policy, whom: Whom, chain: Chain, address: str, unix_seconds: int) -> bool:
    if isinstance(whom, InBook):
        return address in _spelled(chain, cooled(policy.books[whom.book], unix_seconds))
    return isinstance(whom, str) or address in _spelled(chain, whom)


@lru_cache(maxsize=1024)
def _spelled(chain: Chain, addresses: Collection[str]) -> frozenset[str]:
    """Those of that chain, each as an effect spells it."""
    ours = (each for each in addresses if each.startswith("0x") == (chain is Chain.NEO_X))
    return frozenset(account_key(chain, each) for each in ours)


def _said(policy: Policy, effect: Effect) -> str:
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


def _amount(policy: Policy, token: Token, amount: int) -> str:
    for symbol, asset in policy.assets.items():
        if (asset.chain, asset.contract.lower()) == (token.chain, token.contract):
            return f"{decimal(amount, asset.decimals)} {symbol}"
    unit = "wei of GAS" if token.contract == NATIVE else f"units of {token.contract}"
    return f"{amount} {unit}"


def decimal(amount: int, decimals: int) -> str:
    """A count of the smallest unit as a decimal number."""
    whole, fraction = divmod(amount, 10**decimals)
    digits = str(fraction).rjust(decimals, "0").rstrip("0") if decimals else ""
    return f"{whole}.{digits}" if digits else str(whole)


def summary(policy: Policy, meaning: Meaning) -> str:
    """Everything that it does, in a sentence."""
    said = [_said(policy, effect) for effect in meaning.effects]
    if meaning.not_understood:
        said.append("something that is not understood")
    return "; ".join(said) or "nothing"
