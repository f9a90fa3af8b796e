"""What this run of the enclave may still sign of the windows of the keys' policies. See ``ledger``."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from msgspec.msgpack import decode, encode

from nsl_enclave.kme.ledger import Ledger, Share, counted, free_in, leased, returned
from nsl_enclave.kme.wrapping import NOTHING, Opened, Wrapping
from nsl_protocol.enclave.fields import WRAPPED_BYTES_MAX
from nsl_protocol.enclave.ledger import LedgerMade
from nsl_protocol.enclave.wrapped import KeyName, WrappedLedger
from nsl_protocol.policy.decision import Spend

type Place = tuple[bytes, bytes]


@dataclass(slots=True)
class _Held:
    """This run's shares of one counter by number: until when they may be spent, and how much there is; its lack."""

    shares: dict[int, tuple[int, int]] = field(default_factory=dict)
    lacking: Spend | None = None

    def balance(self, now: float) -> int:
        return sum(amount for until, amount in self.shares.values() if until > now)

    def spend(self, amount: int, now: float) -> None:
        """Of those that end first. There is as much."""
        for number, (until, there) in sorted(self.shares.items(), key=lambda item: item[1]):
            if until > now:
                used = min(amount, there)
                self.shares[number] = until, there - used
                amount -= used

    def lack(self, spend: Spend) -> None:
        before = 0 if self.lacking is None else self.lacking.amount
        self.lacking = replace(spend, amount=min(spend.limit, before + spend.amount))


@dataclass(slots=True)
class _Key:
    """
    Attributes:
        taken: the number of the last share that was taken up: none is taken up twice.
        present: its ledger, as the register was shown to have it; None: it may have another one.
    """

    counters: dict[str, _Held] = field(default_factory=dict)
    taken: int = 0
    present: Ledger | None = None


@dataclass(frozen=True, slots=True)
class Lacking:
    """Of which window there is too little. ``sure``: no replica has any of it in advance, so there is no more."""

    spend: Spend
    left: int
    free_in: int | None
    sure: bool


class Windows:
    """
    Args:
        run: of this program, from a start to its end; random.
        now: steady time, Unix seconds.
    """

    def __init__(self, wrapping: Wrapping, run: bytes, now: Callable[[], float]) -> None:
        self._wrapping = wrapping
        self._run = run
        self._now = now
        self._numbers = count(1)
        self._keys: dict[Place, _Key] = {}

    def spend(self, name: KeyName, spends: Sequence[Spend]) -> Lacking | None:
        """Count all of these, or say what there is too little of and count none."""
        key, now = self._of(name), self._now()
        held = [key.counters.setdefault(each.counter, _Held()) for each in spends]
        balances = [each.balance(now) for each in held]
        lacking = [
            self._lacking(key, spend, balance, now)
            for spend, balance in zip(spends, balances, strict=True)
            if balance < spend.amount
        ]
        if lacking:
            if not any(each.sure for each in lacking):
                for each in lacking:
                    key.counters[each.spend.counter].lack(each.spend)
            return max(lacking, key=lambda found: found.sure)
        for counter, spend in zip(held, spends, strict=True):
            counter.spend(spend.amount, now)
        return None

    def lease(self, name: KeyName, wrapped: bytes | None) -> LedgerMade:
        """The edition in which this run has what it lacked. Raises Refusal: it is no ledger of this key."""
        key, now = self._of(name), self._now()
        opened = self._opened(name, wrapped)
        wants = [held.lacking for held in key.counters.values() if held.lacking is not None]
        used_up = {number for held in key.counters.values() for number, (_, left) in held.shares.items() if not left}
        following, short = leased(opened.secret, wants, self._run, used_up, self._numbers.__next__, now)
        return self._made(name, opened, following, short=short)

    def give_back(self, name: KeyName, wrapped: bytes) -> LedgerMade:
        """The edition in which this run's shares are closed; it has none from here on, whatever becomes of that.

        Raises:
            Refusal: it is no ledger of this key.
        """
        key, opened = self._of(name), self._opened(name, wrapped)
        left = {number: there for held in key.counters.values() for number, (_, there) in held.shares.items()}
        for held in key.counters.values():
            held.shares.clear()
        # A share that was leased and never shown is given back whole, and not taken up later.
        ours = [each for shares in opened.secret.counters.values() for each in shares if each.run == self._run]
        left |= {each.number: each.count for each in ours if each.number > key.taken}
        key.taken = max((key.taken, *(each.number for each in ours)))
        return self._made(name, opened, returned(opened.secret, self._run, left), short=False)

    def keep(self, item: WrappedLedger) -> None:
        """The register has exactly this one: what it gives this run may be spent. Raises Refusal: it is none."""
        key, now = self._keys.setdefault((item.tenant, item.key), _Key()), self._now()
        key.present = self.opened(item).secret
        taken = key.taken
        for held in key.counters.values():
            held.lacking = None
        for counter, shares in key.present.counters.items():
            held = key.counters.setdefault(counter, _Held())
            held.shares = {number: each for number, each in held.shares.items() if each[0] > now}
            for share in shares:
                if share.run == self._run and share.number > taken:
                    held.shares[share.number] = share.until, share.count
                    key.taken = max(key.taken, share.number)

    def left(self, name: KeyName, spends: Sequence[Spend], wrapped: bytes | None) -> Iterator[Lacking]:
        """What there is of each of these by that ledger, which may be an older one."""
        key, now = self._of(name), self._now()
        ledger = self._opened(name, wrapped).secret
        for spend in spends:
            held = key.counters.get(spend.counter)
            yield self._found(ledger, spend, 0 if held is None else held.balance(now), now)

    def forget(self, index: bytes | None) -> None:
        """Another edition of this ledger holds, or may hold; None: of any."""
        for (tenant, key_id), key in self._keys.items():
            if index is None or WrappedLedger(tenant, key_id, b"").index == index:
                key.present = None

    def opened(self, item: WrappedLedger) -> Opened[Ledger]:
        """Raises Refusal: it is none."""
        opened = self._wrapping.open_ledger(item)
        return Opened(opened.edition, opened.replaces, decode(opened.secret, type=Ledger))

    def _lacking(self, key: _Key, spend: Spend, balance: int, now: float) -> Lacking:
        if key.present is None:
            return Lacking(spend, balance, None, sure=spend.amount > spend.limit)
        return self._found(key.present, spend, balance, now)

    def _found(self, ledger: Ledger, spend: Spend, balance: int, now: float) -> Lacking:
        shares: tuple[Share, ...] = ledger.counters.get(spend.counter, ())
        left = max(0, spend.limit - counted(shares, spend.seconds, now)) + balance
        elsewhere = sum(each.count for each in shares if each.run not in (b"", self._run) and each.until > now)
        return Lacking(spend, left, free_in(shares, spend.seconds, now), sure=left + elsewhere < spend.amount)

    def _of(self, name: KeyName) -> _Key:
        return self._keys.setdefault((name.tenant, name.key), _Key())

    def _opened(self, name: KeyName, wrapped: bytes | None) -> Opened[Ledger]:
        if wrapped is None:
            return Opened(NOTHING, NOTHING, Ledger())
        return self.opened(WrappedLedger(name.tenant, name.key, wrapped))

    def _made(self, name: KeyName, former: Opened[Ledger], ledger: Ledger, *, short: bool) -> LedgerMade:
        if ledger == former.secret:
            return LedgerMade(None, short)
        wrapped = self._wrapping.wrap_ledger(WrappedLedger(name.tenant, name.key, b""), encode(ledger), former.edition)
        if len(wrapped) > WRAPPED_BYTES_MAX:
            return LedgerMade(None, short=True)  # until some of the shares count no more
        return LedgerMade(wrapped, short)
