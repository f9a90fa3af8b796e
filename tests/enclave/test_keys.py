"""Keys of a real enclave process: what they sign verifies elsewhere, what they must not sign is refused."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from coincurve import PublicKey as Secp256k1Key
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from eth_account import Account
from eth_account.messages import encode_defunct, encode_typed_data
from joserfc import jwt
from joserfc.jwk import RSAKey

from nsl.adapters.enclave import EnclaveClient, EnclaveDown, EnclaveRefused
from nsl.identity.errors import RootReplaced
from nsl_protocol.enclave.lifecycle import KeyChange, KeyState, inactive
from nsl_protocol.enclave.messages import (
    SIGNING_CURVES,
    CreateKey,
    Curve,
    KeyCreated,
    Refused,
    Signature,
    SignOrder,
    TokenKind,
)
from nsl_protocol.enclave.signable import (
    Signable,
    SignDigest,
    SignEvmTransaction,
    SignMessage,
    SignN3Transaction,
    SignTypedData,
)
from nsl_protocol.enclave.wrapped import KeyName
from nsl_protocol.evm.address import EvmAddress
from nsl_protocol.evm.transaction import EvmSignature, FeeMarketTransaction
from nsl_protocol.n3.address import ScriptHash
from nsl_protocol.n3.keys import PublicKey
from nsl_protocol.n3.script import transfer_script
from nsl_protocol.n3.transaction import Transaction, sign_data
from nsl_protocol.n3.verification import account
from nsl_protocol.n3.witness import Signer
from nsl_protocol.policy.document import Policy
from tests.protocol.evm.vectors import MAIL
from tests.support.enclave import Enclave, OwnKey, enclave, new_key

KID = "kid-1"
MAGIC = 56753
CLAIMS = {
    "iss": "i",
    "sub": "s",
    "aud": "a",
    "jti": "j",
    "client_id": "c",
    "scope": "keys:read",
    "iat": 1000,
    "exp": 1600,
}
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kme(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Enclave]:
    folder: Path = tmp_path_factory.mktemp("kme")
    with enclave(folder) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(kme: Enclave) -> AsyncIterator[EnclaveClient]:
    async with kme.client() as connected:
        yield connected


async def sign(client: EnclaveClient, key: OwnKey, what: Signable) -> Any:
    return (await client.sign([SignOrder(key.name, key.wrapped, what, uuid4().bytes)]))[0]


def verify_p256(public_key: bytes, signature: bytes, data: bytes) -> None:
    der = encode_dss_signature(int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public_key)
    key.verify(der, data, ec.ECDSA(hashes.SHA256()))


def n3_transaction(public_key: bytes) -> Transaction:
    own = account(PublicKey.from_bytes(public_key))
    gas = ScriptHash.parse("0xd2a4cff31913016155e38e474a2c06d08be276cf")
    return Transaction(
        nonce=1,
        system_fee=10,
        network_fee=20,
        valid_until_block=30,
        signers=(Signer(own),),
        script=transfer_script(gas, own, ScriptHash(b"\x01" * 20), 500_000_000),
    )


async def test_the_status_says_simulated_and_which_layers_hold(client: EnclaveClient, kme: Enclave) -> None:
    status = await client.status()
    assert (status.program, status.mode, status.phase) == ("kme", "sim", "ready")
    assert len(bytes.fromhex(status.measurement)) == 32
    assert list(status.layers) == [*kme.ready["layers"], "locked_memory"]
    assert "no_new_privs" in status.layers


async def test_a_p256_message_is_in_the_wallets_envelope(client: EnclaveClient) -> None:
    made = await new_key(client, Curve.SECP256R1)
    signed = await sign(client, made, SignMessage(b"hello"))
    content = signed.salt.encode() + b"hello"
    verify_p256(made.public_key, signed.signature, b"\x01\x00\x01\xf0" + bytes([len(content)]) + content + b"\0\0")
    with pytest.raises(InvalidSignature):
        verify_p256(made.public_key, signed.signature, b"hello")


async def test_a_secp256k1_message_is_personal_sign(client: EnclaveClient) -> None:
    made = await new_key(client, Curve.SECP256K1)
    signed = await sign(client, made, SignMessage(b"hello"))
    recovered = Account.recover_message(
        encode_defunct(b"hello"), signature=signed.signature + bytes([27 + signed.recovery])
    )
    public = Secp256k1Key(made.public_key).format(compressed=False)
    assert recovered == str(EvmAddress.from_public_key(public))


async def test_an_ed25519_message_has_its_prefix(client: EnclaveClient) -> None:
    made = await new_key(client, Curve.ED25519)
    signed = await sign(client, made, SignMessage(b"hello"))
    key = Ed25519PublicKey.from_public_bytes(made.public_key)
    key.verify(signed.signature, b"Neo Service Layer Signed Message:\n5\nhello")
    with pytest.raises(InvalidSignature):
        key.verify(signed.signature, b"hello")


async def test_an_n3_transaction_is_parsed_decoded_and_signed(client: EnclaveClient) -> None:
    made = await new_key(client, Curve.SECP256R1)
    transaction = n3_transaction(made.public_key)
    signed = await sign(client, made, SignN3Transaction(MAGIC, transaction.unsigned_bytes()))
    verify_p256(made.public_key, signed.signature, sign_data(MAGIC, transaction))
    decoded = json.loads(signed.decoded)
    assert (decoded["hash"], decoded["transfer"]["amount"]) == (transaction.hash, "500000000")


async def test_an_evm_transaction_is_parsed_decoded_and_signed(client: EnclaveClient) -> None:
    made = await new_key(client, Curve.SECP256K1)
    to = EvmAddress(b"\x02" * 20)
    transaction = FeeMarketTransaction(12227332, 3, 21000, to, 10**18, b"", 20 * 10**9, 60 * 10**9)
    signed = await sign(client, made, SignEvmTransaction(12227332, transaction.unsigned_bytes()))
    r, s = int.from_bytes(signed.signature[:32]), int.from_bytes(signed.signature[32:])
    raw = transaction.signed_bytes(EvmSignature(signed.recovery, r, s))
    public = Secp256k1Key(made.public_key).format(compressed=False)
    assert Account.recover_transaction(raw) == str(EvmAddress.from_public_key(public))
    assert json.loads(signed.decoded)["summary"] == f"transfer {10**18} wei to {to}"


async def test_typed_data_is_eth_accounts(client: EnclaveClient) -> None:
    made = await new_key(client, Curve.SECP256K1)
    signed = await sign(client, made, SignTypedData(json.dumps(MAIL).encode()))
    recovered = Account.recover_message(
        encode_typed_data(full_message=MAIL), signature=signed.signature + bytes([27 + signed.recovery])
    )
    assert recovered == str(EvmAddress.from_public_key(Secp256k1Key(made.public_key).format(compressed=False)))


@pytest.mark.parametrize("curve", SIGNING_CURVES)
async def test_digests_need_a_key_made_for_them(client: EnclaveClient, curve: Curve) -> None:
    plain = await new_key(client, curve)
    refused = await sign(client, plain, SignDigest(b"d" * 32))
    assert isinstance(refused, Refused)
    assert refused.code == "BLIND_SIGNING_NOT_ALLOWED"
    blind = await new_key(client, curve, blind_signing=True)
    assert isinstance(await sign(client, blind, SignDigest(b"d" * 32)), Signature)


@pytest.mark.parametrize(
    ("curve", "what", "code"),
    [
        (Curve.SECP256R1, SignN3Transaction(MAGIC, b"junk"), "NOT_UNDERSTOOD"),
        (Curve.SECP256K1, SignN3Transaction(MAGIC, b"junk"), "WRONG_CURVE"),
        (Curve.SECP256K1, SignEvmTransaction(1, b"\x02junk"), "NOT_UNDERSTOOD"),
        (Curve.SECP256R1, SignEvmTransaction(1, b"\x02junk"), "WRONG_CURVE"),
        (Curve.SECP256K1, SignTypedData(b"{}"), "NOT_UNDERSTOOD"),
        (Curve.ED25519, SignTypedData(b"{}"), "WRONG_CURVE"),
    ],
)
async def test_what_is_not_understood_is_refused(
    client: EnclaveClient, curve: Curve, what: Signable, code: str
) -> None:
    made = await new_key(client, curve)
    refused = await sign(client, made, what)
    assert isinstance(refused, Refused)
    assert refused.code == code


async def test_somebody_elses_transaction_and_another_chain_are_refused(client: EnclaveClient) -> None:
    made = await new_key(client, Curve.SECP256R1)
    other = await new_key(client, Curve.SECP256R1)
    unsigned = n3_transaction(other.public_key).unsigned_bytes()
    assert (await sign(client, made, SignN3Transaction(MAGIC, unsigned))).code == "NOT_A_SIGNER"
    evm = await new_key(client, Curve.SECP256K1)
    transaction = FeeMarketTransaction(1, 0, 21000, None, 0, b"", 1, 1).unsigned_bytes()
    assert (await sign(client, evm, SignEvmTransaction(2, transaction))).code == "WRONG_CHAIN"


@pytest.mark.parametrize(
    "name",
    [KeyName(b"u" * 16, b"k" * 16, 1), KeyName(b"t" * 16, b"l" * 16, 1), KeyName(b"t" * 16, b"k" * 16, 2)],
    ids=["tenant", "key", "version"],
)
async def test_a_wrapped_key_opens_only_under_its_own_name(client: EnclaveClient, name: KeyName) -> None:
    made = await new_key(client, Curve.SECP256R1)
    # Also after it was opened, and is kept, under the right name.
    assert isinstance(await sign(client, made, SignMessage(b"m")), Signature)
    assert (await sign(client, made._replace(name=name), SignMessage(b"m"))).code == "KEY_NOT_AUTHENTIC"


async def test_a_damaged_wrapped_key_is_refused_everywhere(client: EnclaveClient) -> None:
    made = await new_key(client, Curve.ED25519)
    for place in (0, 5, 20, len(made.wrapped) - 1):
        damaged = bytearray(made.wrapped)
        damaged[place] ^= 1
        assert (
            await sign(client, made._replace(wrapped=bytes(damaged)), SignMessage(b"m"))
        ).code == "KEY_NOT_AUTHENTIC"


async def test_a_key_that_was_never_entered_spoils_no_batch(client: EnclaveClient) -> None:
    made = await new_key(client, Curve.ED25519)
    name = KeyName(b"t" * 16, uuid4().bytes, 1)
    answer = await client._links.call(CreateKey(name, Curve.ED25519, Policy().canonical))
    assert isinstance(answer, KeyCreated)
    good, bad = (
        SignOrder(made.name, made.wrapped, SignMessage(b"m"), uuid4().bytes),
        SignOrder(name, answer.wrapped, SignMessage(b"m"), uuid4().bytes),
    )
    results = await client.sign([bad, good, bad, good])
    assert [each.code if isinstance(each, Refused) else "" for each in results] == ["NOT_REGISTERED", ""] * 2


async def test_a_key_that_is_disabled_is_refused_until_it_is_enabled(client: EnclaveClient) -> None:
    made = await new_key(client, Curve.ED25519)
    assert isinstance(await sign(client, made, SignMessage(b"m")), Signature)
    disabled = await client.change_key(made.name, made.wrapped, KeyChange.DISABLE)
    assert isinstance(await sign(client, made, SignMessage(b"m")), Signature), "until it is entered"
    for _ in range(2):
        await client.enter_key(made.name, disabled.wrapped)
    assert (await sign(client, made, SignMessage(b"m"))).code == "NOT_REGISTERED"
    off = made._replace(wrapped=disabled.wrapped)
    refused = await sign(client, off, SignMessage(b"m"))
    assert (refused.code, refused.reason) == ("KEY_NOT_ACTIVE", inactive(KeyState.DISABLED))
    with pytest.raises(EnclaveRefused, match="The key is disabled, which disable does not follow"):
        await client.change_key(made.name, disabled.wrapped, KeyChange.DISABLE)
    enabled = await client.change_key(made.name, disabled.wrapped, KeyChange.ENABLE)
    await client.enter_key(made.name, enabled.wrapped)
    again = await sign(client, made._replace(wrapped=enabled.wrapped), SignMessage(b"m"))
    assert again.public_key == made.public_key


async def test_an_edition_under_a_root_that_is_gone_has_to_be_read_again(client: EnclaveClient) -> None:
    made = await new_key(client, Curve.ED25519)
    of_another_root = made.wrapped[:1] + (9).to_bytes(4) + made.wrapped[5:]
    with pytest.raises(RootReplaced):
        await client.enter_key(made.name, of_another_root)
    with pytest.raises(RootReplaced):
        await client.change_key(made.name, of_another_root, KeyChange.DISABLE)


async def test_one_refusal_leaves_the_others_standing(client: EnclaveClient) -> None:
    made = await new_key(client, Curve.SECP256K1)
    good = SignOrder(made.name, made.wrapped, SignMessage(b"m"), uuid4().bytes)
    bad = SignOrder(made.name, made.wrapped, SignDigest(b"d" * 32), uuid4().bytes)
    results = await client.sign([good, bad] * 300)
    assert [isinstance(each, Signature) for each in results] == [True, False] * 300


async def test_a_token_is_a_jwt_of_ten_minutes_at_most(client: EnclaveClient) -> None:
    made = await client.create_token_key(KID)
    token = await client.sign_token(TokenKind.ACCESS, KID, made.wrapped, json.dumps(CLAIMS).encode())
    read = jwt.decode(token, RSAKey.import_key(made.public_key), algorithms=["RS256"])
    assert read.header == {"alg": "RS256", "typ": "at+jwt", "kid": KID}
    assert read.claims == CLAIMS
    for wrong in (CLAIMS | {"exp": 1601}, {"iss": "i"}, CLAIMS | {"exp": 1000}, CLAIMS | {"exp": "1600"}, []):
        with pytest.raises(EnclaveRefused):
            await client.sign_token(TokenKind.ACCESS, KID, made.wrapped, json.dumps(wrong).encode())
    with pytest.raises(EnclaveRefused):
        await client.sign_token(TokenKind.ACCESS, "kid-2", made.wrapped, json.dumps(CLAIMS).encode())


@pytest.mark.parametrize(
    ("kind", "more"),
    [(TokenKind.ACCESS, {"nonce": "n"}), (TokenKind.ID, {}), (TokenKind.LOGOUT, {"sid": "s"}), (TokenKind.LOGOUT, {})],
)
async def test_one_kind_of_token_never_passes_for_another(
    client: EnclaveClient, kind: TokenKind, more: dict[str, str]
) -> None:
    kid = uuid4().hex
    made = await client.create_token_key(kid)
    with pytest.raises(EnclaveRefused):
        await client.sign_token(kind, kid, made.wrapped, json.dumps(CLAIMS | more).encode())


async def test_a_sealed_secret_opens_for_its_purpose_alone(client: EnclaveClient) -> None:
    sealed = await client.seal("totp:1", b"secret")
    assert b"secret" not in sealed
    assert await client.unseal("totp:1", sealed) == b"secret"
    token_key = await client.create_token_key("totp:1")
    spoilt = sealed[:-1] + bytes((sealed[-1] ^ 1,))
    for purpose, blob in (("totp:2", sealed), ("totp:1", spoilt), ("totp:1", token_key.wrapped)):
        with pytest.raises(EnclaveRefused):
            await client.unseal(purpose, blob)


async def test_a_token_key_is_no_key_and_a_key_no_token_key(client: EnclaveClient) -> None:
    kid = uuid4().hex
    token_key = await client.create_token_key(kid)
    key = await new_key(client, Curve.ED25519)
    mixed = key._replace(wrapped=token_key.wrapped)
    assert (await sign(client, mixed, SignMessage(b"m"))).code == "KEY_NOT_AUTHENTIC"
    with pytest.raises(EnclaveRefused):
        await client.sign_token(TokenKind.ACCESS, kid, key.wrapped, json.dumps(CLAIMS).encode())


async def test_keys_outlive_the_process_and_the_adapter_reconnects(tmp_path: Path) -> None:
    with enclave(tmp_path) as first:
        async with first.client() as client:
            made = await new_key(client, Curve.SECP256R1)
            first.process.kill()
            first.process.wait()
            with pytest.raises(EnclaveDown):
                await sign(client, made, SignMessage(b"m"))
            with enclave(tmp_path, bootstrap=False, port=first.port):
                await asyncio.sleep(0.2)
                signed = await sign(client, made, SignMessage(b"m"))
                assert signed.public_key == made.public_key
