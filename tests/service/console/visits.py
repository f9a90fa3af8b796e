"""Visits to the console over plain HTTP, as a browser would make them."""

import base64
import hashlib
from collections.abc import Callable
from typing import Any

import httpx

from tests.support.people import Person
from tests.support.service import Service

VERIFIER = "v" * 43

type SignIn = Callable[..., tuple[httpx.Client, httpx.Response]]


def browser(service: Service) -> httpx.Client:
    """Something that behaves like a browser on a page of ours."""
    headers = {"origin": service.base_url}
    return httpx.Client(base_url=service.base_url, headers=headers, timeout=20, trust_env=False)


def app(person: Person, name: str, redirect_uri: str, **more: Any) -> str:
    """The id of an application of the person's tenant."""
    body = {
        "name": name,
        "scopes": ["keys:read"],
        "auth_method": "none",
        "grant_types": ["authorization_code"],
        "redirect_uris": [redirect_uri],
    }
    with person.client() as client:
        made = client.post("/v1/clients", json=body | more)
    assert made.status_code == 201, made.text
    return str(made.json()["client_id"])


def authorize(client: httpx.Client, client_id: str, redirect_uri: str, **more: str) -> httpx.Response:
    challenge = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
    query = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "scope": "openid keys:read",
        "state": "s",
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    return client.get("/oauth2/authorize", params=query | more)
