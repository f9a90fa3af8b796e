"""Applications and browsers for the tests of the OpenID provider: each step is a real HTTP request."""

import base64
import hashlib
import json
import secrets
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

import httpx
import psycopg
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from joserfc.jws import JWSRegistry

from nsl.cli.up.postgres import OWNER
from tests.support.people import Person
from tests.support.service import Service

REDIRECT = "https://app.example.org/callback?tenant=one"
OTHER_REDIRECT = "https://app.example.org/other"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
COMMAND_LINE = "00000000-0000-7000-8000-0000000000c1"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"  # RFC 7636 appendix B
SCOPES = ("keys:read", "keys:sign", "ledger:read", "users:read")
FORM = {"content-type": "application/x-www-form-urlencoded"}


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def part(token: str, which: int) -> dict[str, Any]:
    """The header (0) or the claims (1) of a JWT, without a look at its signature."""
    text = token.split(".")[which]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return found


def claims(token: str) -> dict[str, Any]:
    return part(token, 1)


class ProofKey:
    """A key that makes DPoP proofs (RFC 9449)."""

    def __init__(self) -> None:
        self.key = ECKey.generate_key("P-256", private=True)

    @property
    def thumbprint(self) -> str:
        return self.key.thumbprint()

    def proof(
        self, method: str, url: str, token: str | None = None, *, header: dict[str, Any] | None = None, **claims: Any
    ) -> str:
        """A proof; ``header`` and ``claims`` replace what it would say, None leaves it out."""
        said: dict[str, Any] = {"htm": method, "htu": url, "iat": int(time.time()), "jti": secrets.token_hex(8)}
        if token is not None:
            said["ath"] = b64(hashlib.sha256(token.encode()).digest())
        said = {name: value for name, value in (said | claims).items() if value is not None}
        head = {"typ": "dpop+jwt", "alg": "ES256", "jwk": self.key.as_dict(private=False)} | (header or {})
        # By hand: the library does not write what it would not read.
        signed = b".".join(b64(json.dumps(each).encode()).encode() for each in (head, said))
        signature = JWSRegistry.algorithms["ES256"].sign(signed, self.key)
        return f"{signed.decode()}.{b64(signature)}"


@dataclass
class App:
    """A registered client. ``post`` proves it in the way it is registered for."""

    provider: "Provider"
    id: str
    secret: str
    method: str | None
    redirect_uri: str = REDIRECT
    key: RSAKey | None = None

    def proven(self, fields: dict[str, Any]) -> tuple[dict[str, Any], httpx.BasicAuth | None]:
        if self.method in ("none", "tls_client_auth"):
            return {"client_id": self.id} | fields, None
        if self.method == "client_secret_post":
            return {"client_id": self.id, "client_secret": self.secret} | fields, None
        if self.method == "private_key_jwt":
            return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": self.assertion()} | fields, None
        return fields, httpx.BasicAuth(self.id, self.secret)

    def post(self, path: str, fields: dict[str, Any], headers: dict[str, str] | None = None) -> httpx.Response:
        form, basic = self.proven(fields)
        return self.provider.http.post(path, data=form, auth=basic or httpx.USE_CLIENT_DEFAULT, headers=headers)

    def token(self, grant: str, headers: dict[str, str] | None = None, **fields: Any) -> httpx.Response:
        return self.post("/oauth2/token", {"grant_type": grant} | fields, headers)

    def redeem(self, code: str, headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
        """The code for tokens; None leaves a parameter out."""
        fields = {"code": code, "redirect_uri": self.redirect_uri, "code_verifier": VERIFIER} | more
        given = {name: value for name, value in fields.items() if value is not None}
        return self.token("authorization_code", headers, **given)

    def refresh(self, token: str, headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
        return self.token("refresh_token", headers, refresh_token=token, **more)

    def asks(self, **more: Any) -> dict[str, Any]:
        """The parameters of an authorization request; None leaves one out."""
        fields = {
            "client_id": self.id,
            "response_type": "code",
            "redirect_uri": self.redirect_uri,
            "scope": "openid profile email keys:read",
            "state": "a state&=%",
            "nonce": "a-nonce",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        } | more
        return {name: value for name, value in fields.items() if value is not None}

    def assertion(self, key: Any = None, algorithm: str = "RS256", **more: Any) -> str:
        """RFC 7523; None leaves a claim out."""
        now = int(time.time())
        said = {
            "iss": self.id, "sub": self.id, "aud": self.provider.base_url, "iat": now, "exp": now + 60,
            "jti": secrets.token_hex(8),
        } | more  # fmt: skip
        said = {name: value for name, value in said.items() if value is not None}
        signing: Any = key or self.key
        return jwt.encode({"alg": algorithm}, said, signing, algorithms=[algorithm])


@dataclass
class Browser:
    """A person's browser: keeps cookies, and follows redirects by hand up to the application's address."""

    provider: "Provider"
    person: Person
    http: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.http = httpx.Client(
            base_url=self.provider.base_url, transport=self.provider.transport, timeout=20, trust_env=False
        )

    def sign_in(self, *, seconds_ago: int = 0) -> str:
        """Signed in, without the pages: a sign-in of the API becomes this browser's session. Its id."""
        answer = self.person.login()
        assert answer.status_code == 200, answer.text
        said = claims(answer.json()["access_token"])
        cookie = secrets.token_urlsafe(32)
        self.provider.owner(
            said["tenant"],
            said["sub"],
            "UPDATE sessions SET cookie_sha256 = %s, authenticated_at = now() - %s * interval '1 second' WHERE id = %s",
            hashlib.sha256(cookie.encode()).digest(),
            seconds_ago,
            said["sid"],
        )
        self.http.cookies.set("nsl-session", cookie)
        return str(said["sid"])

    def authorize(self, app: App, *, method: str = "GET", **more: Any) -> httpx.Response:
        """One authorization request, nothing followed."""
        fields = app.asks(**more)
        if method == "POST":
            return self.http.post("/oauth2/authorize", data=fields)
        return self.http.get("/oauth2/authorize", params=fields)

    def answer(self, app: App, **more: Any) -> dict[str, str]:
        """What the application is told: the parameters of the redirect to it."""
        answer = self.authorize(app, **more)
        assert answer.status_code == 303, answer.text
        return told(answer, more.get("redirect_uri") or app.redirect_uri)

    def submit(self, page: str, fields: dict[str, str]) -> httpx.Response:
        """Send a form of one of our pages."""
        return self.http.post(page, data=fields, headers={"Origin": self.provider.base_url})

    def walk(self, app: App, *, decision: str = "allow", **more: Any) -> tuple[dict[str, str], list[str]]:
        """As a person does it, over the pages: what the application is told, and the pages that were seen."""
        answer, seen = self.authorize(app, **more), list[str]()
        for _ in range(6):
            assert answer.status_code == 303, answer.text
            location = answer.headers["location"]
            if not location.startswith(("/", self.provider.base_url)):
                return told(answer, more.get("redirect_uri") or app.redirect_uri), seen
            answer = self.http.get(location)
            if answer.status_code != 200:
                continue
            path = urlsplit(location).path
            seen.append(path)
            fields = dict(parse_qsl(urlsplit(location).query))
            if path == "/console/login":
                fields |= {"email": self.person.email, "password": self.person.password}
            answer = self.submit(path, fields | ({"decision": decision} if path == "/console/consent" else {}))
        raise AssertionError(f"no end after {seen}")

    def decide(self, user_code: str, decision: str = "allow") -> httpx.Response:
        """Type in a device's code."""
        return self.submit("/console/device", {"user_code": user_code, "decision": decision})

    def code(self, app: App, **more: Any) -> str:
        """A code, with consent."""
        self.provider.consent(self.person, app, app.asks(**more)["scope"])
        found = self.answer(app, **more)
        assert "code" in found, found
        return found["code"]

    def tokens(self, app: App, headers: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
        """The whole flow."""
        answer = app.redeem(self.code(app, **more), headers)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


def told(answer: httpx.Response, redirect_uri: str) -> dict[str, str]:
    """The parameters of a redirect to an application, which goes to no other place."""
    location, known = urlsplit(answer.headers["location"]), urlsplit(redirect_uri)
    assert location[:3] == known[:3], answer.headers["location"]
    fields = dict(parse_qsl(location.query))
    for name, value in parse_qsl(known.query):
        assert fields.pop(name) == value
    return fields


class Provider:
    """The running provider, and what tests need of it."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.base_url = service.base_url
        self.transport = httpx.HTTPTransport()
        self.http = httpx.Client(base_url=self.base_url, transport=self.transport, timeout=20, trust_env=False)

    def url(self, path: str) -> str:
        return self.base_url + path

    def owner(self, tenant: str, user: str, statement: str, *parameters: Any) -> None:
        """One statement in the database, for what takes people hours."""
        with psycopg.connect(self.service.postgres.url(OWNER)) as connection:
            connection.execute("SELECT set_config('app.current_tenant', %s, true)", [tenant])
            connection.execute("SELECT set_config('app.current_subject', %s, true)", [user])
            done = connection.execute(statement, parameters)
            assert done.rowcount >= 1

    def consent(self, person: Person, app: App, scope: str) -> None:
        """As if the person had agreed before."""
        said = claims(person.tokens["access_token"])
        self.owner(
            said["tenant"],
            said["sub"],
            "INSERT INTO consents (tenant_id, user_id, client_id, scopes) VALUES (%s, %s, %s, %s)"
            " ON CONFLICT (tenant_id, user_id, client_id) DO UPDATE SET scopes = excluded.scopes",
            said["tenant"],
            said["sub"],
            app.id,
            sorted(set(scope.split())),
        )

    def app(self, person: Person, *, key: RSAKey | None = None, **more: Any) -> App:
        """A client of the person's tenant, made over the API."""
        body = {"name": f"app {uuid4().hex[:6]}", "scopes": SCOPES} | more
        if key is not None:
            body |= {"auth_method": "private_key_jwt", "jwks": {"keys": [key.as_dict(private=False)]}}
        answer = self.http.post("/v1/clients", json=body, headers=person.headers)
        assert answer.status_code == 201, answer.text
        made = answer.json()
        redirect = (body.get("redirect_uris") or [REDIRECT])[0]
        return App(self, made["client_id"], made["client_secret"], body.get("auth_method"), redirect, key)

    def web_app(self, person: Person, **more: Any) -> App:
        """One with a person before it: code and refresh."""
        grants = ["authorization_code", "refresh_token"]
        return self.app(person, **{"grant_types": grants, "redirect_uris": [REDIRECT, OTHER_REDIRECT]} | more)

    def browser(self, person: Person, *, seconds_ago: int = 0) -> Browser:
        """One in which the person is signed in."""
        browser = Browser(self, person)
        browser.sign_in(seconds_ago=seconds_ago)
        return browser

    def me(self, token: str, headers: dict[str, str] | None = None, scheme: str = "Bearer") -> httpx.Response:
        """Use an access token."""
        return self.http.get("/v1/me", headers={"Authorization": f"{scheme} {token}"} | (headers or {}))

    def keys(self, token: str, headers: dict[str, str] | None = None, scheme: str = "Bearer") -> httpx.Response:
        """Use an access token for something that needs keys:read."""
        return self.http.get("/v1/keys", headers={"Authorization": f"{scheme} {token}"} | (headers or {}))

    def introspect(self, app: App, token: str) -> dict[str, Any]:
        answer = app.post("/oauth2/introspect", {"token": token})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def ended(self, token: str, headers: dict[str, str] | None = None, scheme: str = "Bearer") -> bool:
        """Whether an access token stops being worth anything within a second."""
        deadline = time.monotonic() + 1
        while time.monotonic() < deadline:
            if self.keys(token, headers, scheme).status_code == 401:
                return True
            time.sleep(0.02)
        return False
