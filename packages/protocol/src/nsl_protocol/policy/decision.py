"""Whether a policy allows what a thing to sign does. Pure; everything that speaks against it is named."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from nsl_protocol.policy.amounts import units
from nsl_protocol.policy.approvers import ApprovalRule
from nsl_protocol.policy.document import (
    GAS_DECIMALS,
    ApproveRule,
    Chain,
    Kind,
    Policy,
    Rule,
    Scope,
    TransferRule,
)
from nsl_protocol.policy.effects import Approves, Effect, Meaning, Moves, Token
from nsl_protocol.policy.explaining import (
    DAYS,
    cools_at,
    decimal,
    hours,
    networks,
    opens,
    otherwise,
    said,
    sentence,
    why_not,
)
from nsl_protocol.policy.matching import allows, symbol_of

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


#: the part of a policy by which whoever asks signs the request
REQUESTERS: Final = "requesters"


@dataclass(frozen=True, slots=True)
class Needed:
    """It takes the approval of so many of these; ``part``: by which part of the policy, and ``when`` that asks."""

    threshold: int
    of: frozenset[str]
    part: str = "approvals"
    when: str = ""


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
        change = f"What is understood in full, such as calls of contracts alone, or {otherwise(policy, 'no rules')}."
        objections.append(
            Objection(
                "NOT_UNDERSTOOD_IN_FULL",
                "rules",
                f"Its rules are about what is understood in full. {meaning.not_understood}",
                change,
            )
        )
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
    names, missing = (", ".join(sorted(each)) for each in (needed.of, needed.of - have))
    if needed.part == REQUESTERS:
        return Objection(
            "REQUEST_SIGNATURE_NEEDED",
            needed.part,
            f"By {needed.part}, whoever asks signs the request, with the key of {names}. No such signature over "
            "exactly this, for this key and policy, came with it; or it has expired, or is good for too long.",
            f"The same request with `request_signature` by {names}: `nsl keys sign --requester`, or "
            "`nsl_client.requests.Requester`.",
        )
    reason = (
        f"By {needed.part}{needed.when}, it takes the approval of {needed.threshold} of {names}; "
        f"{len(have)} have given it."
    )
    change = (
        f"The signatures of {needed.threshold - len(have)} of {missing} over exactly this: ask for an approval, and "
        "bring its id. One that has expired, or is for other bytes or another policy, does not count."
    )
    return Objection("APPROVAL_NEEDED", needed.part, reason, change)


def _needed(
    policy: Policy, used: Collection[str], sums: Mapping[tuple[str, str], int], unbounded: Collection[str]
) -> Iterator[Needed]:
    if policy.requesters:
        yield Needed(1, frozenset(policy.requesters), REQUESTERS)
    for number, rule in enumerate(policy.approvals):
        scope = set(used) if rule.rules is None else set(rule.rules)
        if rule.rules is not None and not scope & set(used):
            continue
        if rule.above is not None and not scope & set(unbounded) and not _is_above(policy, rule.above, scope, sums):
            continue
        of = frozenset(policy.approvers if rule.of is None else rule.of)
        yield Needed(rule.threshold, of, f"approvals[{number}]", _when(rule))


def _when(rule: ApprovalRule) -> str:
    """Which signatures take it."""
    above = "" if rule.above is None else " above " + ", ".join(f"{each} {name}" for name, each in rule.above.items())
    return above + ("" if rule.rules is None else f" for what {', '.join(rule.rules)} allows")


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
        symbol = symbol_of(policy, rule, token) if isinstance(rule, TransferRule | ApproveRule) else None
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
    change = f"At most {limit} at once" if spend.amount > spend.limit else "The same request later"
    if spend.amount <= spend.limit and free_in is not None:
        change += f": there is more in {free_in} seconds"
    change += f"; or {otherwise(policy, 'a wider window there')}."
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
        reason = f"This key's policy does not allow {meaning.kind}; its kinds are {allowed}."
        change = sentence(otherwise(policy, f"{meaning.kind} among its kinds"))
        yield Objection("KIND_NOT_ALLOWED", "kinds", reason, change)
    elif meaning.kind is Kind.DIGEST and not policy.blind_signing:
        reason = "This key's policy has no blind_signing, so it signs no bare digest: that hides what it stands for."
        change = f"What the digest stands for, submitted as that, or {otherwise(policy, 'blind_signing')}."
        yield Objection("BLIND_SIGNING_NOT_ALLOWED", "blind_signing", reason, change)


def _by_place(policy: Policy, meaning: Meaning) -> Iterator[Objection]:
    chain, network = meaning.chain, meaning.network
    named = policy.networks is None or any((each.chain, each.number) == (chain, network) for each in policy.networks)
    if chain is not None and not named:
        ours = f"network {network} of {chain}" if network is not None else f"no network of {chain}"
        reason = f"It is for {ours}; the policy's networks are {networks(policy)}."
        change = f"The same for one of those, or {otherwise(policy, f'{chain} {network} among its networks')}."
        yield Objection("NETWORK_NOT_ALLOWED", "networks", reason, change)
    most = None if chain is None else policy.fee_max.get(chain)
    if chain is not None and most is not None and meaning.fee > units(most, GAS_DECIMALS[chain]):
        fee = decimal(meaning.fee, GAS_DECIMALS[chain])
        reason = f"It may cost up to {fee} GAS in fees on {chain}, and the policy's fee_max there is {most} GAS."
        lower = "gas limit or price of gas" if chain is Chain.NEO_X else "system and network fee"
        change = f"A lower {lower} in the transaction, or {otherwise(policy, 'a higher fee_max')}."
        yield Objection("FEE_TOO_HIGH", "fee_max", reason, change)
    allowed = policy.scopes if policy.scopes is not None or policy.rules is None else _SCOPES_OF_RULES
    for scope in meaning.scopes:
        if allowed is not None and scope not in allowed:
            reason = (
                f"The signature would reach as far as {scope}; the policy's scopes are {', '.join(allowed) or 'none'}."
            )
            narrower = Scope.CALLED_BY_ENTRY if Scope.CALLED_BY_ENTRY in allowed else "one of those"
            change = f"The scope {narrower} for this key's account, or {otherwise(policy, f'{scope} in its scopes')}."
            yield Objection("SCOPE_NOT_ALLOWED", "scopes", reason, change)


def _by_time(policy: Policy, unix_seconds: int) -> Iterator[Objection]:
    if policy.hours is None:
        return
    now = datetime.fromtimestamp(unix_seconds, UTC)
    day, clock = DAYS[now.weekday()], now.strftime("%H:%M")
    if not any(day in each.days and each.from_ <= clock < each.to for each in policy.hours):
        reason = f"It is {day} {clock} UTC by the enclave's clock; the policy's hours are {hours(policy)}."
        later = f"{opens(policy, now):%Y-%m-%d %H:%M} UTC"
        change = f"The same request from {later} on, or {otherwise(policy, 'this hour among its hours')}."
        yield Objection("OUTSIDE_HOURS", "hours", reason, change)


def _by_amount(policy: Policy, by_rule: Mapping[tuple[str, Token], int]) -> Iterator[Objection]:
    rules = {rule.name: rule for rule in policy.rules or ()}
    for (name, token), amount in by_rule.items():
        rule = rules[name]
        if isinstance(rule, TransferRule | ApproveRule) and rule.amount_max is not None:
            symbol = symbol_of(policy, rule, token)
            if symbol is not None and amount > units(rule.amount_max, policy.assets[symbol].decimals):
                asked, most = decimal(amount, policy.assets[symbol].decimals), f"{rule.amount_max} {symbol}"
                reason = f"Rule {name} allows at most {most} in one transaction, and this comes to {asked} {symbol}."
                change = f"At most {most} at once, or {otherwise(policy, f'a higher amount_max in rule {name}')}."
                yield Objection("AMOUNT_TOO_HIGH", name, reason, change)


def _allowing(policy: Policy, meaning: Meaning, effect: Effect, unix_seconds: int) -> Rule | Objection:
    """The first rule that this is allowed by."""
    owner = _owner(effect)
    if owner not in (None, meaning.own):
        reason = (
            f"Rules are about what is this key's own account's, {meaning.own}; this would "
            f"{said(policy, effect)}, and that belongs to {owner}."
        )
        change = f"The key of {owner}, or a transaction over {meaning.own}."
        return Objection("NOT_OWN_ACCOUNT", "rules", reason, change)
    for rule in policy.rules or ():
        if allows(policy, rule, effect, unix_seconds):
            return rule
    reason = f"No rule allows to {said(policy, effect)}. {why_not(policy, effect)}"
    cools = cools_at(policy, effect, unix_seconds)
    change = otherwise(policy, "a rule that allows exactly that")
    if cools is not None:
        change = f"the same request from {cools:%Y-%m-%d %H:%M} UTC on, or {change}"
    return Objection("NOT_ALLOWED_BY_ANY_RULE", "rules", reason, sentence(change))


def _owner(effect: Effect) -> str | None:
    """Whose tokens it is about; None: nobody's."""
    match effect:
        case Moves():
            return effect.source
        case Approves():
            return effect.owner
    return None


def summary(policy: Policy, meaning: Meaning) -> str:
    """Everything that it does, in a sentence."""
    does = [said(policy, effect) for effect in meaning.effects]
    if meaning.not_understood:
        does.append("something that is not understood")
    return "; ".join(does) or "nothing"
