"""Scripts against neow3j's published pushes, neo-mamba's builder, neon-js and the real VM."""

import base64

import pytest
from neo3 import vm
from neo3.api.wrappers import NEP17Contract
from neo3.core import types

from nsl_protocol.errors import CodecError, LimitError
from nsl_protocol.n3 import script
from nsl_protocol.n3.address import ScriptHash
from nsl_protocol.n3.script import ARRAY_DEPTH_MAX, SCRIPT_BYTES_MAX, CallFlags, Transfer, parse_transfer
from tests.protocol.n3.generate import GAS
from tests.protocol.n3.vectors import CSHARP_BASE64, KEYS, PUSHED_INTEGERS
from tests.support.n3_node import N3Node
from tests.support.neon import Neon

SOURCE = ScriptHash.from_address(KEYS[0].address)
RECIPIENT = ScriptHash.from_address(KEYS[1].address)
POOR = ScriptHash.from_address(KEYS[2].address)
PLAIN = Transfer(GAS, SOURCE, RECIPIENT, 5)


@pytest.mark.parametrize(("value", "expected"), PUSHED_INTEGERS)
def test_published_pushes_of_integers(value: int, expected: str) -> None:
    assert script.push_int(value).hex() == expected


def test_pushes_agree_with_mamba() -> None:
    edges = [
        edge + step
        for size in (1, 2, 4, 8, 16, 32)
        for edge in (2 ** (8 * size - 1), -(2 ** (8 * size - 1)))
        for step in (-1, 0, 1)
    ]
    numbers = [*range(-3, 20), *(edge for edge in edges if -(2**255) <= edge < 2**255)]
    values = [
        *numbers,
        True,
        False,
        None,
        b"",
        b"x",
        "text",
        "größe",
        *(bytes(size) for size in (75, 255, 256, 65_000)),
    ]
    for value in values:
        assert script.push(value) == vm.ScriptBuilder().emit_push(value).to_array()
    assert script.push(()) == bytes.fromhex("c2")  # NEWARRAY0
    items = (1, b"two", None, (True, "x"))
    theirs = vm.ScriptBuilder().emit_push([1, b"two", None, [True, "x"]]).to_array()
    assert script.push(items) == theirs


def test_calls_agree_with_mamba() -> None:
    contract = types.UInt160(GAS.raw)
    ours = script.call(GAS, "balanceOf", SOURCE)
    theirs = vm.ScriptBuilder().emit_contract_call_with_args(contract, "balanceOf", [types.UInt160(SOURCE.raw)])
    assert ours == theirs.to_array()
    assert script.call(GAS, "symbol") == vm.ScriptBuilder().emit_contract_call(contract, "symbol").to_array()
    assert script.call(GAS, "symbol", flags=CallFlags.READ_ONLY)[1] == 0x15


def test_transfers_agree_with_mamba_and_neon(neon_js: Neon) -> None:
    for amount in (0, 5, 16, 17, 10**8, 2**63 - 1, 10**30):
        transfer = Transfer(GAS, SOURCE, RECIPIENT, amount, asserted=False)
        theirs = NEP17Contract(types.UInt160(GAS.raw)).transfer(
            types.UInt160(SOURCE.raw), types.UInt160(RECIPIENT.raw), amount
        )
        assert transfer.script() == theirs.script
        said = neon_js.ask(
            "transfer", contract=str(GAS)[2:], **{"from": SOURCE.address, "to": RECIPIENT.address}, amount=str(amount)
        )
        assert transfer.script().hex() == said


def test_the_node_runs_a_transfer_script(node: N3Node) -> None:
    """The account has nothing: false without ASSERT, a fault with it."""
    for asserted, state in ((False, "HALT"), (True, "FAULT")):
        made = Transfer(GAS, POOR, RECIPIENT, 5, ("note", 1), asserted).script()
        signers = [{"account": str(POOR), "scopes": "CalledByEntry"}]
        said = node.call("invokescript", base64.b64encode(made).decode(), signers)
        assert said["state"] == state
        if not asserted:
            assert said["stack"] == [{"type": "Boolean", "value": False}]


def test_the_csharp_transfer_has_no_flags_and_no_data_and_is_not_ours() -> None:
    """Preview 3 called without flags: similar, but not canonical."""
    made = base64.b64decode(CSHARP_BASE64)[50:]
    assert b"transfer" in made
    assert parse_transfer(made) is None


def test_transfers_parse_back() -> None:
    for data in (None, 0, -1, True, b"", b"x" * 300, (), (1, (2, b"", ()), None, False)):
        for asserted in (True, False):
            transfer = Transfer(GAS, SOURCE, RECIPIENT, 10**8, data, asserted)
            assert parse_transfer(transfer.script()) == transfer
    assert script.transfer_script(GAS, SOURCE, RECIPIENT, 5) == PLAIN.script()


def test_text_comes_back_as_bytes() -> None:
    found = parse_transfer(Transfer(GAS, SOURCE, RECIPIENT, 5, "memo").script())
    assert found is not None
    assert found.data == b"memo"


def test_similar_scripts_are_no_transfers() -> None:
    made = PLAIN.script()
    assert parse_transfer(made) == PLAIN
    others = [
        b"",
        made + made,  # two transfers
        made + b"\x40",  # RET
        b"\x21" + made,  # NOP
        made[:-1] + b"\x45",  # DROP the result
        made.replace(b"\x0b\x15", b"\x0b\x00\x05", 1),  # 5 in a longer form
        made.replace(b"\x0b\x15", b"\x0b\x08", 1),  # true for an amount
        made.replace(b"\x0b\x15", b"\x0b\x0f", 1),  # -1
        made.replace(b"\x0b\x15", b"\x0b\x0b", 1),  # null
        made.replace(b"\x14\xc0\x1f", b"\x14\xc0\x11", 1),  # other flags
        made.replace(b"\x14\xc0", b"\x13\xc0", 1),  # three arguments, one left on the stack
        made.replace(b"\x0c\x14", b"\x0d\x14\x00", 1),  # a longer PUSHDATA
        made.replace(b"transfer", b"Transfer"),
        made.replace(b"\x0c\x08transfer", b"\x0c\x07transfe"),
        made.replace(bytes.fromhex("627d5b52"), bytes.fromhex("627d5b53")),
        script.call(GAS, "transfer", SOURCE, RECIPIENT, 5),
        script.call(GAS, "transfer", SOURCE, RECIPIENT, 5, None, 1),
        script.call(GAS, "transfer", SOURCE, RECIPIENT.raw[:19], 5, None),
        script.call(GAS, "approve", SOURCE, RECIPIENT, 5, None),
        b"\xc2" * 40_000 + made,
        (b"\xc2" + b"\x11\xc0" * 30_000) + made,  # an array nested 30,000 deep
        b"\xc0" * 10,
    ]
    assert [parse_transfer(each) for each in others] == [None] * len(others)


def test_limits() -> None:
    with pytest.raises(CodecError, match="negative"):
        Transfer(GAS, SOURCE, RECIPIENT, -1).script()
    with pytest.raises(LimitError, match="256 bits"):
        script.push_int(2**255)
    with pytest.raises(LimitError, match="256 bits"):
        script.push_int(-(2**255) - 1)
    with pytest.raises(LimitError):
        script.push_bytes(bytes(SCRIPT_BYTES_MAX + 1))
    with pytest.raises(LimitError, match="script"):
        Transfer(GAS, SOURCE, RECIPIENT, 5, bytes(SCRIPT_BYTES_MAX - 50)).script()
    with pytest.raises(LimitError, match="items"):
        script.push((1,) * 2049)
    nested: script.Value = ()
    for _ in range(ARRAY_DEPTH_MAX):
        nested = (nested,)
    script.push(nested)
    with pytest.raises(LimitError, match="deeper"):
        script.push((nested,))
