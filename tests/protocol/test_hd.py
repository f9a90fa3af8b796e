"""Keys below a key, held to the published vectors of BIP-32 and to what a private key elsewhere derives."""

import hashlib

import pytest
from coincurve import PrivateKey
from eth_account.hdaccount.deterministic import SoftNode, derive_child_key
from hypothesis import given
from hypothesis import strategies as st

from nsl_protocol.errors import CodecError
from nsl_protocol.hd import ExtendedPublicKey

# BIP-32, test vectors 1 (m/0h, m/0h/1) and 2 (m, m/0): those whose last step is not hardened.
VECTORS = [
    (
        "xpub68Gmy5EdvgibQVfPdqkBBCHxA5htiqg55crXYuXoQRKfDBFA1WEjWgP6LHhwBZeNK1VTsfTFUHCdrfp1bgwQ9xv5ski8PX9rL2dZXvgGDnw",
        1,
        "xpub6ASuArnXKPbfEwhqN6e3mwBcDTgzisQN1wXN9BJcM47sSikHjJf3UFHKkNAWbWMiGj7Wf5uMash7SyYq527Hqck2AxYysAA7xmALppuCkwQ",
    ),
    (
        "xpub661MyMwAqRbcFW31YEwpkMuc5THy2PSt5bDMsktWQcFF8syAmRUapSCGu8ED9W6oDMSgv6Zz8idoc4a6mr8BDzTJY47LJhkJ8UB7WEGuduB",
        0,
        "xpub69H7F5d8KSRgmmdJg2KhpAK8SR3DjMwAdkxj3ZuxV27CprR9LgpeyGmXUbC6wb7ERfvrnKZjXoUmmDznezpbZb7ap6r1D3tgFxHmwMkQTPH",
    ),
]


@pytest.mark.parametrize(("parent", "index", "child"), VECTORS)
def test_published_vectors(parent: str, index: int, child: str) -> None:
    found = ExtendedPublicKey.parse(parent)
    assert str(found) == parent
    assert str(found.child(index)) == child


@given(secret=st.binary(min_size=1, max_size=64), index=st.integers(0, 2**31 - 1))
def test_what_a_private_key_derives_elsewhere_is_found_by_the_public_one(secret: bytes, index: int) -> None:
    key, chain_code = hashlib.sha256(secret).digest(), hashlib.sha256(b"chain" + secret).digest()
    external, external_code = derive_child_key(key, chain_code, SoftNode(0))
    child, _ = derive_child_key(external, external_code, SoftNode(index))
    account = ExtendedPublicKey(PrivateKey(key).public_key.format(), chain_code)
    assert account.address_key(index) == PrivateKey(child).public_key.format()


@pytest.mark.parametrize("text", ["", "xpub", VECTORS[0][0][:-1] + "x", "1" * 111, "0OIl"])
def test_what_is_no_xpub_is_refused(text: str) -> None:
    with pytest.raises(CodecError):
        ExtendedPublicKey.parse(text)


@pytest.mark.parametrize("index", [-1, 2**31])
def test_only_what_is_not_hardened_is_found(index: int) -> None:
    with pytest.raises(CodecError):
        ExtendedPublicKey.parse(VECTORS[0][0]).child(index)
