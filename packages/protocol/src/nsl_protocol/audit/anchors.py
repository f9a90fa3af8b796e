"""Heads of the audit log in transactions of Neo N3, where everybody sees the same ones.

An anchor is a script that pushes a tag and a signed checkpoint, and drops them: it calls nothing and changes nothing.
What it says is believed for the log key's signature in it, whoever has paid for the transaction.
"""

from typing import Final

from nsl_protocol.audit.heads import SignedHead, parse_signed_head
from nsl_protocol.errors import CodecError
from nsl_protocol.n3.script import Op, op, push_bytes

_TAG: Final = b"nsl-anchor-v1\n"
#: opcode and length in front of what is pushed
_LENGTH_BYTES_MAX: Final = 5
_DROP: Final = op(Op.DROP)


def anchor_script(signed: SignedHead) -> bytes:
    """The script that puts a head on the chain. Raises LimitError: more lines than a script can hold."""
    return push_bytes(_TAG + signed.note.encode()) + _DROP


def anchored(script: bytes) -> SignedHead | None:
    """The head that a script puts on the chain, in the one form that this has; None for every other script."""
    start = script.find(_TAG, 0, _LENGTH_BYTES_MAX + len(_TAG))
    if start < 0 or not script.endswith(_DROP):
        return None
    try:
        signed = parse_signed_head(script[start + len(_TAG) : -1].decode())
    except (CodecError, UnicodeDecodeError):
        return None
    return signed if anchor_script(signed) == script else None
