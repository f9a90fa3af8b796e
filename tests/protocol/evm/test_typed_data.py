"""EIP-712: its published example, documents of every type against eth-account, and what is refused."""

import copy
import json
from typing import Any

import pytest
from eth_account.messages import _hash_eip191_message, encode_typed_data
from hypothesis import given, settings
from hypothesis import strategies as st

from nsl_protocol.errors import CodecError
from nsl_protocol.evm.typed_data import parse_typed_data
from tests.protocol.evm.vectors import MAIL, MAIL_DIGEST
from tests.support.javascript import oracle

ATOMS: dict[str, st.SearchStrategy[Any]] = {
    "string": st.text(max_size=20).filter(lambda text: text.isprintable()),
    "bool": st.booleans(),
    "address": st.binary(min_size=20, max_size=20).map(lambda raw: "0x" + raw.hex()),
    "bytes": st.binary(max_size=40).map(lambda raw: "0x" + raw.hex()),
    "bytes32": st.binary(min_size=32, max_size=32).map(lambda raw: "0x" + raw.hex()),
    "bytes4": st.binary(min_size=4, max_size=4).map(lambda raw: "0x" + raw.hex()),
    "uint256": st.integers(0, 2**256 - 1),
    "uint8": st.integers(0, 255),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "int256": st.integers(-(2**255), 2**255 - 1),
}


def _digest(document: dict[str, Any]) -> str:
    return parse_typed_data(json.dumps(document).encode()).signing_hash().hex()


def test_the_published_example_has_its_digest() -> None:
    assert _digest(MAIL) == MAIL_DIGEST
    with oracle("viem.mjs", "viem") as viem:
        assert viem.ask("typedData", document=MAIL) == "0x" + MAIL_DIGEST


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """A struct of atoms, arrays of atoms, and a nested struct."""
    names = draw(st.lists(st.sampled_from(sorted(ATOMS)), min_size=1, max_size=5))
    inner = [{"name": f"i{index}", "type": kind} for index, kind in enumerate(names)]
    fields, message = [], {}
    for index, kind in enumerate(names):
        shape = draw(st.sampled_from(["", "[]", "[2]"]))
        fields.append({"name": f"f{index}", "type": kind + shape})
        value = ATOMS[kind]
        size = {"": None, "[]": (0, 3), "[2]": (2, 2)}[shape]
        message[f"f{index}"] = draw(value if size is None else st.lists(value, min_size=size[0], max_size=size[1]))
    fields.append({"name": "inner", "type": "Inner"})
    message["inner"] = {f"i{index}": draw(ATOMS[kind]) for index, kind in enumerate(names)}
    return {
        "types": {
            "EIP712Domain": [{"name": "name", "type": "string"}, {"name": "chainId", "type": "uint256"}],
            "Outer": fields,
            "Inner": inner,
        },
        "primaryType": "Outer",
        "domain": {"name": "test", "chainId": draw(st.integers(1, 2**31))},
        "message": message,
    }


@settings(max_examples=200, deadline=None)
@given(documents())
def test_documents_agree_with_eth_account(document: dict[str, Any]) -> None:
    expected = _hash_eip191_message(encode_typed_data(full_message=copy.deepcopy(document)))
    assert _digest(document) == bytes(expected).hex()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda d: d.pop("domain"), "exactly"),
        (lambda d: d.update(extra=1), "exactly"),
        (lambda d: d.update(primaryType="Nobody"), "not one of the types"),
        (lambda d: d["message"].update(extra="x"), "exactly the fields"),
        (lambda d: d["message"].update(contents=7), "must be text"),
        (lambda d: d["message"]["to"].update(wallet="0x12"), "40 hex digits"),
        (lambda d: d["domain"].update(chainId=-1), "does not fit"),
        (lambda d: d["domain"].update(chainId=1.5), "whole number"),
        (lambda d: d["types"]["Mail"].append({"name": "x", "type": "uint7"}), "unknown"),
        (lambda d: d["types"]["Mail"].append({"name": "to", "type": "string"}), "twice"),
        (lambda d: d["types"].update(uint256=[]), "a type already"),
    ],
)
def test_what_does_not_fit_is_refused(change: Any, reason: str) -> None:
    document = copy.deepcopy(MAIL)
    change(document)
    with pytest.raises(CodecError, match=reason):
        _digest(document)


def test_a_type_that_holds_itself_ends() -> None:
    document = copy.deepcopy(MAIL)
    document["types"]["Person"].append({"name": "friends", "type": "Person[]"})
    with pytest.raises(CodecError):
        _digest(document)
    for part in ("from", "to"):
        document["message"][part]["friends"] = []
    assert len(_digest(document)) == 64


def test_a_key_twice_is_refused() -> None:
    text = json.dumps(MAIL).replace('"contents": ', '"contents": "other", "contents": ')
    with pytest.raises(CodecError, match="twice"):
        parse_typed_data(text.encode())
