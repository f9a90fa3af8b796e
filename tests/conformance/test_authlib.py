"""Whole flows by Authlib's client."""

from typing import Any

import pytest
from authlib.integrations.base_client.errors import OAuthError  # type: ignore[import-untyped]
from authlib.integrations.httpx_client import OAuth2Client  # type: ignore[import-untyped]
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.conformance.clauses import clause
from tests.support.oauth import VERIFIER, App, Browser, Provider
from tests.support.people import Person

REDIRECT = "https://app.example.org/authlib"
SCOPE = "openid email keys:read"


def _client(app: App, **more: Any) -> OAuth2Client:
    return OAuth2Client(
        client_id=app.id,
        client_secret=app.secret,
        token_endpoint_auth_method=app.method or "client_secret_basic",
        revocation_endpoint_auth_method=app.method or "client_secret_basic",
        token_endpoint=app.provider.url("/oauth2/token"),
        trust_env=False,
        **more,
    )


@clause("RFC 6749", "4.1", "A second independent client walks the flow: code, PKCE, refresh, revocation.")
@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_code_refresh_and_revocation(provider: Provider, ada: Person, browser: Browser, method: str) -> None:
    app = provider.web_app(ada, redirect_uris=[REDIRECT], auth_method=method)
    told = provider.http.get("/.well-known/openid-configuration").json()
    with _client(app, scope=SCOPE, redirect_uri=REDIRECT, code_challenge_method="S256") as client:
        url, state = client.create_authorization_url(
            told["authorization_endpoint"], code_verifier=VERIFIER, nonce="a-nonce"
        )
        provider.consent(ada, app, SCOPE)
        answer = browser.http.get(url)
        location = answer.headers["location"]
        assert location.startswith(REDIRECT)
        tokens = client.fetch_token(authorization_response=location, state=state, code_verifier=VERIFIER)
        keys = KeySet.import_key_set(provider.http.get(told["jwks_uri"]).json())
        said = jwt.decode(tokens["id_token"], keys, algorithms=["RS256"]).claims
        assert (said["nonce"], said["email"]) == ("a-nonce", ada.email)
        assert client.get(told["userinfo_endpoint"]).json()["sub"] == said["sub"]
        fresh = client.refresh_token(told["token_endpoint"])
        assert fresh["access_token"] != tokens["access_token"]
        assert client.get(provider.url("/v1/keys")).status_code == 200
        found = client.introspect_token(told["introspection_endpoint"], fresh["access_token"]).json()
        assert found["active"] is True
        assert client.revoke_token(told["revocation_endpoint"], fresh["access_token"]).status_code == 200
        assert provider.ended(fresh["access_token"])


@clause("RFC 6749", "4.4", "A second independent client gets a token for itself.")
def test_client_credentials(provider: Provider, machine: App) -> None:
    with _client(machine, scope="keys:read") as client:
        tokens = client.fetch_token()
        assert tokens["scope"] == "keys:read"
        assert client.get(provider.url("/v1/keys")).status_code == 200
    machine.secret, kept = "wrong", machine.secret
    try:
        with _client(machine) as client, pytest.raises(OAuthError, match="invalid_client"):
            client.fetch_token()
    finally:
        machine.secret = kept
