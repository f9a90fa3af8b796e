"""Verification and invocation scripts against published vectors, neo-mamba and neon-js."""

import base64
import itertools

import pytest
from neo3.contracts import utils as mamba
from neo3.core import cryptography

from nsl_protocol.errors import CodecError, LimitError
from nsl_protocol.n3 import verification
from nsl_protocol.n3.address import ScriptHash
from nsl_protocol.n3.keys import PublicKey
from nsl_protocol.n3.verification import MULTISIG_KEYS_MAX
from nsl_protocol.n3.witness import VERIFICATION_BYTES_MAX
from tests.protocol.n3.vectors import KEYS, MULTISIG_ABC, MULTISIG_ONE, NEOW3J_MULTISIG_KEYS
from tests.support.neon import Neon

ABC = tuple(PublicKey.parse(case.public_key) for case in KEYS)


def keys(count: int) -> list[PublicKey]:
    """That many different keys."""
    return [PublicKey.of((7919 * number + 1).to_bytes(32, "big")) for number in range(count)]


def test_published_multisig_accounts() -> None:
    address, script = MULTISIG_ABC
    for order in itertools.permutations(ABC):
        built = verification.multi(2, order)
        assert base64.b64encode(built).decode() == script
        assert ScriptHash.of(built).address == address
    key, address, script = MULTISIG_ONE
    built = verification.multi(1, [PublicKey.parse(key)])
    assert (ScriptHash.of(built).address, base64.b64encode(built).decode()) == (address, script)


def test_published_order_of_keys() -> None:
    first, second, third = NEOW3J_MULTISIG_KEYS
    built = verification.multi(2, [PublicKey.parse(text) for text in NEOW3J_MULTISIG_KEYS])
    assert built.hex() == "12" + "".join(f"0c21{key}" for key in (first, third, second)) + "1341" + "9ed0dc3a"


def test_keys_sort_by_x_and_not_by_their_bytes() -> None:
    """The prefix 03 comes after 02 in the bytes, wherever the points lie."""
    assert sorted(ABC, key=lambda key: key.order) != sorted(ABC, key=lambda key: key.raw)


def test_keys_with_one_x_sort_by_y() -> None:
    key = ABC[0]
    opposite = PublicKey(bytes((key.raw[0] ^ 1,)) + key.raw[1:])
    low, high = sorted((key, opposite), key=lambda each: each.order)
    assert low.order[1] < high.order[1]
    found = verification.parse(verification.multi(1, [high, low]))
    assert found is not None
    assert found.keys == (low, high)


def test_scripts_agree_with_mamba_and_neon(neon_js: Neon) -> None:
    everyone = keys(MULTISIG_KEYS_MAX)
    for key in everyone[:8]:
        point = cryptography.ECPoint.deserialize_from_bytes(key.raw)
        assert mamba.create_signature_redeemscript(point) == verification.single(key)
    for count in (1, 2, 7, 16, 17, MULTISIG_KEYS_MAX):
        some = everyone[:count]
        points = [cryptography.ECPoint.deserialize_from_bytes(key.raw) for key in some]
        for threshold in {1, (count + 1) // 2, count}:
            built = verification.multi(threshold, some)
            assert mamba.create_multisig_redeemscript(threshold, points) == built
            # neon sorts by compressed bytes: it is given keys for which that is the same.
            even = sorted((key for key in some if key.raw[0] == 2), key=lambda key: key.raw)
            if threshold <= len(even):
                said = neon_js.ask("multisig", threshold=threshold, keys=[str(key) for key in even])
                assert base64.b64decode(said["script"]) == verification.multi(threshold, even)


def test_parse_gives_back_what_was_built() -> None:
    everyone = keys(MULTISIG_KEYS_MAX)
    single = verification.parse(verification.single(everyone[0]))
    assert single == verification.Verification(1, (everyone[0],), multisig=False)
    for count in range(1, MULTISIG_KEYS_MAX + 1):
        found = verification.parse(verification.multi(count, everyone[:count]))
        assert found is not None
        assert found.multisig
        assert (found.threshold, set(found.keys)) == (count, set(everyone[:count]))


def test_parse_knows_nothing_else() -> None:
    two = verification.multi(2, ABC)
    key = b"\x0c\x21" + ABC[0].raw
    others = [
        b"",
        b"\x11",
        two[:-1],
        two + b"\x00",
        b"\x14" + two[1:],  # 4 of 3
        b"\x10" + two[1:],  # 0 of 3
        b"\x00\x02" + two[1:],  # 2, not in its shortest form
        two[:1] + key + key + two[71:],  # one key twice, and out of order
        two[:-6] + b"\x14" + two[-5:],  # says 4 keys
        two[:-4] + bytes(4),  # another syscall
        verification.single(ABC[0])[:-1] + b"\x00",
        b"\x0c\x20" + verification.single(ABC[0])[2:],
    ]
    assert [verification.parse(script) for script in others] == [None] * len(others)


def test_wrong_counts_are_refused() -> None:
    for threshold in (-1, 0, 4):
        with pytest.raises(CodecError, match="threshold"):
            verification.multi(threshold, ABC)
    with pytest.raises(CodecError, match="twice"):
        verification.multi(1, [ABC[0], ABC[0]])
    with pytest.raises(LimitError):
        verification.multi(1, keys(MULTISIG_KEYS_MAX + 1))
    assert len(verification.multi(MULTISIG_KEYS_MAX, keys(MULTISIG_KEYS_MAX))) <= VERIFICATION_BYTES_MAX


def test_signatures_stand_in_the_order_of_their_keys() -> None:
    script = verification.multi(2, ABC)
    found = verification.parse(script)
    assert found is not None
    signatures = {key: bytes((number,)) * 64 for number, key in enumerate(found.keys, 1)}
    backwards = dict(reversed(signatures.items()))
    assert verification.multi_invocation(script, backwards).hex() == "0c40" + "01" * 64 + "0c40" + "02" * 64
    del backwards[found.keys[0]]
    assert verification.multi_invocation(script, backwards).hex() == "0c40" + "02" * 64 + "0c40" + "03" * 64
    del backwards[found.keys[1]]
    with pytest.raises(CodecError, match="1 of the 2"):
        verification.multi_invocation(script, backwards)
    with pytest.raises(CodecError, match="not a multi-signature"):
        verification.multi_invocation(verification.single(ABC[0]), signatures)
    with pytest.raises(CodecError, match="64 bytes"):
        verification.invocation(bytes(63))
