"""Anchors: one script for one signed head, and nothing else is taken for one."""

from hypothesis import given
from hypothesis import strategies as st

from nsl_protocol.audit.anchors import anchor_script, anchored
from nsl_protocol.n3.script import Op, op, push_bytes
from tests.support.log import HostedLog, leaf

SIGNED = HostedLog([leaf(number) for number in range(9)]).signed()
SCRIPT = anchor_script(SIGNED)


def test_a_head_is_read_from_its_script() -> None:
    assert anchored(SCRIPT) == SIGNED


@given(place=st.integers(0, len(SCRIPT) - 1), byte=st.integers(0, 255))
def test_a_changed_script_is_no_anchor_of_that_head(place: int, byte: int) -> None:
    changed = SCRIPT[:place] + bytes((byte,)) + SCRIPT[place + 1 :]
    assert changed == SCRIPT or anchored(changed) != SIGNED


@given(st.binary(max_size=600))
def test_other_scripts_are_none(script: bytes) -> None:
    assert anchored(script) is None
    assert anchored(push_bytes(b"nsl-anchor-v1\n" + script) + op(Op.DROP)) is None


def test_another_form_of_the_same_push_is_none() -> None:
    """One head has one anchor: a longer length in front, or more behind, is another script."""
    content = b"nsl-anchor-v1\n" + SIGNED.note.encode()
    longer = bytes((Op.PUSHDATA4,)) + len(content).to_bytes(4, "little") + content + op(Op.DROP)
    assert anchored(longer) is None
    assert anchored(SCRIPT + op(Op.DROP)) is None
    assert anchored(op(Op.PUSH0) + SCRIPT) is None
