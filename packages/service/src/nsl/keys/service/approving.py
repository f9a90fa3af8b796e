"""Approvals of single signatures: asked for, decided by signatures, revoked. The enclave judges; this carries."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

import msgspec

from nsl.identity.model import Caller
from nsl.identity.service import Note, note
from nsl.keys.errors import ApprovalDecided, ApprovalNotYours, ApprovalUnknown, DecisionNotSigned
from nsl.keys.model import Key
from nsl.keys.service.addresses import DepositAddresses
from nsl.keys.service.asking import ToSign, signable
from nsl.keys.service.signing import Keys
from nsl.keys.store import approvals as store
from nsl.keys.store.approvals import ApprovalRequest, ApproverDecision
from nsl.kit.clock import now
from nsl.kit.db import Connection, Database
from nsl.kit.ids import new_id
from nsl_protocol.enclave.policies import Approval
from nsl_protocol.enclave.signed import read_signable
from nsl_protocol.policy.approving import SigningApproval, request_digest
from nsl_protocol.policy.decision import REQUESTERS, Needed, decide, summary, unapproved
from nsl_protocol.policy.reading import meaning_of


class ApprovalState(StrEnum):
    OPEN = "open"
    APPROVED = "approved"  # by as many as it takes; until it expires
    REJECTED = "rejected"  # so many reject it that the others do not suffice
    EXPIRED = "expired"
    REVOKED = "revoked"
    USED = "used"


@dataclass(frozen=True, slots=True)
class Shown:
    """A request with what it means by the policy of its key as it is now.

    Attributes:
        statement: what approvers sign.
        needed: whose approval it takes.
        public_key: of whose signature this is about: the key's, or that of one below it.
    """

    request: ApprovalRequest
    statement: SigningApproval
    state: ApprovalState
    meaning: str
    needed: tuple[Needed, ...]
    public_key: bytes


class Approving:
    """Of all tenants, one at a time."""

    def __init__(self, database: Database, keys: Keys, addresses: DepositAddresses, cluster: bytes) -> None:
        self._database = database
        self._keys = keys
        self._addresses = addresses
        self._cluster = cluster

    async def ask(
        self,
        caller: Caller,
        key_id: UUID,
        item: ToSign,
        expires_in: timedelta,
        told: Note[Shown] | None = None,
    ) -> Shown:
        """Ask for the approval of a signature. Raises KeyUnknown, KindUnsuitable, PayloadUnreadable, AddressUnknown."""
        await self._keys.evaluate(caller.tenant, key_id, item)
        below = None
        if item.address_index is not None:
            below = (await self._addresses.at(caller.tenant, key_id, item.address_index)).public_key
        key = await self._keys.get(caller.tenant, key_id)
        at = now().replace(microsecond=0)
        request = ApprovalRequest(
            id=new_id(),
            key=key.id,
            kind=item.kind,
            request=msgspec.msgpack.encode(signable(key, item)),
            policy_hash=key.policy.hash,
            requested_by=caller.subject,
            requested_at=at,
            expires_at=at + expires_in,
            public_key=below,
        )
        shown = self._shown(caller.tenant, key, request, at)
        async with self._database.transaction(caller.tenant) as connection:
            await store.insert(connection, caller.tenant, request)
            await note(connection, caller, "approval.requested", str(request.id), key=str(key.id))
            if told is not None:
                await told(connection, shown)
        return shown

    async def get(self, tenant: UUID, id_: UUID) -> Shown:
        """Raises ApprovalUnknown, also for another tenant's."""
        async with self._database.transaction(tenant) as connection:
            return await self._read(connection, tenant, id_)

    async def page(
        self, tenant: UUID, *, key: UUID | None, after: UUID | None, open_: bool, limit: int
    ) -> tuple[list[Shown], UUID | None]:
        """The tenant's, newest first, and where the next page begins."""
        async with self._database.transaction(tenant) as connection:
            found = await store.page(connection, tenant, now=now(), key=key, after=after, open_=open_, limit=limit + 1)
        shown = [self._shown(tenant, await self._keys.get(tenant, each.key), each, now()) for each in found[:limit]]
        return shown, found[limit - 1].id if len(found) > limit else None

    async def decide(self, caller: Caller, id_: UUID, *, approver: str, approved: bool, signature: bytes) -> Shown:
        """Write down what an approver has decided and signed; whoever asked for it brings no decision.

        Raises:
            ApprovalUnknown, ApprovalDecided
            ApprovalNotYours: the caller asked for it.
            DecisionNotSigned: that is no approver, or not his signature over exactly this.
        """
        at = now()
        shown = await self.get(caller.tenant, id_)
        if caller.subject == shown.request.requested_by:
            raise ApprovalNotYours("You asked for this approval: let somebody else bring the decisions.")
        if shown.state not in (ApprovalState.OPEN, ApprovalState.APPROVED):
            raise ApprovalDecided(f"It is {shown.state}: ask for another approval.")
        key = await self._keys.get(caller.tenant, shown.request.key)
        if approver not in shown.statement.by(key.policy, {approver: signature}, rejected=not approved):
            raise DecisionNotSigned(
                f"This is no signature of an approver {approver} over exactly this: `nsl approvals approve` makes one.",
                field="signature",
            )
        made = ApproverDecision(approver, approved, signature, caller.subject, at)
        async with self._database.transaction(caller.tenant) as connection:
            if not await store.insert_decision(connection, caller.tenant, id_, made):
                raise ApprovalDecided(f"{approver} has decided before, or it was revoked.")
            action = "approval.approved" if approved else "approval.rejected"
            await note(connection, caller, action, str(id_), approver=approver)
            return await self._read(connection, caller.tenant, id_)

    async def revoke(self, caller: Caller, id_: UUID) -> Shown:
        """Let it be used no more. Raises ApprovalUnknown, ApprovalDecided: it was used, or revoked."""
        async with self._database.transaction(caller.tenant) as connection:
            await self._read(connection, caller.tenant, id_)
            if not await store.revoke(connection, id_, now()):
                raise ApprovalDecided("It was used or revoked before.")
            await note(connection, caller, "approval.revoked", str(id_))
            return await self._read(connection, caller.tenant, id_)

    async def carried(self, tenant: UUID, key_id: UUID, id_: UUID) -> Approval:
        """As the enclave takes it; from here on it counts as used.

        Raises:
            ApprovalUnknown: also where it is for another key.
            ApprovalDecided: it was revoked.
        """
        async with self._database.transaction(tenant) as connection:
            shown = await self._read(connection, tenant, id_)
            if shown.request.key != key_id:
                raise ApprovalUnknown("There is no such approval for this key.")
            if shown.state is ApprovalState.APPROVED and not await store.use(connection, id_, now()):
                raise ApprovalDecided("It was revoked.")
        if shown.state is ApprovalState.REVOKED:
            raise ApprovalDecided("It was revoked.")
        signatures = {each.approver: each.signature for each in shown.request.decisions if each.approved}
        return Approval(id_.bytes, int(shown.request.expires_at.timestamp()), signatures)

    async def _read(self, connection: Connection, tenant: UUID, id_: UUID) -> Shown:
        found = await store.page(connection, tenant, now=now(), id_=id_, limit=1)
        if not found:
            raise ApprovalUnknown("There is no such approval.")
        return self._shown(tenant, await self._keys.get(tenant, found[0].key), found[0], now())

    def _shown(self, tenant: UUID, key: Key, request: ApprovalRequest, at: datetime) -> Shown:
        what = read_signable(request.request)
        public_key = request.public_key or key.public_key
        meaning = meaning_of(what, key.curve, public_key)
        decided = decide(key.policy, meaning, int(at.timestamp())).approvals
        # Whoever asks signs when they sign with it.
        needed = tuple(each for each in decided if each.part != REQUESTERS)
        statement = SigningApproval(
            cluster=self._cluster.hex(),
            tenant=tenant,
            key=key.id,
            policy=request.policy_hash,
            request=request_digest(what),
            id=request.id,
            expires_at=int(request.expires_at.timestamp()),
        )
        state = _state(request, needed, at)
        if state is ApprovalState.OPEN and request.policy_hash != key.policy.hash:
            state = ApprovalState.EXPIRED  # with the policy that asked for it
        return Shown(request, statement, state, summary(key.policy, meaning), needed, public_key)


def _state(request: ApprovalRequest, needed: Sequence[Needed], at: datetime) -> ApprovalState:
    if request.used_at is not None:
        return ApprovalState.USED
    if request.revoked_at is not None:
        return ApprovalState.REVOKED
    if request.expires_at <= at:
        return ApprovalState.EXPIRED
    approved, rejected = (
        frozenset(each.approver for each in request.decisions if each.approved is wanted) for wanted in (True, False)
    )
    if any(len(each.of - rejected) < each.threshold for each in needed):
        return ApprovalState.REJECTED
    if all(unapproved(each, approved) is None for each in needed):
        return ApprovalState.APPROVED
    return ApprovalState.OPEN
