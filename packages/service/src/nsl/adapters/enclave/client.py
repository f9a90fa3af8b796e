"""What the service asks of the key enclave, as calls."""

import asyncio
from asyncio import gather
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Final, Self

from msgspec.structs import replace

from nsl.adapters.enclave.answers import ROOT_UNKNOWN, expect, is_refused
from nsl.adapters.enclave.attending import attend_always
from nsl.adapters.enclave.batches import parts_of
from nsl.adapters.enclave.enrolment import Identity
from nsl.adapters.enclave.errors import DatabaseOlder, EnclaveDown, EnclaveRefused, EnclaveUntrusted, NoMajority
from nsl.adapters.enclave.ledgers import Ledgers
from nsl.adapters.enclave.links import Links
from nsl.adapters.enclave.register import Register
from nsl.adapters.enclave.register_store import RegisterStore
from nsl.adapters.enclave.trust import Trust
from nsl.audit.model import Evidence
from nsl.identity.errors import RootReplaced
from nsl.kit.clock import now
from nsl_protocol.attestation.binding import Purpose
from nsl_protocol.cluster.manifest import Program
from nsl_protocol.cluster.register import Path
from nsl_protocol.enclave.agreement import Certificate, Item
from nsl_protocol.enclave.below import DeriveKeys, KeysDerived
from nsl_protocol.enclave.evaluation import Evaluate, Evaluated
from nsl_protocol.enclave.lifecycle import ChangeApproval, ChangeKey, KeyChange, KeyChanged
from nsl_protocol.enclave.log import (
    NUMBER_MAX,
    AppendLeaves,
    GetLeaves,
    HeadSigned,
    LeavesAppended,
    LeavesKept,
    Lost,
    SignHead,
    ToAppend,
)
from nsl_protocol.enclave.membership import GetQuote, Quoted
from nsl_protocol.enclave.messages import (
    Answer,
    CreateKey,
    CreateTokenKey,
    Curve,
    GetStatus,
    ImportKey,
    KeyCreated,
    Refused,
    Request,
    Rewrap,
    Rewrapped,
    Seal,
    Sealed,
    Sign,
    Signature,
    Signed,
    SignOrder,
    SignToken,
    Status,
    TokenKeyCreated,
    TokenKind,
    TokenSigned,
    Unseal,
    Unsealed,
    Used,
)
from nsl_protocol.enclave.policies import ChangePolicy, PolicyChanged, SettlePolicy
from nsl_protocol.enclave.portable import AttestKey, ExportKey, KeyAttested, KeyExported
from nsl_protocol.enclave.signable import Signable
from nsl_protocol.enclave.symmetric import Product, Use, UseOrder
from nsl_protocol.enclave.wrapped import KeyName, WrappedKey, WrappedLog, WrappedSecret, WrappedTokenKey
from nsl_protocol.policy.document import Policy

#: what a replica lacks, and gets when it says so
NO_LEASE, NOT_SHOWN, WINDOW_LEASE_NEEDED = "NO_LEASE", "NOT_SHOWN", "WINDOW_LEASE_NEEDED"
#: as often as a replica may have to be left for another one, or to be shown something again
_ATTEMPTS: Final = 4


class EnclaveClient:
    """One enclave program, at the address of each of its replicas. Use as an async context manager.

    It connects when first needed, to an enclave that has proven itself.

    Raises:
        EnclaveDown: from every call, when no replica can be reached or answers in time.
        EnclaveUntrusted: from every call, when what answers is not an enclave that the manifest lists.
        NoMajority, DatabaseOlder: from calls that make or use keys.
    """

    def __init__(
        self, addresses: Sequence[tuple[str, int]], trust: Trust, identity: Identity, register: RegisterStore
    ) -> None:
        self._links = Links(addresses, Program.KME, trust, identity)
        replicas = [link.ask for link in self._links.replicas]
        self._older: DatabaseOlder | None = None
        self.register = Register(register, replicas, lambda: trust.constitution().present)
        self._ledgers = Ledgers(register, self.register, replicas)
        self._trust = trust

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._links.close()

    @asynccontextmanager
    async def attending(self) -> AsyncIterator[None]:
        """See to the replicas while the block runs: members, leases, and what a crash has left half done."""
        task = asyncio.create_task(attend_always(self.register, self._found_older))
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def attend(self) -> None:
        """See to the replicas once. Raises EnclaveDown, NoMajority, DatabaseOlder."""
        await self.register.attend()

    async def check(self) -> None:
        """Raises EnclaveDown, EnclaveUntrusted, DatabaseOlder."""
        self._insist_on_newest()
        await self.status()

    async def status(self) -> Status:
        """Who answers. Mode and measurement are those of the quote that it proved itself by."""
        status = expect(Status, await self._links.call(GetStatus()))
        verdict = await self._links.verdict()
        if verdict.claims is None or verdict.quote is None:
            raise EnclaveUntrusted("The enclave has not proven itself.")
        return replace(status, mode=verdict.claims.mode, measurement=verdict.quote.measurement.hex())

    async def rewrap(self, items: Sequence[Item | WrappedSecret]) -> tuple[bytes | Refused, ...]:
        """Up to 256 blobs under the latest root, in order."""
        return expect(Rewrapped, await self._links.call(Rewrap(tuple(items)))).results

    async def quote(self, purpose: Purpose, nonce: bytes) -> Quoted:
        """A fresh quote, which nobody has verified here. Raises EnclaveRefused."""
        return expect(Quoted, await self._links.call(GetQuote(purpose, nonce)))

    async def proof(self, purpose: Purpose, nonce: bytes) -> Quoted:
        """A fresh quote with its collateral, which nobody has verified here. Raises EnclaveRefused, Unavailable."""
        quoted = await self.quote(purpose, nonce)
        collateral = await self._trust.collateral(quoted.quote, quoted.collateral)
        return replace(quoted, collateral=collateral.document.encode())

    async def create_key(
        self, name: KeyName, curve: Curve, policy: Policy, *, recipients: Sequence[bytes] = ()
    ) -> KeyCreated:
        """Make a key, and enter it into the register of keys; only its wrapped form is seen. Raises EnclaveRefused."""
        made = expect(KeyCreated, await self._work(CreateKey(name, curve, policy.canonical, tuple(recipients))))
        await self.register.enter(WrappedKey(name, made.wrapped))
        return made

    async def import_key(self, order: ImportKey) -> KeyCreated:
        """Hand a key in that is encrypted to the enclave, and enter it into the register. Raises EnclaveRefused."""
        made = expect(KeyCreated, await self._work(order))
        await self.register.enter(WrappedKey(order.terms.name, made.wrapped))
        return made

    async def export_key(self, name: KeyName, wrapped: bytes, recipient: bytes) -> KeyExported:
        """The private key, encrypted to one of its recipients. Raises EnclaveRefused, RootReplaced."""
        item = WrappedKey(name, wrapped)
        return await self._present(item, lambda head, path: ExportKey(head, item, path, recipient), KeyExported)

    async def attest_key(self, name: KeyName, wrapped: bytes, nonce: bytes) -> KeyAttested:
        """What the enclave says of a key, with the quote's collateral. Raises EnclaveRefused, RootReplaced."""
        item = WrappedKey(name, wrapped)
        made = await self._present(item, lambda head, path: AttestKey(head, item, path, nonce), KeyAttested)
        collateral = await self._trust.collateral(made.quote, made.collateral)
        return replace(made, collateral=collateral.document.encode())

    async def change_key(
        self,
        name: KeyName,
        wrapped: bytes,
        change: KeyChange,
        wait_seconds: int = 0,
        approval: ChangeApproval | None = None,
    ) -> KeyChanged:
        """Make the edition that a change leads to; nothing is changed yet. Raises EnclaveRefused, RootReplaced."""
        return expect(KeyChanged, await self._work(ChangeKey(name, wrapped, change, wait_seconds, approval)))

    async def change_policy(
        self, name: KeyName, wrapped: bytes, policy: Policy, expires_at: int, approvals: Mapping[str, bytes]
    ) -> PolicyChanged:
        """Make the edition in which another policy holds or waits; nothing is changed yet. Raises EnclaveRefused."""
        order = ChangePolicy(name, wrapped, policy.canonical, expires_at, dict(approvals))
        return expect(PolicyChanged, await self._work(order))

    async def settle_policy(self, name: KeyName, wrapped: bytes, *, withdrawn: bool) -> PolicyChanged:
        """Make the edition in which the policy that waits holds, or waits no more. Raises EnclaveRefused."""
        return expect(PolicyChanged, await self._work(SettlePolicy(name, wrapped, withdrawn)))

    @property
    def cluster(self) -> bytes:
        """Which one it is, by its manifest."""
        return self._trust.constitution().cluster

    async def enter_key(self, name: KeyName, wrapped: bytes) -> None:
        """Make an edition the present one; when it is already, that is well. Raises EnclaveRefused, RootReplaced."""
        self._insist_on_newest()
        try:
            await self.register.enter(WrappedKey(name, wrapped))
        except EnclaveRefused as refused:
            if refused.code == ROOT_UNKNOWN:
                raise RootReplaced(refused.detail) from refused
            raise

    async def evaluate(self, name: KeyName, wrapped: bytes, what: Signable) -> Evaluated:
        """What signing would come to, without signing. Raises EnclaveRefused, RootReplaced."""
        ledger = await self._ledgers.present(name)
        return expect(Evaluated, await self._links.call(Evaluate(name, wrapped, what, ledger)))

    async def derive_keys(self, name: KeyName, wrapped: bytes, first: int, count: int) -> KeysDerived:
        """Public keys at ``m/0/first`` and after it. Raises EnclaveRefused, RootReplaced."""
        return expect(KeysDerived, await self._links.call(DeriveKeys(name, wrapped, first, count)))

    async def sign(self, orders: Sequence[SignOrder], *, slow: bool = False) -> tuple[Signature | Refused, ...]:
        """A result for each order, in order; ``slow``: others go between them. Raises RootReplaced."""
        return await self._each(orders, partial(self._sign, slow=slow))

    async def use(self, orders: Sequence[UseOrder]) -> tuple[Product | Refused, ...]:
        """A result for each order to a secret key, in order. Raises RootReplaced."""
        return await self._each(orders, self._use)

    async def _each[O: SignOrder | UseOrder, R](
        self, orders: Sequence[O], ask: Callable[[Sequence[O]], Awaitable[list[R | Refused]]]
    ) -> tuple[R | Refused, ...]:
        """What is answered, after the replica was given what it lacked."""
        results = await ask(orders)
        for _ in range(_ATTEMPTS):
            again = [
                place for place, result in enumerate(results) if is_refused(result, NOT_SHOWN, WINDOW_LEASE_NEEDED)
            ]
            if not again:
                break
            items = {_item(orders[place]): is_refused(results[place], NOT_SHOWN) for place in again}
            refused = await gather(*(self._helped(item, unseen=unseen) for item, unseen in items.items()))
            for item, why in filter(None, refused):  # its own orders alone
                for place in [each for each in again if _item(orders[each]) == item]:
                    results[place] = why
                    again.remove(place)
            for place, result in zip(again, await ask([orders[place] for place in again]), strict=True):
                results[place] = result
        for result in results:
            if isinstance(result, Refused) and result.code == ROOT_UNKNOWN:
                raise RootReplaced(result.reason)
        return tuple(results)

    async def create_token_key(self, kid: str) -> TokenKeyCreated:
        """Make a key that signs tokens, and enter it into the register. Raises EnclaveRefused."""
        made = expect(TokenKeyCreated, await self._work(CreateTokenKey(kid), patient=True))
        await self.register.enter(WrappedTokenKey(kid, made.wrapped))
        return made

    async def sign_token(self, kind: TokenKind, kid: str, wrapped: bytes, claims: bytes) -> str:
        """A JWT over these claims. Raises EnclaveRefused."""
        request = SignToken(kind, kid, wrapped, claims)
        return expect(TokenSigned, await self._work_shown(WrappedTokenKey(kid, wrapped), request)).token

    async def seal(self, purpose: str, secret: bytes) -> bytes:
        """Encrypt a secret for one purpose."""
        return expect(Sealed, await self._links.call(Seal(purpose, secret))).sealed

    async def unseal(self, purpose: str, sealed: bytes) -> bytes:
        """Open it again. Raises EnclaveRefused."""
        return expect(Unsealed, await self._links.call(Unseal(purpose, sealed))).secret

    async def append_leaves(self, log: bytes | None, items: Sequence[ToAppend | Lost]) -> LeavesAppended:
        """The edition of the log that has these behind it; nothing holds by it alone. Raises EnclaveRefused."""
        return expect(LeavesAppended, await self._work(AppendLeaves(log, tuple(items))))

    async def enter_log(self, log: bytes) -> None:
        """Make an edition of the log the present one; when it is already, that is well. Raises EnclaveRefused."""
        self._insist_on_newest()
        await self.register.enter(WrappedLog(log))

    async def sign_head(self, log: bytes) -> HeadSigned:
        """The head of the present edition. Raises EnclaveRefused."""
        return expect(HeadSigned, await self._work_shown(WrappedLog(log), SignHead(log)))

    async def leaves_kept(self, following: Mapping[bytes, int]) -> tuple[list[LeavesKept], bool]:
        """What each replica keeps of its run, from the number on that is named; and whether all have answered."""
        kept, all_answered = [], True
        for link in self._links.replicas:
            try:
                run = expect(LeavesKept, await link.ask(GetLeaves(NUMBER_MAX))).run
                kept.append(expect(LeavesKept, await link.ask(GetLeaves(following.get(run, 0)))))
            except (EnclaveDown, EnclaveUntrusted):
                all_answered = False
        return kept, all_answered

    async def evidence(self, nonce: bytes) -> Evidence:
        """A quote over a nonce that binds the log key, with its collateral."""
        quoted = await self.proof(Purpose.EVIDENCE, nonce)
        log_key, version = quoted.keys
        collateral = "" if quoted.collateral is None else quoted.collateral.decode()
        return Evidence(log_key, now(), nonce, int.from_bytes(version), quoted.quote, collateral)

    async def _sign(self, orders: Sequence[SignOrder], *, slow: bool) -> list[Signature | Refused]:
        calls = [Sign(tuple(part)) for part in ([[each] for each in orders] if slow else parts_of(orders))]
        # In turn where others are to go between them; and for one call, a task would cost a tenth of its time.
        in_turn = slow or len(calls) == 1
        answers = [await self._work(each) for each in calls] if in_turn else await gather(*map(self._work, calls))
        return [result for answer in answers for result in expect(Signed, answer).results]

    async def _use(self, orders: Sequence[UseOrder]) -> list[Product | Refused]:
        answers = await gather(*(self._work(Use(tuple(part))) for part in parts_of(orders)))
        return [result for answer in answers for result in expect(Used, answer).results]

    async def _helped(self, item: WrappedKey, *, unseen: bool) -> tuple[WrappedKey, Refused] | None:
        """Why the replica cannot be given what it lacks; None: it was."""
        try:
            if unseen:
                await self._show(item)
            else:
                await self._lease(item)
        except EnclaveRefused as error:
            if error.code != NO_LEASE:
                return item, Refused(error.code, error.detail)
            await self.register.attend()  # it lost its lease since it was asked: one that has a lease is asked next
        return None

    async def _show(self, item: Item) -> None:
        try:
            await self.register.show(self._links.call_first, item)
        except EnclaveDown:
            # It is of an earlier epoch, or fell silent: another replica is asked next.
            self._links.leave_first()

    async def _lease(self, item: WrappedKey) -> None:
        try:
            await self._ledgers.lease(self._links.call_first, item.name, item.wrapped)
        except EnclaveDown:
            self._links.leave_first()

    async def _present[T: Answer](
        self, item: Item, request: Callable[[Certificate, Path], Request], kind: type[T]
    ) -> T:
        """The answer of a replica that has a lease to a request about the present edition of a key."""
        self._insist_on_newest()
        for _ in range(_ATTEMPTS):
            try:
                return await self.register.ask_present(self._links.call, item, request, kind)
            except EnclaveRefused as refused:
                if refused.code == ROOT_UNKNOWN:
                    raise RootReplaced(refused.detail) from refused
                if refused.code != NO_LEASE:
                    raise
                await self.register.attend()
            except EnclaveDown:
                # It is of an earlier epoch, or none answers: another replica is asked next.
                self._links.leave_first()
        raise NoMajority("No key enclave has a lease, and too few answer to grant one; repeat the request.")

    async def _work(self, request: Request, *, patient: bool = False) -> Answer:
        """The answer of a replica that has a lease, where it needs one.

        Raises:
            NoMajority: none has.
            DatabaseOlder: the replicas said so when they were attended last; nothing goes on by such a database.
        """
        self._insist_on_newest()
        answer = await self._links.call(request, patient=patient)
        for attempt in range(_ATTEMPTS):
            if not is_refused(answer, NO_LEASE):
                return answer
            if attempt > 0:
                self._links.leave_first()
            await self.register.attend()
            answer = await self._links.call(request, patient=patient)
        raise NoMajority("No key enclave has a lease to sign, and too few answer to grant one; repeat the request.")

    async def _work_shown(self, item: Item, request: Request) -> Answer:
        """As ``_work``, after the replica has been shown what it works by."""
        answer = await self._work(request)
        for _ in range(_ATTEMPTS):
            if not is_refused(answer, NOT_SHOWN):
                break
            await self._show(item)
            answer = await self._work(request)
        return answer

    def _insist_on_newest(self) -> None:
        if self._older is not None:
            raise DatabaseOlder(self._older.detail)

    def _found_older(self, older: DatabaseOlder | None) -> None:
        self._older = older


def _item(order: SignOrder | UseOrder) -> WrappedKey:
    return WrappedKey(order.name, order.wrapped)
