"""The emergency stop of the whole cluster, over three replicas: quick to pull, and ended by custodians alone."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from nsl.adapters.enclave import ClusterStop, EnclaveRefused, NoMajority
from nsl.adapters.enclave.errors import EnclaveDown
from nsl.cli.custodian import CustodianKeys
from nsl_protocol.cluster.custody import Act, thaw_digest
from nsl_protocol.enclave.agreement import ClusterThaw, Freeze, Proceeded
from nsl_protocol.enclave.lifecycle import KeyChange
from nsl_protocol.enclave.messages import Answer, GetStatus, Refused, Request, Signature, Status
from tests.enclave.ceremonies import proceed
from tests.enclave.host import Host, restarted, shown
from tests.enclave.replica import Founders, Replica

HOUR = 3600


class Ended(Exception):
    """The host ends here."""


def stop_of(host: Host) -> ClusterStop:
    """The service's adapter over this host."""
    return ClusterStop(host.carrying, host.replicas[0].constitution.cluster)


def freeze(host: Host) -> Freeze:
    asyncio.run(stop_of(host).freeze())
    found = asyncio.run(stop_of(host).present())
    assert found is not None
    return found


def thaw(host: Host, order: ClusterThaw) -> None:
    asyncio.run(stop_of(host).thaw(order))


def approved(founders: Founders, frozen: Freeze, by: Sequence[int] = (0, 1), *, after: int = HOUR) -> ClusterThaw:
    """The end of it, signed by these custodians; two of the three make a root."""
    expires_at = frozen.at + after
    digest = thaw_digest(frozen.epoch, frozen.number, frozen.at, expires_at)
    return ClusterThaw(frozen, expires_at, dict(signed(founders.custodians[each], founders, digest) for each in by))


def signed(custodian: CustodianKeys, founders: Founders, digest: bytes, act: Act = Act.UNFREEZE) -> tuple[str, bytes]:
    return custodian.name, custodian.approve(act, founders.constitution.cluster, digest)


def code(host: Host, replica: Replica, wrapped: bytes) -> str:
    """Of the refusal; "" where it signs, which it is shown the key for."""
    result = host.sign(replica, wrapped)
    if isinstance(result, Signature) or result.code == "NOT_SHOWN":
        return "" if host.public_key_of(replica, wrapped) else "?"
    return result.code


def test_nothing_is_signed_anywhere_until_custodians_end_it(host: Host, founders: Founders) -> None:
    made = host.make_key()
    assert [code(host, each, made.wrapped) for each in host.replicas] == ["", "", ""]
    frozen = freeze(host)
    assert [code(host, each, made.wrapped) for each in host.replicas] == ["CLUSTER_FROZEN"] * 3
    assert [each.ask(Status, GetStatus()).frozen_at for each in host.replicas] == [frozen.at] * 3
    refused = host.sign(host.replicas[0], made.wrapped)
    assert isinstance(refused, Refused)
    assert "nsl enclave unfreeze" in refused.reason
    assert freeze(host) == frozen, "twice is once"
    thaw(host, approved(founders, frozen))
    assert [code(host, each, made.wrapped) for each in host.replicas] == ["", "", ""]
    assert asyncio.run(stop_of(host).present()) is None
    thaw(host, approved(founders, frozen))  # twice is once


def test_keys_are_made_and_changed_meanwhile(host: Host) -> None:
    freeze(host)
    made = host.make_key()
    host.change_key(made.wrapped, KeyChange.FREEZE)


def test_one_that_is_away_learns_of_it_with_its_next_lease(host: Host, founders: Founders, tmp_path: Path) -> None:
    made = host.make_key()
    for each in host.replicas:
        host.public_key_of(each, made.wrapped)
    away = host.replicas[2]
    host.silent = {away}
    freeze(host)
    assert isinstance(host.sign(away, made.wrapped), Signature), "it signs until its lease ends, as docs say"
    host.silent = set()
    restarted(host, founders, tmp_path, 3)
    host.attend()
    assert code(host, host.replicas[2], made.wrapped) == "CLUSTER_FROZEN"


def test_it_holds_after_a_restart_of_all_and_over_an_older_database(
    host: Host, founders: Founders, tmp_path: Path
) -> None:
    made = host.make_key()
    before = host.backup()
    frozen = freeze(host)
    host.store = before
    restarted(host, founders, tmp_path, 1, 2, 3)
    host.attend()
    assert {code(host, each, made.wrapped) for each in host.replicas} == {"CLUSTER_FROZEN"}
    newest = max((shown(each).certificate for each in host.replicas), key=lambda each: each.head.order)
    assert host.replicas[0].ask(Proceeded, proceed(founders, host.replicas[0], newest)).number > frozen.number
    assert host.replicas[0].ask(Status, GetStatus()).frozen_at == frozen.at, "a new epoch ends no freeze"


@pytest.mark.parametrize("crash_in", range(14))
def test_a_host_that_ends_at_any_step_has_frozen_all_or_is_asked_again(host: Host, crash_in: int) -> None:
    made = host.make_key()

    class Ending(Host):
        left = crash_in

        async def _ask(self, replica: Replica, request: Request) -> Answer:
            self.left -= 1
            if self.left < 0:
                raise Ended
            return await super()._ask(replica, request)

    ending = Ending(*host.replicas, store=host.store)
    try:
        asyncio.run(stop_of(ending).freeze())
    except Ended:
        freeze(host)
    assert {code(host, each, made.wrapped) for each in host.replicas} == {"CLUSTER_FROZEN"}


def test_without_a_majority_it_is_said_that_it_may_not_hold(host: Host) -> None:
    host.silent = set(host.replicas[1:])
    with pytest.raises((NoMajority, EnclaveDown)):
        asyncio.run(stop_of(host).freeze())
    made = host.replicas[0].ask(Status, GetStatus())
    assert made.frozen_at is not None, "the one that was reached stops all the same"


def test_approvals_that_do_not_do(host: Host, founders: Founders) -> None:
    frozen = freeze(host)
    digest = thaw_digest(frozen.epoch, frozen.number, frozen.at, frozen.at + HOUR)
    stranger = CustodianKeys.new(founders.custodians[1].name)
    one, cluster = approved(founders, frozen, by=[0]), founders.constitution.cluster
    other_act = dict(signed(each, founders, digest, Act.PROCEED) for each in founders.custodians)
    other_cluster = {each.name: each.approve(Act.UNFREEZE, bytes(32), digest) for each in founders.custodians}
    cases = {
        "too few": (one, "TOO_FEW_APPROVALS"),
        "none": (replace(one, approvals={}), "TOO_FEW_APPROVALS"),
        "one under two names": (
            replace(one, approvals={each.name: one.approvals["c1"] for each in founders.custodians}),
            "TOO_FEW_APPROVALS",
        ),
        "a stranger": (
            replace(one, approvals=one.approvals | {stranger.name: stranger.approve(Act.UNFREEZE, cluster, digest)}),
            "TOO_FEW_APPROVALS",
        ),
        "for another act": (replace(one, approvals=other_act), "TOO_FEW_APPROVALS"),
        "for another cluster": (replace(one, approvals=other_cluster), "TOO_FEW_APPROVALS"),
        "for another time": (
            replace(approved(founders, frozen), expires_at=frozen.at + 2 * HOUR),
            "TOO_FEW_APPROVALS",
        ),
        "expired": (approved(founders, frozen, after=-1), "APPROVALS_EXPIRED"),
        "of another freeze": (approved(founders, replace(frozen, at=frozen.at - 1)), "OTHER_FREEZE"),
    }
    for what, (order, expected) in cases.items():
        with pytest.raises(EnclaveRefused) as refused:
            thaw(host, order)
        assert refused.value.code == expected, what
    thaw(host, approved(founders, frozen))


def test_approvals_end_one_freeze_alone(host: Host, founders: Founders) -> None:
    frozen = freeze(host)
    order = approved(founders, frozen)
    thaw(host, order)
    again = freeze(host)
    assert again != frozen
    with pytest.raises(EnclaveRefused, match="frozen again"):
        thaw(host, order)
    assert asyncio.run(stop_of(host).present()) == again


numbers = st.integers(0, 2**53 - 1)


@settings(max_examples=200, deadline=None)
@given(st.tuples(numbers, numbers, numbers, numbers), st.tuples(numbers, numbers, numbers, numbers))
def test_no_two_ends_are_signed_by_the_same_bytes(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    assert (thaw_digest(*one) == thaw_digest(*other)) is (one == other)
