"""Text at the edge becomes exact numbers and canonical names, or a reason."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsl.ledger.errors import BadAddress, BadAmount, BadAsset, BadHash, UnknownChain
from nsl.ledger.model import (
    AMOUNT_MAX,
    GAS_N3,
    GAS_NEO_X,
    NEO_N3,
    ChainName,
    format_amount,
    parse_address,
    parse_amount,
    parse_asset,
    parse_chain,
    parse_hash,
)

# NEP-6 documentation (docs.neo.org) and EIP-55's own examples
N3_ADDRESS = "NVNvVRW5Q5naSx2k2iZm7xRgtRNGuZppAK"
NEO_X_ADDRESS = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"


@pytest.mark.parametrize(
    ("text", "decimals", "amount"),
    [
        ("1", 0, 1),
        ("1", 8, 100_000_000),
        ("1.23", 8, 123_000_000),
        ("0.00000001", 8, 1),
        ("1.10", 1, 11),
        ("3.000", 0, 3),
        ("007", 0, 7),
        ("0.000000000000000001", 18, 1),
        (str(AMOUNT_MAX), 0, AMOUNT_MAX),
    ],
)
def test_an_amount_is_read_exactly(text: str, decimals: int, amount: int) -> None:
    assert parse_amount(text, decimals) == amount


@pytest.mark.parametrize(
    ("text", "decimals", "reason"),
    [
        ("0", 8, "above zero"),
        ("0.0", 8, "above zero"),
        ("-1", 8, "positive decimal"),
        ("+1", 8, "positive decimal"),
        ("", 8, "positive decimal"),
        (".5", 8, "positive decimal"),
        ("5.", 8, "positive decimal"),
        ("1e3", 8, "positive decimal"),
        ("1,5", 8, "positive decimal"),
        (" 1", 8, "positive decimal"),
        ("1\n", 8, "positive decimal"),
        ("\u0661", 8, "positive decimal"),
        ("NaN", 8, "positive decimal"),
        ("0.5", 0, "0 decimals, the amount has 1"),
        ("0.000000001", 8, "8 decimals, the amount has 9"),
        (str(AMOUNT_MAX + 1), 0, "larger than"),
        ("9" * 161, 0, "positive decimal"),
    ],
)
def test_what_is_no_amount_is_refused_with_the_reason(text: str, decimals: int, reason: str) -> None:
    with pytest.raises(BadAmount, match=reason) as caught:
        parse_amount(text, decimals)
    assert caught.value.field == "amount"


@given(st.integers(min_value=1, max_value=AMOUNT_MAX), st.integers(min_value=0, max_value=77))
def test_what_is_written_is_read_again(amount: int, decimals: int) -> None:
    assert parse_amount(format_amount(amount, decimals), decimals) == amount


@pytest.mark.parametrize(
    ("amount", "decimals", "text"), [(0, 8, "0"), (1, 8, "0.00000001"), (150, 2, "1.5"), (7, 0, "7"), (-15, 1, "-1.5")]
)
def test_an_amount_is_written_without_needless_zeros(amount: int, decimals: int, text: str) -> None:
    assert format_amount(amount, decimals) == text


def test_an_address_is_given_back_in_its_canonical_text() -> None:
    assert parse_address(ChainName.NEO_N3, N3_ADDRESS) == N3_ADDRESS
    assert parse_address(ChainName.NEO_X, NEO_X_ADDRESS) == NEO_X_ADDRESS
    assert parse_address(ChainName.NEO_X, NEO_X_ADDRESS.lower()) == NEO_X_ADDRESS


@pytest.mark.parametrize(
    ("chain", "text", "reason"),
    [
        (ChainName.NEO_N3, N3_ADDRESS[:-1] + "L", "checksum"),
        (ChainName.NEO_X, NEO_X_ADDRESS[:-1] + "D", "checksum"),
        (ChainName.NEO_N3, NEO_X_ADDRESS, "address of neo-x, and the chain is neo-n3"),
        (ChainName.NEO_X, N3_ADDRESS, "address of neo-n3, and the chain is neo-x"),
        (ChainName.NEO_N3, "AGofsxAUDwt52KjaB664GYsqVAkULYvKNt", "Neo Legacy"),
        (ChainName.NEO_X, "", "0x and 40"),
        (ChainName.NEO_N3, "N" * 10_000, "Base58"),
    ],
)
def test_a_bad_address_is_refused_with_the_reason(chain: ChainName, text: str, reason: str) -> None:
    with pytest.raises(BadAddress, match=reason) as caught:
        parse_address(chain, text, field="to")
    assert caught.value.field == "to"


def test_native_assets_are_known_by_symbol_and_contract() -> None:
    assert parse_asset(ChainName.NEO_N3, "GAS") == GAS_N3
    assert parse_asset(ChainName.NEO_N3, "NEO") == NEO_N3
    assert parse_asset(ChainName.NEO_N3, str(GAS_N3.contract)) == GAS_N3
    assert parse_asset(ChainName.NEO_X, "GAS") == GAS_NEO_X


def test_a_token_is_named_by_its_canonical_contract() -> None:
    assert parse_asset(ChainName.NEO_N3, "0x" + "AB" * 20) == "0x" + "ab" * 20
    assert parse_asset(ChainName.NEO_X, NEO_X_ADDRESS.lower()) == NEO_X_ADDRESS


@pytest.mark.parametrize(
    ("chain", "text"),
    [(ChainName.NEO_X, "NEO"), (ChainName.NEO_N3, "gas"), (ChainName.NEO_N3, "0x12"), (ChainName.NEO_X, "")],
)
def test_what_is_no_asset_of_the_chain_is_refused(chain: ChainName, text: str) -> None:
    with pytest.raises(BadAsset, match=f"An asset of {chain}"):
        parse_asset(chain, text)


def test_chains_and_hashes_are_named_exactly() -> None:
    assert parse_chain("neo-x") is ChainName.NEO_X
    assert parse_hash("0x" + "AB" * 32) == "0x" + "ab" * 32
    with pytest.raises(UnknownChain, match="neo-n3 and neo-x"):
        parse_chain("NEO-X")
    with pytest.raises(BadHash):
        parse_hash("ab" * 32)
