"""A key's policy over HTTP: what it is, what it would say, and how another takes its place."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, SkipValidation
from litestar.status_codes import HTTP_200_OK
from msgspec import Meta

from nsl.identity.model import Caller, Requires, Scope
from nsl.identity.service import Note
from nsl.keys.api.keys import SignRequest, to_sign
from nsl.keys.api.views import IdempotencyKey, KeysOf, KeyView, Once, ProofText, view, viewed
from nsl.keys.service import Governing
from nsl_protocol.policy.approvers import Name
from nsl_protocol.policy.document import Policy

GoverningOf = NamedDependency[SkipValidation[Governing]]


class HeldPolicyView(msgspec.Struct, frozen=True):
    number: int
    hash: str
    held_from: datetime
    changed_by: str


class KeyPolicyView(msgspec.Struct, frozen=True):
    """``hash``: SHA-256 of the policy's one encoding, by which leaves and receipts name it.

    ``number``: from 1, counted on by each change. ``following``: the policy that waits, which may hold from
    ``following_at``. ``cluster``: hex; approvers sign for it. ``history``: the latest hundred, the present one first.
    ``edition``: SHA-256 of the key as it is wrapped now; approvers of its destruction sign it.
    """

    hash: str
    policy: Policy
    number: int
    cluster: str
    edition: str
    history: list[HeldPolicyView]
    following: Policy | None = None
    following_at: datetime | None = None


class ChangePolicyRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``approvals``: by approver of the present policy, a signature (hex) as `nsl policy approve` makes it.

    ``expires_at``: of the approvals, Unix seconds; it is signed with the change.
    """

    policy: Policy
    expires_at: Annotated[int, Meta(ge=0, le=2**53 - 1)]
    approvals: Annotated[dict[Name, ProofText], Meta(max_length=16)]


class CompareRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``last``: how many of the latest signatures."""

    policy: Policy
    last: Annotated[int, Meta(ge=1, le=1000)] = 100


class DifferenceView(msgspec.Struct, frozen=True):
    """``before`` and ``after``: codes of what speaks against it; none: it is allowed."""

    receipt_id: UUID
    kind: str
    meaning: str
    before: list[str]
    after: list[str]


class ComparedView(msgspec.Struct, frozen=True):
    """Each signature by itself, by today's clock; what counts over time is not compared."""

    examined: int
    differences: list[DifferenceView]


class ObjectionView(msgspec.Struct, frozen=True):
    """``part``: the rule, or the part of the policy."""

    code: str
    part: str
    reason: str


class WindowView(msgspec.Struct, frozen=True):
    """A window that it counts in. ``amount``, ``limit`` and ``left``: signatures, or the asset's smallest units.

    ``window``: ``rate/SECONDS``, or ``RULE/ASSET/SECONDS``. There may be more left: what an enclave has taken in
    advance counts as spent until it gives it back.
    """

    window: str
    seconds: int
    amount: str
    limit: str
    left: str


class NeededApproval(msgspec.Struct, frozen=True):
    """It takes the approval of so many of these: `POST /v1/keys/{id}/approvals` asks for it."""

    threshold: int
    of: list[str]


class EvaluationView(msgspec.Struct, frozen=True):
    """``decoded``: what the enclave understands; ``rules``: those that allow it; ``would_change``: for each reason.

    ``risk_score_max``: it has to come with a score of at most that.
    """

    allowed: bool
    decoded: dict[str, Any]
    reasons: list[ObjectionView]
    would_change: list[str]
    rules: list[str]
    policy_hash: str
    windows: list[WindowView]
    approvals: list[NeededApproval]
    risk_score_max: int | None = None


@get("/v1/keys/{key_id:uuid}/policy", operation_id="getKeyPolicy", summary="What a key may sign", tags=["keys"])
async def get_policy(
    caller: Annotated[Caller, Requires(Scope.KEYS_READ, resource="key_id")],
    keys: KeysOf,
    governing: GoverningOf,
    key_id: FromPath[UUID],
) -> KeyPolicyView:
    history = await governing.history(caller.tenant, key_id)
    policies = (await keys.get(caller.tenant, key_id)).policies
    return KeyPolicyView(
        hash=policies.present.hash,
        policy=policies.present,
        number=policies.number,
        cluster=governing.cluster.hex(),
        edition=await keys.edition(caller.tenant, key_id),
        history=[HeldPolicyView(each.number, each.hash, each.held_from, each.changed_by) for each in history],
        following=policies.following,
        following_at=policies.following_at,
    )


@put(
    "/v1/keys/{key_id:uuid}/policy",
    operation_id="changeKeyPolicy",
    summary="Put another policy in place, now or after its time lock, by the signatures of those whom it names",
    tags=["keys"],
)
async def change_policy(
    caller: Annotated[Caller, Requires(Scope.KEYS_MANAGE, resource="key_id")],
    governing: GoverningOf,
    idempotency: Once,
    key_id: FromPath[UUID],
    data: JSONBody[ChangePolicyRequest],
    idempotency_key: IdempotencyKey = None,
) -> KeyView:
    approvals = {name: bytes.fromhex(signature) for name, signature in data.approvals.items()}

    async def act(note: Note[KeyView]) -> KeyView:
        return view(
            await governing.change(
                caller, key_id, data.policy, expires_at=data.expires_at, approvals=approvals, note=viewed(note)
            )
        )

    return await idempotency.once(caller, idempotency_key, ("changeKeyPolicy", (key_id, data)), KeyView, act)


@post(
    "/v1/keys/{key_id:uuid}/policy/withdraw",
    operation_id="withdrawKeyPolicy",
    summary="Let the policy that waits wait no more; the present one goes on",
    tags=["keys"],
    status_code=HTTP_200_OK,
)
async def withdraw_policy(
    caller: Annotated[Caller, Requires(Scope.KEYS_MANAGE, resource="key_id")],
    governing: GoverningOf,
    idempotency: Once,
    key_id: FromPath[UUID],
    idempotency_key: IdempotencyKey = None,
) -> KeyView:
    async def act(note: Note[KeyView]) -> KeyView:
        return view(await governing.withdraw(caller, key_id, viewed(note)))

    return await idempotency.once(caller, idempotency_key, ("withdrawKeyPolicy", key_id), KeyView, act)


@post(
    "/v1/keys/{key_id:uuid}/policy/compare",
    operation_id="compareKeyPolicy",
    summary="What another policy would have said to the key's latest signatures",
    tags=["keys"],
    status_code=HTTP_200_OK,
)
async def compare_policy(
    caller: Annotated[Caller, Requires(Scope.KEYS_READ, resource="key_id")],
    governing: GoverningOf,
    key_id: FromPath[UUID],
    data: JSONBody[CompareRequest],
) -> ComparedView:
    found = await governing.compare(caller.tenant, key_id, data.policy, data.last)
    differences = [
        DifferenceView(each.receipt, each.kind.value, each.meaning, list(each.before), list(each.after))
        for each in found.differences
    ]
    return ComparedView(found.examined, differences)


@post(
    "/v1/keys/{key_id:uuid}/policy/evaluate",
    operation_id="evaluatePolicy",
    summary="What the enclave would say to a request to sign, and why; nothing is signed",
    tags=["keys"],
    status_code=HTTP_200_OK,
)
async def evaluate_policy(
    caller: Annotated[Caller, Requires(Scope.KEYS_READ, resource="key_id")],
    keys: KeysOf,
    key_id: FromPath[UUID],
    data: JSONBody[SignRequest],
) -> EvaluationView:
    found = await keys.evaluate(caller.tenant, key_id, to_sign(data))
    return EvaluationView(
        allowed=not found.objections,
        decoded=msgspec.json.decode(found.decoded),
        reasons=[ObjectionView(each.code, each.part, each.reason) for each in found.objections],
        would_change=[each.would_change for each in found.objections],
        rules=list(found.rules),
        policy_hash=found.policy,
        windows=[WindowView(each.counter, each.seconds, each.amount, each.limit, each.left) for each in found.windows],
        approvals=[NeededApproval(each.threshold, list(each.of)) for each in found.approvals],
        risk_score_max=found.risk_score_max,
    )


#: what ``nsl.http`` mounts
HANDLERS = (get_policy, change_policy, withdraw_policy, compare_policy, evaluate_policy)
