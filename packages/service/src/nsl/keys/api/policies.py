"""A key's policy over HTTP: what it is, and what it would say."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.params import FromPath, JSONBody
from litestar.status_codes import HTTP_200_OK

from nsl.identity.model import Caller, Requires, Scope
from nsl.keys.api.keys import SignRequest, to_sign
from nsl.keys.api.views import KeysOf
from nsl_protocol.policy.document import Policy


class KeyPolicyView(msgspec.Struct, frozen=True):
    """``hash``: SHA-256 of the policy's one encoding, by which leaves and receipts name it."""

    hash: str
    policy: Policy


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


class EvaluationView(msgspec.Struct, frozen=True):
    """``decoded``: what the enclave understands; ``rules``: those that allow it; ``would_change``: for each reason."""

    allowed: bool
    decoded: dict[str, Any]
    reasons: list[ObjectionView]
    would_change: list[str]
    rules: list[str]
    policy_hash: str
    windows: list[WindowView]


@get("/v1/keys/{key_id:uuid}/policy", operation_id="getKeyPolicy", summary="What a key may sign", tags=["keys"])
async def get_policy(
    caller: Annotated[Caller, Requires(Scope.KEYS_READ, resource="key_id")], keys: KeysOf, key_id: FromPath[UUID]
) -> KeyPolicyView:
    policy = (await keys.get(caller.tenant, key_id)).policy
    return KeyPolicyView(policy.hash, policy)


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
    )


#: what ``nsl.http`` mounts
HANDLERS = (get_policy, evaluate_policy)
