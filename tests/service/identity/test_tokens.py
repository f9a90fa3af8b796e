"""Only tokens that we issued, for us, and not too long ago stand for anybody. On a real PostgreSQL."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from nsl.cli.up.postgres import APP, OWNER
from nsl.identity.errors import BadToken
from nsl.identity.model import DEFAULT_PLAN, AuthMethod, Caller, ClientDraft, Scope
from nsl.identity.service import Keyring, NewClient, Revocations, Subject, Tenancy, Tokens
from nsl.kit import migrate
from nsl.kit.clock import unix_seconds
from nsl.kit.db import Database
from nsl.kit.replicas import LocalBus
from nsl_protocol.enclave.messages import TokenKeyCreated, TokenKind
from tests.support.drivers import postgres

pytestmark = pytest.mark.asyncio(loop_scope="module")
ISSUER = "https://layer.example"


class LocalSigner:
    """A token signer without an enclave, which signs any header: the attacks need what the enclave refuses."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(65537, 2048)
        self.made = 0

    @property
    def public_key(self) -> bytes:
        return self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    async def create_token_key(self, kid: str) -> TokenKeyCreated:
        self.made += 1
        self.kid = kid
        return TokenKeyCreated(self.public_key, b"wrapped")

    async def sign_token(self, kind: TokenKind, kid: str, wrapped: bytes, claims: bytes) -> str:
        assert wrapped == b"wrapped"
        return self.sign({"alg": "RS256", "typ": kind, "kid": kid}, json.loads(claims))

    def sign(self, header: dict[str, Any], claims: dict[str, Any]) -> str:
        signed = _part(header) + b"." + _part(claims)
        return _whole(signed, self.key.sign(signed, padding.PKCS1v15(), hashes.SHA256()))


def _part(value: Any) -> bytes:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")


def _whole(signed: bytes, signature: bytes) -> str:
    return (signed + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def database(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Database]:
    folder: Path = tmp_path_factory.mktemp("postgres")
    async with postgres(folder) as server:
        await migrate.apply(server.url(OWNER))
        async with Database(server.url(APP)) as app:
            yield app


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(database: Database) -> NewClient:
    tenancy = Tenancy(database, Revocations(database, LocalBus()))
    tenant = await tenancy.create_tenant("tokens", None)
    caller = Caller("admin", tenant.id, tenant.id, frozenset(Scope), DEFAULT_PLAN)
    scopes = [Scope.KEYS_READ, Scope.KEYS_SIGN]
    draft = ClientDraft(name="a", scopes=frozenset(scopes), auth_method=AuthMethod.BASIC)
    return await tenancy.create_client(caller, None, draft)


@pytest.fixture(scope="module")
def signer() -> LocalSigner:
    return LocalSigner()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tokens(database: Database, signer: LocalSigner) -> AsyncIterator[Tokens]:
    keyring = Keyring(database, signer)
    # Many at once, and still one key.
    await asyncio.gather(*(keyring.key_set() for _ in range(8)))
    assert signer.made == 1
    async with _tokens(database, keyring) as made:
        yield made


@asynccontextmanager
async def _tokens(database: Database, keyring: Keyring) -> AsyncIterator[Tokens]:
    revocations = Revocations(database, LocalBus())
    async with revocations.watching():
        yield Tokens(database, keyring, revocations, ISSUER)


@pytest.fixture
def claims(client: NewClient) -> dict[str, Any]:
    """Those of a good token."""
    name, now = str(client.client.id), unix_seconds()
    return {
        "iss": ISSUER, "sub": name, "aud": ISSUER, "client_id": name, "tenant": str(client.client.tenant),
        "scope": "keys:read", "roles": [], "sid": "s", "jti": "j", "iat": now, "exp": now + 600,
    }  # fmt: skip


async def test_an_issued_token_stands_for_its_client(tokens: Tokens, client: NewClient) -> None:
    tenant = client.client.tenant
    assert tenant is not None
    subject = Subject(id=client.client.id, tenant=tenant, roles=("service",))
    issued = await tokens.issue(client.client, subject, ("keys:read",))
    assert tokens.known(issued.token) is None
    caller = await tokens.verify(issued.token)
    expected = Caller(str(client.client.id), tenant, client.client.id, frozenset({"keys:read"}), DEFAULT_PLAN)
    assert caller == replace(expected, roles=("service",))
    assert tokens.known(issued.token) is caller


async def test_another_replica_finds_the_same_key(database: Database, signer: LocalSigner, tokens: Tokens) -> None:
    keys = (await Keyring(database, signer).key_set())["keys"]
    assert [key["kid"] for key in keys] == [signer.kid]
    assert signer.made == 1


async def test_many_at_once_are_verified_by_a_replica_that_has_no_key_yet(
    database: Database, signer: LocalSigner, tokens: Tokens, claims: dict[str, Any]
) -> None:
    token = await signer.sign_token(TokenKind.ACCESS, signer.kid, b"wrapped", json.dumps(claims).encode())
    async with _tokens(database, Keyring(database, signer)) as other:
        callers = await asyncio.gather(*(other.verify(token) for _ in range(16)))
    assert len(set(callers)) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "https://other.example"}, {"aud": "https://other.example"}, {"aud": [ISSUER, "other"]},
        {"exp": 1}, {"exp": "soon"}, {"exp": None}, {"tenant": "no uuid"}, {"tenant": 5}, {"client_id": None},
        {"scope": ["keys:read"]}, {"sub": ...}, {"exp": ...}, {"iss": ...}, {"aud": ...}, {"scope": ...},
    ],
    ids=str,
)  # fmt: skip
async def test_claims_that_are_not_ours_are_refused(
    tokens: Tokens, signer: LocalSigner, claims: dict[str, Any], change: dict[str, Any]
) -> None:
    changed = {name: value for name, value in (claims | change).items() if value is not ...}
    with pytest.raises(BadToken):
        await tokens.verify(signer.sign({"alg": "RS256", "typ": "at+jwt", "kid": signer.kid}, changed))


@pytest.mark.parametrize(
    "header",
    [{"typ": "JWT"}, {"typ": ...}, {"alg": "RS512"}, {"alg": "PS256"}, {"kid": "other"}, {"kid": ...}, {"kid": ["x"]}],
    ids=str,
)
async def test_a_header_that_is_not_ours_is_refused(
    tokens: Tokens, signer: LocalSigner, claims: dict[str, Any], header: dict[str, Any]
) -> None:
    whole = {"alg": "RS256", "typ": "at+jwt", "kid": signer.kid} | header
    with pytest.raises(BadToken):
        await tokens.verify(signer.sign({name: value for name, value in whole.items() if value is not ...}, claims))


async def test_neither_no_signature_nor_our_public_key_as_a_secret_is_taken(
    tokens: Tokens, signer: LocalSigner, claims: dict[str, Any]
) -> None:
    unsigned = _part({"alg": "none", "typ": "at+jwt", "kid": signer.kid}) + b"." + _part(claims)
    with pytest.raises(BadToken):
        await tokens.verify(_whole(unsigned, b""))
    pem = signer.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for secret in (pem, signer.public_key):
        signed = _part({"alg": "HS256", "typ": "at+jwt", "kid": signer.kid}) + b"." + _part(claims)
        mac = hmac.HMAC(secret, hashes.SHA256())
        mac.update(signed)
        with pytest.raises(BadToken):
            await tokens.verify(_whole(signed, mac.finalize()))


async def test_another_key_under_our_kid_is_refused(
    tokens: Tokens, signer: LocalSigner, claims: dict[str, Any]
) -> None:
    with pytest.raises(BadToken):
        await tokens.verify(LocalSigner().sign({"alg": "RS256", "typ": "at+jwt", "kid": signer.kid}, claims))


@pytest.mark.parametrize("text", ["", ".", "..", "a.b.c", "é.é.é", "x" * 9000, "\x00"])
async def test_what_is_no_token_is_refused(tokens: Tokens, text: str) -> None:
    with pytest.raises(BadToken):
        await tokens.verify(text)


async def test_a_token_expires_while_it_is_remembered(
    tokens: Tokens, signer: LocalSigner, claims: dict[str, Any]
) -> None:
    header = {"alg": "RS256", "typ": "at+jwt", "kid": signer.kid}
    token = signer.sign(header, claims | {"exp": unix_seconds() + 1})
    await tokens.verify(token)
    await asyncio.sleep(1.1)
    assert tokens.known(token) is None
    with pytest.raises(BadToken, match="expired"):
        await tokens.verify(token)


async def test_a_header_with_more_than_ours_is_refused(
    tokens: Tokens, signer: LocalSigner, claims: dict[str, Any]
) -> None:
    """A key inside the token, or an address to fetch one from, is never looked at."""
    for more in ({"jwk": {"kty": "RSA"}}, {"jku": "https://evil.example"}, {"x5u": "x"}, {"crit": ["exp"]}):
        with pytest.raises(BadToken):
            await tokens.verify(signer.sign({"alg": "RS256", "typ": "at+jwt", "kid": signer.kid} | more, claims))
