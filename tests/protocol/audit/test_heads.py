"""Heads and witnesses' lines: the form of C2SP, and that nothing else passes."""

from base64 import b64decode, b64encode

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
    parse_line,
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


#: A head of a public log (Certificate Transparency, staging) as it was published: its line is by Ed25519 (0x01), those
#: of its witnesses are cosignatures (0x04), and one is of a kind that is not read here.
PUBLISHED = """\
arche2025h1.staging.ct.transparency.dev
1432088532
U7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=

\N{EM DASH} arche2025h1.staging.ct.transparency.dev \
zTM8sQAAAZ5W0WdjBAMARjBEAiBjW5IQf9pvsYLfQFX6hoGREPMHbdQ3urbllzalApkptQIgIpwtEroeW2BXaHAI4kJXFbon5Ch9MNL5zRNZ55lvGt0=
\N{EM DASH} arche2025h1.staging.ct.transparency.dev \
ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwhUkzbC3NygNI75MdhL1bfTW9g8Ei59RA23oHP7Ry1k3ZFWwQ=
\N{EM DASH} remora.n621.de \
2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobWX9sXTynk5XeU/zZ0WBxtqB0DrAWfBw==
"""
PUBLISHED_LOG = "arche2025h1.staging.ct.transparency.dev+ba2f06c0+AU0vHmlGCS/PdN8b2OaGmKprLI8HKM+dJ472xgFYh15f"
PUBLISHED_WITNESS = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"


def test_a_head_of_another_log_and_its_witness_verifies() -> None:
    """Made and cosigned by other implementations."""
    read = parse_signed_head(PUBLISHED)
    assert (read.head.size, read.note) == (1_432_088_532, PUBLISHED)
    log_key = b64decode(PUBLISHED_LOG.split("+", 2)[2])[1:]
    assert verify_log_line(read, log_key) == read.lines[1]
    witness = Witness.parse(PUBLISHED_WITNESS)
    assert witness.cosigned_at(read) == 0x6A122120
    other = SignedHead(Head(read.head.origin, 42, read.head.root), read.lines)
    with pytest.raises(CodecError, match="does not hold"):
        verify_log_line(other, log_key)
    with pytest.raises(CodecError, match="does not hold"):
        witness.cosigned_at(other)


@pytest.mark.parametrize(
    "known",
    [
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",  # golang.org/x/mod/sumdb/note
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",  # c2sp.org/signed-note
        PUBLISHED_LOG,
    ],
)
def test_the_published_verifier_keys_have_the_same_hash(known: str) -> None:
    """SHA-256(name, newline, algorithm, key)."""
    name, hashed, key = known.split("+", 2)
    assert log_line(name, b64decode(key)[1:], b"").key_hash.hex() == hashed


def test_the_published_cosignature_is_a_key_hash_a_time_and_a_signature() -> None:
    """The example of c2sp.org/tlog-cosignature, whose keys are not published."""
    line = parse_line(
        "\N{EM DASH} witness.example.com/w1 "
        "jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA=="
    )
    assert (line.name, line.key_hash.hex(), len(line.signature)) == ("witness.example.com/w1", "8d66cf3f", 8 + 64)
    assert int.from_bytes(line.signature[:8]) == 1_679_315_147


@pytest.mark.parametrize(
    "note",
    [
        signed().note.replace("\n5\n", "\n05\n"),
        signed().note.replace("\n5\n", "\n-5\n"),
        signed().note.replace("\n5\n", "\n5\nan extension\n"),
        signed().note.replace("\n", "\r\n"),
        signed().note[:-1],
        signed().note + "\n",
        signed().note.replace("\N{EM DASH}", "-"),
        signed(name="a\x00b").note,
        signed().note.replace("neo", "\ud800neo"),
        signed(name="a b").note,
        signed(name="a+b").note,
        signed(root=b"r" * 31).note,
        signed().head.text + "\n",
        signed().head.text,
    ],
)
def test_what_is_no_checkpoint_is_not_read(note: str) -> None:
    with pytest.raises(CodecError):
        parse_signed_head(note)


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
