"""Heads and witnesses' lines: the form of C2SP, and that nothing else passes."""

from base64 import b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from nsl_protocol.audit.heads import (
    Head,
    SignedHead,
    Witness,
    cosign,
    log_line,
    origin,
    parse_signed_head,
    verify_log_line,
)
from nsl_protocol.errors import CodecError

KEY = Ed25519PrivateKey.from_private_bytes(b"l" * 32)
WITNESS_KEY = Ed25519PrivateKey.from_private_bytes(b"w" * 32)
LOG_KEY = KEY.public_key().public_bytes_raw()
WITNESS = Witness("witness.example", WITNESS_KEY.public_key().public_bytes_raw())


def signed(size: int = 5, root: bytes = b"r" * 32, name: str = origin(b"c" * 32)) -> SignedHead:
    head = Head(name, size, root)
    return SignedHead(head, (log_line(name, LOG_KEY, KEY.sign(head.text.encode())),))


def test_the_text_is_a_checkpoint() -> None:
    """c2sp.org/tlog-checkpoint: origin, size, root in base64, each line ended; then an empty line and signatures."""
    note = signed().note
    assert note.startswith("neo-service-layer/" + "63" * 32 + f"\n5\n{b64encode(b'r' * 32).decode()}\n\n\N{EM DASH} ")
    assert note.endswith("\n")


def test_the_published_verifier_key_has_the_same_hash() -> None:
    """The example of golang.org/x/mod/sumdb/note, whose hash is SHA-256(name, newline, algorithm, key)."""
    known = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    name, hashed, key = known.split("+")
    from base64 import b64decode

    assert log_line(name, b64decode(key)[1:], b"").key_hash.hex() == hashed


@given(st.integers(0, 2**53), st.binary(min_size=32, max_size=32), st.integers(0, 2**40))
def test_a_signed_and_cosigned_head_is_read_and_verified(size: int, root: bytes, time: int) -> None:
    made = signed(size, root)
    both = made.with_line(cosign(WITNESS, WITNESS_KEY, made.head, time))
    read = parse_signed_head(both.note)
    assert read == both
    verify_log_line(read, LOG_KEY)
    assert WITNESS.cosigned_at(read) == time
    assert WITNESS.cosigned_at(made) is None
    assert Witness.parse(WITNESS.text) == WITNESS


@given(st.data())
def test_a_changed_note_is_not_read_or_does_not_verify(data: st.DataObject) -> None:
    made = signed()
    note = made.with_line(cosign(WITNESS, WITNESS_KEY, made.head, 7)).note
    place = data.draw(st.integers(0, len(note) - 1))
    other = data.draw(st.characters().filter(lambda each: each != note[place]))
    with pytest.raises(CodecError):
        _insist_on_both(note[:place] + other + note[place + 1 :])


def _insist_on_both(note: str) -> None:
    read = parse_signed_head(note)
    verify_log_line(read, LOG_KEY)
    if WITNESS.cosigned_at(read) is None:
        raise CodecError("is not cosigned")


@pytest.mark.parametrize(
    "text", ["", "a+b", "name+00000000+AQ==", WITNESS.text + "A", WITNESS.text.replace("w", "v", 1)]
)
def test_what_is_no_witness_is_refused(text: str) -> None:
    with pytest.raises(CodecError):
        Witness.parse(text)


def test_another_logs_key_does_not_pass() -> None:
    with pytest.raises(CodecError, match="not signed by the log key"):
        verify_log_line(signed(), WITNESS.public_key)
