"""Transfers of a key whose policy counts over time, by the worker, on real nodes."""

from collections.abc import AsyncIterator
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
import pytest_asyncio

from nsl.cli.up.errors import ProgramMissing
from nsl.cli.up.faucet import Payment, pay_n3, pay_neox
from nsl.identity.model import DEFAULT_PLAN, Caller
from nsl.keys.model import Labels, Usage
from nsl.keys.service import Keys, Lifecycle
from nsl.ledger.model import GAS_N3, ChainName
from nsl.transactions.model import State
from nsl.transactions.service import NewTransfer
from nsl_protocol.enclave.messages import Curve
from nsl_protocol.policy.document import Asset, Chain, Policy, TransferRule, Window
from tests.service.transactions.test_pipeline import fresh
from tests.support.pipeline import Stand, pipeline_stand
from tests.support.require import require

pytestmark = pytest.mark.asyncio(loop_scope="module")

ASSETS = {
    ChainName.NEO_N3: Asset(Chain.NEO_N3, str(GAS_N3.contract), 8),
    ChainName.NEO_X: Asset(Chain.NEO_X, "native", 18),
}
CURVES = {ChainName.NEO_N3: Curve.SECP256R1, ChainName.NEO_X: Curve.SECP256K1}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stand(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stand]:
    try:
        async with pipeline_stand(tmp_path_factory.mktemp("windows")) as running:
            yield running
    except ProgramMissing as missing:
        require(False, missing.detail)


async def payer(stand: Stand, chain: ChainName) -> Any:
    """With five GAS, of which it may pay one in an hour."""
    rule = TransferRule("pay", ("GAS",), "any", windows=(Window(3600, "1"),))
    caller = Caller("test", stand.tenant, stand.tenant, frozenset(), DEFAULT_PLAN)
    keys = Keys(stand.database, stand.enclave, Lifecycle(stand.database, stand.enclave))
    policy = Policy(assets={"GAS": ASSETS[chain]}, rules=(rule,))
    made = await keys.create(
        caller, labels=Labels("counted"), curve=CURVES[chain], usages=(Usage.SIGN,), policy=policy, rotation_days=90
    )
    funds = Payment(made.addresses[chain], 5 * 10 ** ASSETS[chain].decimals)
    if chain is ChainName.NEO_N3:
        await pay_n3(stand.n3, [replace(funds, asset=str(GAS_N3.contract))])
    else:
        await pay_neox(stand.neox, [funds])
    return made


@pytest.mark.parametrize("chain", list(ChainName))
async def test_what_does_not_fit_the_window_fails_and_holds_nothing_else_up(stand: Stand, chain: ChainName) -> None:
    key = await payer(stand, chain)

    async def pay(amount: str) -> Any:
        request = NewTransfer(
            chain=chain, from_key=key.id, asset="GAS", to=fresh(chain), amount=amount, valid_for_seconds=900
        )
        name = f"{chain}-{amount}-{key.id}"
        made = await stand.transactions.create(stand.tenant, name, sha256(name.encode()).digest(), request)
        return (await stand.until_final(made))[0]

    assert (await pay("0.7")).state is State.CONFIRMED
    refused = await pay("0.4")
    assert refused.state is State.FAILED
    assert refused.failure.code == "WINDOW_EXCEEDED"
    assert "0.3 GAS is left, and this is 0.4 GAS" in refused.failure.message
    assert (await pay("0.3")).state is State.CONFIRMED
