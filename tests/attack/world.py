"""Whom the attacks are tried by and on: a person who may do everything in their tenant, the platform, a stranger.

Forged tokens are signed by the real enclave with the real key, over claims that the service would never ask for: what
is refused is refused for what it says, not for its signature.
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from uuid import uuid4

import httpx
import psycopg
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from nsl.adapters.enclave import EnclaveClient, PostgresRegister
from nsl.cli.up.cluster import DevelopmentCluster
from nsl.kit.clock import unix_seconds
from nsl.kit.db import Database
from nsl_protocol.enclave.messages import TokenKind
from tests.attack.calls import CALLS, RECIPIENT
from tests.support.live import Live
from tests.support.people import Person, register


def part(value: Any) -> str:
    """A part of a JWT."""
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def claims_of(token: str) -> dict[str, Any]:
    """What a token says."""
    text = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return found


@dataclass
class World:
    """``live``: the layer under attack."""

    live: Live
    person: Person
    stranger: Person
    platform: str
    http: httpx.Client
    _members: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, live: Live, http: httpx.Client) -> "World":
        """Everybody registered and signed in."""
        credentials = json.loads(live.credentials.read_text(encoding="utf-8"))
        form = {"grant_type": "client_credentials"}
        answer = http.post(
            f"{live.base_url}/oauth2/token", data=form, auth=(credentials["client_id"], credentials["client_secret"])
        )
        mail = live.state / "mail"
        person, stranger = register(live.base_url, mail), register(live.base_url, mail)
        world = cls(live, person, stranger, answer.json()["access_token"], http)
        for each in (person, stranger):
            world.as_platform("PUT", f"/v1/tenants/{each.tokens['tenant_id']}/plan", PLAN)
        return world

    @property
    def tenant(self) -> str:
        return str(self.person.tokens["tenant_id"])

    def fresh(self) -> str:
        """An access token of a session of its own, so that ending it ends nobody else's."""
        answer = self.person.login()
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def send(self, method: str, path: str, token: str | None, body: Any = None, **more: Any) -> httpx.Response:
        """One request without the SDK's help."""
        headers = {"idempotency-key": uuid4().hex, **more.pop("headers", {})}
        if token is not None:
            headers["authorization"] = more.pop("scheme", "Bearer") + " " + token
        return self.http.request(method, self.live.base_url + path, headers=headers, json=body, **more)

    def as_platform(self, method: str, path: str, body: Any = None) -> Any:
        """What the platform's administrator is answered."""
        return _ok(self.send(method, path, self.platform, body))

    def _make(self, path: str, body: Any) -> Any:
        return _ok(self.send("POST", path, self.person.tokens["access_token"], body))

    def member(self) -> str:
        """Somebody of the person's tenant."""
        return str(self._make("/scim/v2/Users", CALLS["scimCreateUser"].json(self))["id"])

    def role(self) -> str:
        return str(self._make("/v1/roles", CALLS["createRole"].json(self))["name"])

    def group(self) -> str:
        return str(self._make("/scim/v2/Groups", CALLS["scimCreateGroup"].json(self))["id"])

    def grant(self) -> str:
        return str(self._make("/v1/grants", CALLS["createGrant"].json(self))["id"])

    def invitation(self) -> str:
        return str(self._make("/v1/invitations", CALLS["invite"].json(self))["id"])

    def delegation(self) -> str:
        return str(self._make("/v1/delegations", CALLS["createDelegation"].json(self))["id"])

    def client(self) -> str:
        return str(self._make("/v1/clients", CALLS["createClient"].json(self))["client_id"])

    def hold(self) -> str:
        return str(self._make("/v1/compliance/holds", CALLS["setHold"].json(self))["id"])

    def key(self) -> str:
        return str(self._make("/v1/keys", CALLS["createKey"].json(self))["id"])

    def approval(self) -> str:
        return str(self._make(f"/v1/keys/{self.key()}/approvals", CALLS["askApproval"].json(self))["id"])

    def secret_key(self, curve: str) -> str:
        return str(self._make("/v1/keys", {"name": "x", "curve": curve})["id"])

    def exportable_key(self) -> str:
        body = CALLS["createKey"].json(self) | {"exportable": True, "export_recipients": [RECIPIENT]}
        return str(self._make("/v1/keys", body)["id"])

    def session(self) -> str:
        return str(self.person.login().json()["session_id"])

    def another_tenant(self) -> str:
        return str(self.as_platform("POST", "/v1/tenants", {"name": "x"})["id"])

    # Forgeries -------------------------------------------------------------------------------------------------

    def signed(self, claims: dict[str, Any], kind: TokenKind = TokenKind.ACCESS) -> str:
        """A token over any claims, by the enclave and the key that signs now."""
        return asyncio.run(self._signed(kind, claims))

    async def _signed(self, kind: TokenKind, claims: dict[str, Any]) -> str:
        kid, wrapped, _ = self.token_key
        async with self._enclave() as enclave:
            return await enclave.sign_token(kind, kid, wrapped, json.dumps(claims).encode())

    @asynccontextmanager
    async def _enclave(self) -> AsyncIterator[EnclaveClient]:
        port = json.loads((self.live.state / "ports.json").read_text(encoding="utf-8"))["kme"]
        cluster = DevelopmentCluster(self.live.state / "cluster")
        async with Database(self.owner_url, connections_max=1) as database:
            register = PostgresRegister(database)
            known = EnclaveClient([("127.0.0.1", port)], cluster.trust(), cluster.identity(), register)
            async with known as enclave:
                yield enclave

    @cached_property
    def owner_url(self) -> str:
        """The database as its owner."""
        port = json.loads((self.live.state / "ports.json").read_text(encoding="utf-8"))["postgres"]
        password = (self.live.state / "secrets" / "nsl_owner").read_text(encoding="utf-8").strip()
        return f"postgresql://nsl_owner:{password}@127.0.0.1:{port}/nsl"

    @cached_property
    def token_key(self) -> tuple[str, bytes, bytes]:
        """The id, the wrapped key and the public key that the layer signs with."""
        kid = json.loads(_header(self.person.tokens["access_token"]))["kid"]
        with psycopg.connect(self.owner_url) as owner:
            row = owner.execute("SELECT kid, wrapped, public_key FROM token_keys WHERE kid = %s", [kid]).fetchone()
        assert row is not None
        return row

    def another_token_key(self) -> tuple[str, str]:
        """A token by a key of its own, and that key's id: to be withdrawn without ending everybody's tokens."""
        return asyncio.run(self._another_token_key())

    async def _another_token_key(self) -> tuple[str, str]:
        kid = uuid4().hex
        async with self._enclave() as enclave:
            made = await enclave.create_token_key(kid)
            with psycopg.connect(self.owner_url, autocommit=True) as owner:
                # Not so new that it would sign for others.
                owner.execute(
                    "INSERT INTO token_keys (kid, public_key, wrapped, created_at)"
                    " VALUES (%s, %s, %s, now() - interval '3 days')",
                    [kid, made.public_key, made.wrapped],
                )
            claims = json.dumps(claims_of(self.fresh())).encode()
            return await enclave.sign_token(TokenKind.ACCESS, kid, made.wrapped, claims), kid

    def tricks(self, token: str, refresh_token: str) -> dict[str, str]:
        """What is not a good token, though each is nearly one, by the trick's name."""
        header, _, signature = token.split(".")
        claims, now = claims_of(token), unix_seconds()
        kid, _, public_key = self.token_key
        body = part(claims)
        known = {"alg": "RS256", "typ": "at+jwt", "kid": kid}
        stranger = rsa.generate_private_key(65537, 2048)
        pem = load_der_public_key(public_key).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        numbers = stranger.public_key().public_numbers()
        jwk = {"kty": "RSA", "n": part(numbers.n.to_bytes(256)), "e": "AQAB", "kid": kid}
        return {
            "expired": self.signed(claims | {"iat": now - 601, "exp": now - 1}),
            "wrong audience": self.signed(claims | {"aud": "https://elsewhere.example"}),
            "wrong issuer": self.signed(claims | {"iss": "https://elsewhere.example"}),
            "wrong key": _by(stranger, known, body),
            "alg none": f"{part(known | {'alg': 'none'})}.{body}.",
            "alg none, in capitals": f"{part(known | {'alg': 'NoNe'})}.{body}.",
            "HS256 with the public key": _hs256(pem, known | {"alg": "HS256"}, body),
            "jwk": _by(stranger, known | {"jwk": jwk}, body),
            "jku": _by(stranger, known | {"jku": "http://127.0.0.1:9/keys"}, body),
            "x5u": _by(stranger, known | {"x5u": "http://127.0.0.1:9/cert"}, body),
            "crit": _by(stranger, known | {"crit": ["exp"]}, body),
            "kid of a file": _by(stranger, known | {"kid": "../../../../dev/null"}, body),
            "kid with SQL": _by(stranger, known | {"kid": "' OR 1=1 --"}, body),
            "no kid": _by(stranger, {"alg": "RS256", "typ": "at+jwt"}, body),
            "id token as access token": self.signed(
                {name: value for name, value in claims.items() if name != "scope"}, TokenKind.ID
            ),
            "refresh token as access token": refresh_token,
            "bound token without its proof": self.signed(claims | {"cnf": {"jkt": part(bytes(32))}}),
            "certificate-bound token without it": self.signed(claims | {"cnf": {"x5t#S256": part(bytes(32))}}),
            "signature cut": f"{header}.{body}.{signature[:-4]}",
            "other claims": f"{header}.{part(claims | {'tenant': str(uuid4())})}.{signature}",
        }


PLAN = {"requests_per_minute": 1_000_000, "key_requests_per_minute": 1_000_000}


def _header(token: str) -> bytes:
    text = token.split(".", maxsplit=1)[0]
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _by(key: rsa.RSAPrivateKey, header: dict[str, Any], body: str) -> str:
    signed = f"{part(header)}.{body}"
    return f"{signed}.{part(key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def _hs256(secret: bytes, header: dict[str, Any], body: str) -> str:
    signed = f"{part(header)}.{body}"
    mac = hmac.HMAC(secret, hashes.SHA256())
    mac.update(signed.encode())
    return f"{signed}.{part(mac.finalize())}"


def _ok(answer: httpx.Response) -> Any:
    assert answer.is_success, answer.text
    return answer.json() if answer.content else None
