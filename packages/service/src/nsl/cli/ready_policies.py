"""``nsl policy ready``: policies for what keys are usually for, made of a few numbers and addresses."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from nsl.cli.output import explained, fail
from nsl.kit.clock import now
from nsl.ledger.model import GAS_N3

DAY: Final = 86_400
_GAS: Final = {
    "neo-n3": {"chain": "neo-n3", "contract": GAS_N3.contract, "decimals": 8},
    "neo-x": {"chain": "neo-x", "contract": "native", "decimals": 18},
}
_KIND: Final = {"neo-n3": "n3-transaction", "neo-x": "evm-transaction"}


class ReadyName(StrEnum):
    TREASURY = "treasury"
    HOT_WALLET = "hot-wallet"
    PAYOUT = "payout"
    BRIDGE_RELAYER = "bridge-relayer"
    TOKEN_ISSUER = "token-issuer"  # noqa: S105 - a kind of key


class ChainOption(StrEnum):
    NEO_N3 = "neo-n3"
    NEO_X = "neo-x"


@dataclass(frozen=True)
class Terms:
    """What a ready policy is made of. ``day``: the most of GAS in any day, as decimal text."""

    chain: str
    network: int
    day: str
    recipients: Sequence[str] = ()
    contract: str | None = None
    methods: Sequence[str] = ()
    approvers: dict[str, dict[str, str]] = field(default_factory=dict)
    threshold: int = 1
    made_at: datetime = datetime(1970, 1, 1, tzinfo=UTC)

    def part(self, of: int) -> str:
        """So much of a day's amount, in as many decimals as there can be."""
        places = -8 if self.chain == "neo-n3" else -18
        amount = (Decimal(self.day) / of).quantize(Decimal((0, (1,), places)))
        return format(amount.normalize(), "f")


def treasury(terms: Terms) -> dict[str, Any]:
    """To a few accounts that were named, rarely; changed by its approvers after two days."""
    rule = {"allow": "transfer", "name": "named", "assets": ["GAS"], "to": list(terms.recipients)}
    limits = {"amount_max": terms.part(2), "windows": [{"seconds": DAY, "amount_max": terms.day}]}
    return _base(terms, fee="0.5", lock=2 * DAY) | {"rules": [rule | limits], "rate": [_rate(DAY, 20)]}


def hot_wallet(terms: Terms) -> dict[str, Any]:
    """To anybody, a little at a time: what is lost in an hour is known beforehand."""
    rule = {"allow": "transfer", "name": "small", "assets": ["GAS"], "to": "any", "amount_max": terms.part(100)}
    windows = [{"seconds": 3600, "amount_max": terms.part(10)}, {"seconds": DAY, "amount_max": terms.day}]
    return _base(terms, fee="0.2", lock=3600) | {"rules": [rule | {"windows": windows}], "rate": [_rate(60, 60)]}


def payout(terms: Terms) -> dict[str, Any]:
    """To customers in a book, each of whom counts a day after he was entered."""
    entries = dict.fromkeys(terms.recipients, terms.made_at.isoformat())
    rule = {"allow": "transfer", "name": "customers", "assets": ["GAS"], "to": {"book": "customers"}}
    limits = {"amount_max": terms.part(20), "windows": [{"seconds": DAY, "amount_max": terms.day}]}
    book = {"customers": {"entries": entries, "cool_down_seconds": DAY}}
    return _base(terms, fee="0.2", lock=3600) | {"books": book, "rules": [rule | limits], "rate": [_rate(60, 30)]}


def bridge_relayer(terms: Terms) -> dict[str, Any]:
    """Calls named methods of the bridge and pays fees; moves nothing of its own."""
    return _base(terms, fee="0.5", lock=DAY) | {"rules": [_calls(terms, "bridge")], "rate": [_rate(60, 120)]}


def token_issuer(terms: Terms) -> dict[str, Any]:
    """Calls named methods of the token's contract, such as mint and burn, a few times a day."""
    return _base(terms, fee="1", lock=2 * DAY) | {"rules": [_calls(terms, "issue")], "rate": [_rate(DAY, 10)]}


READY: Final[dict[ReadyName, Callable[[Terms], dict[str, Any]]]] = {
    ReadyName.TREASURY: treasury,
    ReadyName.HOT_WALLET: hot_wallet,
    ReadyName.PAYOUT: payout,
    ReadyName.BRIDGE_RELAYER: bridge_relayer,
    ReadyName.TOKEN_ISSUER: token_issuer,
}
_NEEDS_CONTRACT: Final = frozenset({ReadyName.BRIDGE_RELAYER, ReadyName.TOKEN_ISSUER})
_NEEDS_RECIPIENTS: Final = frozenset({ReadyName.TREASURY, ReadyName.PAYOUT})


def ready(
    name: Annotated[ReadyName, typer.Argument(help="What the key is for.")],
    chain: Annotated[ChainOption, typer.Option(help="Where it pays or calls.")],
    network: Annotated[int, typer.Option(help="The N3 magic number or EVM chain id.")],
    day: Annotated[str, typer.Option(help="GAS in any day, at most; the other limits follow from it.")] = "100",
    to: Annotated[
        list[str] | None, typer.Option(help="An account that may be paid; may be given more than once.")
    ] = None,
    contract: Annotated[str | None, typer.Option(help="0x and 40 hex digits: what is called.")] = None,
    method: Annotated[
        list[str] | None, typer.Option(help="A method's name on Neo N3, its selector on Neo X; more than once.")
    ] = None,
    approver: Annotated[
        list[str] | None, typer.Option(help="NAME=PUBLIC_KEY of who may change it, Ed25519 hex; more than once.")
    ] = None,
    threshold: Annotated[int, typer.Option(min=1, help="How many approvers it takes.")] = 1,
) -> None:
    """Print a policy for a treasury, a hot wallet, payouts, a bridge's relayer or a token's issuer, as JSON.

    Read it, change what you like, and test it: `nsl policy test`. Without approvers it can never be changed.

    Example: nsl policy ready hot-wallet --chain neo-x --network 47763 --day 50 > hot.json
    """
    from nsl_protocol.errors import CodecError
    from nsl_protocol.policy.document import read_policy

    with explained():
        if name in _NEEDS_CONTRACT and not (contract and method):
            fail(f"A {name} calls a contract: name it with --contract, and what it calls with --method.")
        if name in _NEEDS_RECIPIENTS and not to:
            fail(f"A {name} pays accounts that are named: --to ADDRESS.")
        terms = Terms(
            chain=chain.value,
            network=network,
            day=_amount(day),
            recipients=to or (),
            contract=contract,
            methods=method or (),
            approvers=dict(map(_approver, approver or ())),
            threshold=threshold,
            made_at=now().replace(microsecond=0),
        )
        document = READY[name](terms)
        try:
            read_policy(json.dumps(document).encode())
        except CodecError as error:
            fail(f"That makes no policy: {error}.")
        typer.echo(json.dumps(document, indent=2))


def _base(terms: Terms, *, fee: str, lock: int) -> dict[str, Any]:
    made: dict[str, Any] = {
        "kinds": [_KIND[terms.chain]],
        "networks": [{"chain": terms.chain, "number": terms.network}],
        "assets": {"GAS": _GAS[terms.chain]},
        "fee_max": {terms.chain: fee},
    }
    if terms.approvers:
        change = {"threshold": terms.threshold, "time_lock_seconds": lock}
        made |= {"approvers": terms.approvers, "change": change}
    return made


def _calls(terms: Terms, name: str) -> dict[str, Any]:
    methods = list(terms.methods)
    return {"allow": "call", "name": name, "chain": terms.chain, "contract": terms.contract, "methods": methods}


def _rate(seconds: int, count: int) -> dict[str, int]:
    return {"seconds": seconds, "count_max": count}


def _amount(text: str) -> str:
    if not re.fullmatch(r"(0|[1-9][0-9]{0,11})(\.[0-9]{1,6})?", text) or not Decimal(text):
        fail(f"{text} is no amount of GAS: a number such as 100 or 2.5.")
    return text


def _approver(text: str) -> tuple[str, dict[str, str]]:
    name, separator, public_key = text.partition("=")
    if not separator:
        fail(f"{text} names no approver: NAME=PUBLIC_KEY, as `nsl policy approver-key` prints it.")
    return name, {"algorithm": "ed25519", "public_key": public_key}
