"""What a host that was taken over may try with policies and approvals, on three key enclaves as they run.

It replaces a policy, substitutes approvers, replays an approval on another intent. Each test says who refuses.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace

from nsl.kit.clock import unix_seconds
from nsl_client import ApiError, AsyncClient, Key, NslError
from nsl_protocol.enclave.messages import Signature
from nsl_protocol.enclave.policies import Approval, ChangePolicy
from nsl_protocol.enclave.signable import Signable, SignDigest, SignMessage
from nsl_protocol.policy.approvers import ApprovalRule, ChangeRule
from nsl_protocol.policy.approving import SigningApproval, request_digest
from nsl_protocol.policy.changing import PolicyChange
from nsl_protocol.policy.document import Kind, Policy
from tests.acceptance.malicious_host import By, MaliciousHost, changed, key_under
from tests.enclave.test_governing import APPROVERS, SIGN

pytestmark = pytest.mark.asyncio(loop_scope="package")
DAY = 86_400
MESSAGE = SignMessage(b"move the treasury")
DIGEST = SignDigest(b"m" * 32)
GOVERNED = Policy(kinds=(Kind.MESSAGE,), approvers=APPROVERS, change=ChangeRule(2), approvals=(ApprovalRule(2),))
WIDER = replace(GOVERNED, kinds=(Kind.MESSAGE, Kind.DIGEST), blind_signing=True, approvals=())


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def key(client: AsyncClient) -> Key:
    """Under ``GOVERNED``."""
    return await key_under(client, GOVERNED)


# Policy replaced, approvers substituted -------------------------------------------------------------------------------


@dataclass
class Changing:
    """What a host may say that the approvers of a key have signed."""

    host: MaliciousHost
    key: Key

    def statement(self, **changes: object) -> PolicyChange:
        made = PolicyChange(
            cluster=self.host.cluster.hex(),
            tenant=self.host.tenant,
            key=UUID(self.key.id),
            number=1,
            from_=GOVERNED.hash,
            to=WIDER.hash,
            expires_at=unix_seconds() + DAY,
        )
        return replace(made, **changes)

    def order(self, *by: str, **changes: object) -> ChangePolicy:
        """To ``WIDER``, with what these have signed."""
        statement = self.statement(**changes)
        return self.carrying({name: SIGN[name](statement.signed) for name in by}, statement)

    def carrying(self, approvals: Mapping[str, bytes], statement: PolicyChange) -> ChangePolicy:
        name, wrapped = self.host.name(self.key), self.host.wrapped(self.key)
        return ChangePolicy(name, wrapped, WIDER.canonical, statement.expires_at, dict(approvals))


MALLORY = Ed25519PrivateKey.generate()
FEW = "TOO_FEW_APPROVALS"


def _one_person_twice(it: Changing) -> ChangePolicy:
    statement = it.statement()
    return it.carrying(dict.fromkeys(("ann", "bob"), SIGN["ann"](statement.signed)), statement)


def _with_mallory_as(name: str) -> Callable[[Changing], ChangePolicy]:
    def made(it: Changing) -> ChangePolicy:
        statement = it.statement()
        signed = statement.signed
        return it.carrying({"ann": SIGN["ann"](signed), name: MALLORY.sign(signed)}, statement)

    return made


CHANGES: dict[str, tuple[Callable[[Changing], ChangePolicy], str]] = {
    "too few": (lambda it: it.order("ann"), FEW),
    "nobody": (lambda it: it.order(), FEW),
    "one person twice, under another's name": (_one_person_twice, FEW),
    "a stranger": (_with_mallory_as("mallory"), FEW),
    "a stranger under an approver's name": (_with_mallory_as("bob"), FEW),
    "another policy than they signed": (
        lambda it: replace(it.order("ann", "bob"), policy=replace(WIDER, kinds=None).canonical),
        FEW,
    ),
    "approvers of its own": (
        lambda it: replace(it.order("ann", "bob"), policy=replace(WIDER, change=ChangeRule(1)).canonical),
        FEW,
    ),
    "for another tenant": (lambda it: it.order("ann", "bob", tenant=UUID(int=1)), FEW),
    "for another key": (lambda it: it.order("ann", "bob", key=UUID(int=1)), FEW),
    "for another cluster": (lambda it: it.order("ann", "bob", cluster="00" * 32), FEW),
    "of another number": (lambda it: it.order("ann", "bob", number=2), FEW),
    "from another policy": (lambda it: it.order("ann", "bob", from_="00" * 32), FEW),
    "longer than they signed": (lambda it: replace(it.order("ann", "bob"), expires_at=unix_seconds() + 9), FEW),
    "what is no policy": (lambda it: replace(it.order("ann", "bob"), policy=b"{}x"), "POLICY_UNREADABLE"),
    "the row of another key": (
        lambda it: replace(it.order("ann", "bob"), name=replace(it.host.name(it.key), key=uuid4().bytes)),
        "KEY_NOT_AUTHENTIC",
    ),
    "expired": (lambda it: it.order("ann", "bob", expires_at=unix_seconds() - 9), "APPROVALS_EXPIRED"),
    "for ever": (lambda it: it.order("ann", "bob", expires_at=unix_seconds() + 40 * DAY), "APPROVALS_EXPIRED"),
}


@pytest.mark.parametrize("how", CHANGES)
async def test_another_policy_in_the_place_of_the_keys_own(host: MaliciousHost, key: Key, how: str) -> None:
    order, code = CHANGES[how]
    assert await host.refused(order(Changing(host, key))) == (By.ENCLAVE, code)


async def test_approvals_of_a_change_once_more(host: MaliciousHost, client: AsyncClient) -> None:
    """Back to the wider policy by the row of before, or by what was signed for the change to it."""
    key = await key_under(client, GOVERNED)
    wide, order = host.wrapped(key), Changing(host, key).order("ann", "bob")
    await changed(client, host, key, WIDER)
    before = host.wrapped(key)
    assert await host.refused(replace(order, wrapped=before)) == (By.ENCLAVE, FEW)
    await changed(client, host, key, GOVERNED)
    for former in (wide, before):
        assert await host.signs(key, DIGEST, wrapped=former) == (By.MAJORITY, "NOT_REGISTERED")


async def test_another_policy_in_the_database(host: MaliciousHost, client: AsyncClient) -> None:
    key = await key_under(client, replace(GOVERNED, approvals=()))
    host.sql(
        "UPDATE key_policies SET document = %s, hash = %s WHERE key_id = %s",
        WIDER.canonical.decode(), WIDER.hash, key.id,
    )  # fmt: skip
    assert await host.signs(key, DIGEST) == (By.ENCLAVE, "KIND_NOT_ALLOWED")
    with pytest.raises(NslError, match="KIND_NOT_ALLOWED"):
        await client.keys.sign(key.id, "digest", {"hex": "00" * 32})


# Approvals ------------------------------------------------------------------------------------------------------------


@dataclass
class Approving:
    """What a host may say that approvers have signed for ``MESSAGE``."""

    host: MaliciousHost
    key: Key

    def statement(self, what: Signable = MESSAGE, **changes: object) -> SigningApproval:
        made = SigningApproval(
            cluster=self.host.cluster.hex(),
            tenant=self.host.tenant,
            key=UUID(self.key.id),
            policy=GOVERNED.hash,
            request=request_digest(what),
            id=uuid4(),
            expires_at=unix_seconds() + DAY,
        )
        return replace(made, **changes)

    def given(self, *by: str, what: Signable = MESSAGE, rejected: bool = False, **changes: object) -> Approval:
        statement = self.statement(what, **changes)
        signatures = {name: SIGN[name](statement.signed(rejected=rejected)) for name in by}
        return Approval(statement.id.bytes, statement.expires_at, signatures)

    def by_ann_and_bob(self, **changes: Any) -> Approval:
        return self.given("ann", "bob", **changes)

    def one_person_twice(self) -> Approval:
        statement = self.statement()
        signatures = dict.fromkeys(("ann", "bob"), SIGN["ann"](statement.signed()))
        return Approval(statement.id.bytes, statement.expires_at, signatures)

    def malleated(self) -> Approval:
        whole = self.by_ann_and_bob()
        made = whole.signatures["bob"]
        return replace(whole, signatures=whole.signatures | {"bob": made[:63] + bytes((made[63] ^ 1,))})


APPROVALS: dict[str, Callable[[Approving], Approval]] = {
    "by nobody": Approving.given,
    "of one": lambda it: it.given("ann"),
    "rejections": lambda it: it.by_ann_and_bob(rejected=True),
    "of another intent": lambda it: it.by_ann_and_bob(what=SignMessage(b"buy lunch")),
    "of the same bytes as another kind": lambda it: it.by_ann_and_bob(what=DIGEST),
    "of another key": lambda it: it.by_ann_and_bob(key=uuid4()),
    "of another tenant": lambda it: it.by_ann_and_bob(tenant=uuid4()),
    "of another cluster": lambda it: it.by_ann_and_bob(cluster="00" * 32),
    "of another policy": lambda it: it.by_ann_and_bob(policy="00" * 32),
    "expired": lambda it: it.by_ann_and_bob(expires_at=unix_seconds() - 9),
    "for longer than can be": lambda it: it.by_ann_and_bob(expires_at=unix_seconds() + 40 * DAY),
    "prolonged": lambda it: replace(it.by_ann_and_bob(), expires_at=2**33),
    "under another id": lambda it: replace(it.by_ann_and_bob(), id=uuid4().bytes),
    "one person under two names": Approving.one_person_twice,
    "malleated": Approving.malleated,
}


@pytest.mark.parametrize("how", APPROVALS)
async def test_an_approval_of_something_else(host: MaliciousHost, key: Key, how: str) -> None:
    approval = APPROVALS[how](Approving(host, key))
    assert await host.signs(key, MESSAGE, approval=approval) == (By.ENCLAVE, "APPROVAL_NEEDED")


async def test_what_is_refused_above_is_signed_when_it_is_approved(host: MaliciousHost, key: Key) -> None:
    assert isinstance(await host.signs(key, MESSAGE, approval=Approving(host, key).by_ann_and_bob()), Signature)


async def test_approvals_in_the_database(host: MaliciousHost, client: AsyncClient, key: Key) -> None:
    """The host writes decisions for the approvers, then puts another intent in the place of one that was approved."""
    lunch, treasury = [await client.approvals.ask(key.id, "message", {"text": each}) for each in ("lunch", "treasury")]

    async def signs(text: str, approval: str) -> str:
        try:
            return (await client.keys.sign(key.id, "message", {"text": text}, approval_id=approval)).signature
        except ApiError as error:
            return error.code

    def decide(approval: str, signatures: Mapping[str, bytes]) -> None:
        for name, signature in signatures.items():
            host.sql(
                "INSERT INTO approval_decisions VALUES (%s, %s, %s, true, %s, 'nobody', now())"
                " ON CONFLICT (approval_id, approver) DO UPDATE SET signature = excluded.signature",
                approval, name, host.tenant, signature,
            )  # fmt: skip

    decide(treasury.id, {"ann": bytes(64), "bob": MALLORY.sign(treasury.statement.signed())})
    assert await signs("treasury", treasury.id) == "APPROVAL_NEEDED"
    decide(lunch.id, {name: SIGN[name](lunch.statement.signed()) for name in ("ann", "bob")})
    host.sql(
        "UPDATE approvals SET request = other.request FROM approvals other WHERE approvals.id = %s AND other.id = %s",
        lunch.id, treasury.id,
    )  # fmt: skip
    assert await signs("treasury", lunch.id) == "APPROVAL_NEEDED"
    assert len(await signs("lunch", lunch.id)) == 130, "as they have approved it"
