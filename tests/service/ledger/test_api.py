"""The ledger's endpoints over real nodes, without the layers in front of the router."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import pytest_asyncio
from litestar import Litestar, Request, Response
from litestar.di import Provide

from nsl.adapters.neo_n3 import NeoN3
from nsl.adapters.neo_x import NeoX
from nsl.cli.up.faucet import Payment, pay_n3
from nsl.cli.up.n3 import MAGIC
from nsl.identity.model import DEFAULT_PLAN, Caller, Scope
from nsl.kit.errors import Failure
from nsl.ledger.api import HANDLERS
from nsl.ledger.model import ChainName
from nsl.ledger.service import Ledger
from tests.support.drivers import n3_node

ADDRESS = "NVNvVRW5Q5naSx2k2iZm7xRgtRNGuZppAK"
DEAD = "http://127.0.0.1:9"
CALLER = Caller("someone", UUID(int=1), UUID(int=2), frozenset(Scope), DEFAULT_PLAN)
pytestmark = pytest.mark.asyncio(loop_scope="module")


def problem(_: Request[Any, Any, Any], failure: Failure) -> Response[dict[str, Any]]:
    return Response({"code": failure.code, "detail": failure.detail, "field": failure.field}, status_code=599)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    """N3 runs; Neo X is configured, and its node is down."""
    folder: Path = tmp_path_factory.mktemp("n3")
    async with n3_node(folder) as node, NeoN3(MAGIC, [node.url]) as n3, NeoX(12227332, [DEAD]) as neo_x:
        await pay_n3(node, [Payment(ADDRESS, 123_450_000)])
        ledger = Ledger({ChainName.NEO_N3: n3, ChainName.NEO_X: neo_x})
        app = Litestar(
            HANDLERS,
            dependencies={
                "ledger": Provide(lambda: ledger, sync_to_thread=False),
                "caller": Provide(lambda: CALLER, sync_to_thread=False),
            },
            exception_handlers={Failure: problem},  # type: ignore[dict-item] # Litestar types it for Exception alone
        )
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
            yield client


async def test_chains_are_listed_with_their_heights_and_assets(api: httpx.AsyncClient) -> None:
    body = (await api.get("/v1/chains")).json()
    n3, neo_x = body["items"]
    assert body["next_cursor"] is None
    assert (n3["chain"], n3["network_id"], n3["healthy"], n3["height"] > 0) == ("neo-n3", MAGIC, True, True)
    assert (neo_x["chain"], neo_x["network_id"], neo_x["healthy"], neo_x["height"]) == ("neo-x", 12227332, False, None)
    assert [(each["asset"], each["decimals"]) for each in n3["assets"]] == [("GAS", 8), ("NEO", 0)]


async def test_a_block_is_read_by_height_and_the_latest_by_name(api: httpx.AsyncClient) -> None:
    genesis = (await api.get("/v1/chains/neo-n3/blocks/0")).json()
    assert (genesis["height"], genesis["previous_hash"]) == (0, "0x" + "00" * 32)
    assert genesis["time"].endswith("Z")
    latest = (await api.get("/v1/chains/neo-n3/blocks/latest")).json()
    assert latest["height"] > 0
    assert (await api.get(f"/v1/chains/neo-n3/blocks/{latest['height']}")).json() == latest


async def test_balances_are_decimal_text(api: httpx.AsyncClient) -> None:
    body = (await api.get(f"/v1/chains/neo-n3/addresses/{ADDRESS}/balances")).json()
    assert {each["asset"]: each["amount"] for each in body["items"]} == {"GAS": "1.2345", "NEO": "0"}
    assert body["next_cursor"] is None


async def test_fees_are_decimal_text(api: httpx.AsyncClient) -> None:
    body = (await api.get("/v1/chains/neo-n3/fees")).json()
    assert body["asset"] == "GAS"
    assert 0.01 < float(body["transfer"]) < 1
    assert body["prices"]["fee_per_byte"] == "1000"


async def test_a_mined_transaction_is_read_by_its_hash(api: httpx.AsyncClient) -> None:
    height = (await api.get("/v1/chains/neo-n3/blocks/latest")).json()["height"]
    blocks = [(await api.get(f"/v1/chains/neo-n3/blocks/{each}")).json() for each in range(height + 1)]
    [block] = [each for each in blocks if each["transactions"]]
    mined = (await api.get(f"/v1/chains/neo-n3/transactions/{block['transactions'][0]}")).json()
    assert (mined["block_height"], mined["block_hash"], mined["succeeded"]) == (block["height"], block["hash"], True)
    assert float(mined["fee"]) > 0


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("bitcoin/fees", "UNKNOWN_CHAIN"),
        ("neo-n3/blocks/4294967295", "UNKNOWN_BLOCK"),
        ("neo-n3/blocks/9999999999", "UNKNOWN_BLOCK"),
        ("neo-n3/blocks/-1", "MALFORMED"),
        ("neo-n3/blocks/first", "MALFORMED"),
        (f"neo-n3/addresses/{ADDRESS[:-1]}L/balances", "INVALID_ADDRESS"),
        (f"neo-n3/addresses/0x{'ab' * 20}/balances", "INVALID_ADDRESS"),
        (f"neo-x/addresses/{ADDRESS}/balances", "INVALID_ADDRESS"),
        (f"neo-n3/addresses/{ADDRESS}/balances?asset=XYZ", "UNKNOWN_ASSET"),
        (f"neo-n3/addresses/{ADDRESS}/balances?asset=0x{'ab' * 20}", "UNKNOWN_ASSET"),
        ("neo-n3/transactions/0x12", "INVALID_HASH"),
        (f"neo-n3/transactions/0x{'ab' * 32}", "UNKNOWN_TRANSACTION"),
        ("neo-x/fees", "NODE_UNAVAILABLE"),
        ("neo-x/blocks/latest", "NODE_UNAVAILABLE"),
        (f"neo-x/addresses/0x{'ab' * 20}/balances", "NODE_UNAVAILABLE"),
    ],
)
async def test_what_cannot_be_answered_is_refused_by_its_code(api: httpx.AsyncClient, path: str, code: str) -> None:
    assert (await api.get(f"/v1/chains/{path}")).json()["code"] == code
