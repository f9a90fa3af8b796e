import gzip
from pathlib import Path

import pytest
from eth_account import Account
from eth_utils import keccak

from nsl.cli.up.neox.rules import GWEI, UNDERPRICED, Answer, Refusal, as_geth, judge, offered_fees, policy_code
from nsl.cli.up.neox.store import ChainStore

KEY = b"\x46" * 32
BASE = {"nonce": 9, "gas": 21000, "to": "0x" + "35" * 20, "value": 10**18, "chainId": 12227332}


def raw(**fees: int) -> str:
    """A transaction signed by eth-account, the oracle."""
    return "0x" + Account.sign_transaction(BASE | fees, KEY).raw_transaction.hex()


@pytest.mark.parametrize(
    ("fees", "taken"),
    [
        ({"maxPriorityFeePerGas": 20 * GWEI, "maxFeePerGas": 40 * GWEI}, True),
        ({"maxPriorityFeePerGas": 20 * GWEI - 1, "maxFeePerGas": 40 * GWEI}, False),
        ({"maxPriorityFeePerGas": 20 * GWEI, "maxFeePerGas": 40 * GWEI - 1}, False),
        ({"maxPriorityFeePerGas": 30 * GWEI, "maxFeePerGas": 100 * GWEI}, True),
        ({"maxPriorityFeePerGas": 1, "maxFeePerGas": 1}, False),
        ({"gasPrice": 40 * GWEI}, True),
        ({"gasPrice": 40 * GWEI - 1}, False),
        ({"gasPrice": 40 * GWEI, "accessList": []}, True),
        ({"gasPrice": 39 * GWEI, "accessList": []}, False),
    ],
)
def test_tips_below_the_policy_are_refused(fees: dict[str, int], taken: bool) -> None:
    """min(tip, cap - base fee) must reach 20 gwei; a legacy price counts as both (bane-labs validation.go)."""
    assert judge("eth_sendRawTransaction", [raw(**fees)]) == (None if taken else UNDERPRICED)
    assert Refusal(-32000, "transaction underpriced") == UNDERPRICED


@pytest.mark.parametrize(
    "params", [[], ["0x"], ["0x02"], ["0x02c0"], ["0xc0"], ["zz"], [7], None, {}, ["0x0580"], ["0x80"]]
)
def test_what_is_no_transaction_is_left_to_the_node(params: object) -> None:
    """The guard judges fees alone and never fails."""
    assert judge("eth_sendRawTransaction", params) is None


def test_fees_are_read_as_eth_account_wrote_them() -> None:
    """Tip and cap, wei."""
    encoded = bytes.fromhex(raw(maxPriorityFeePerGas=7, maxFeePerGas=0)[2:])
    assert offered_fees(encoded) == (7, 0)


def test_suggested_fees_are_those_of_the_policy() -> None:
    """40 gwei, and 20 gwei of it as the tip."""
    assert judge("eth_gasPrice", []) == Answer(hex(40 * GWEI))
    assert judge("eth_maxPriorityFeePerGas", []) == Answer(hex(20 * GWEI))


@pytest.mark.parametrize("tag", ["finalized", "safe"])
@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("eth_getBlockByNumber", ["TAG", False]),
        ("eth_getBalance", ["0x", "TAG"]),
        ("eth_getLogs", [{"toBlock": "TAG"}]),
    ],
)
def test_tags_that_neo_x_never_sets_are_not_found(tag: str, method: str, params: list[object]) -> None:
    """Its consensus calls neither SetFinalized nor SetSafe."""
    filled = [tag if each == "TAG" else {"toBlock": tag} if isinstance(each, dict) else each for each in params]
    assert judge(method, filled) == Refusal(-32000, f"{tag} block not found")


@pytest.mark.parametrize(
    "method",
    ["anvil_setBalance", "evm_mine", "hardhat_reset", "debug_traceTransaction", "txpool_content", "personal_sign",
     "eth_sendTransaction", "eth_sign", "eth_sendUnsignedTransaction", "erigon_x", "ots_x", "trace_block", ""],
)  # fmt: skip
def test_methods_of_a_development_node_are_unknown(method: str) -> None:
    """A public node has none of them."""
    verdict = judge(method, [])
    assert isinstance(verdict, Refusal)
    assert verdict.code == -32601


@pytest.mark.parametrize("method", ["eth_call", "eth_chainId", "net_version", "web3_clientVersion", "eth_getLogs"])
def test_ordinary_calls_pass(method: str) -> None:
    """The node answers them."""
    assert judge(method, []) is None


def test_refusals_are_worded_as_geth_does() -> None:
    """Code -32000, and `already known` for a transaction that is in the pool (geth core/txpool/errors.go)."""
    known = {"code": -32003, "message": "transaction already imported"}
    assert as_geth(known) == {"code": -32000, "message": "already known"}
    low = {"code": -32003, "message": "Insufficient funds for gas * price + value"}
    assert as_geth(low) == {"code": -32000, "message": "insufficient funds for gas * price + value"}
    other = {"code": -32602, "message": "Failed to decode"}
    assert as_geth(other) == other


def test_the_policy_stub_compares_the_selectors_of_the_real_contract() -> None:
    """The first four bytes of keccak-256 of each signature (Solidity ABI); the names are those of Policy.sol."""
    code = policy_code()
    for signature in ("minGasTipCap()", "baseFee()", "isBlackListed(address)", "envelopeFee()"):
        assert "8063" + keccak(text=signature)[:4].hex() + "14" in code


def test_a_torn_file_falls_back_to_the_last_good_copy(tmp_path: Path) -> None:
    """Any truncation, and an empty file, is told from a whole one."""
    store = ChainStore(tmp_path)
    assert not store.exists
    store.save(gzip.compress(b"one"))
    store.save(gzip.compress(b"two"))
    assert [document for _, document in store.whole()] == [b"two", b"one"]
    whole = (tmp_path / "chain.gz").read_bytes()
    for length in range(len(whole)):
        (tmp_path / "chain.gz").write_bytes(whole[:length])
        assert [document for _, document in store.whole()] == [b"one"]
    store.save(gzip.compress(b"three"))
    assert [document for _, document in store.whole()] == [b"three", b"one"], "a torn file never becomes the last good"


def test_a_dump_that_is_not_whole_is_not_kept(tmp_path: Path) -> None:
    """What the node sent is checked before it replaces anything."""
    store = ChainStore(tmp_path)
    with pytest.raises(ValueError, match="not readable"):
        store.save(gzip.compress(b"one")[:-3])
    assert not store.exists
