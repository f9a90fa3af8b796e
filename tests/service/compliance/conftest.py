"""A tenant of a module's own with a client that may do everything, and people of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from nsl.cli.up.postgres import SUPERUSER
from tests.service.keys.answers import done
from tests.service.keys.conftest import api, tenant
from tests.support.people import PASSWORD, Person, mailed_token
from tests.support.service import Service

__all__ = ["Member", "api", "member", "sql", "tenant"]


@dataclass
class Member:
    """Somebody whose only tenant it is, signed in."""

    id: str
    person: Person


@pytest.fixture
def member(service: Service, api: httpx.Client) -> Member:
    """Provisioned, with a password, and signed in once."""
    address = f"{uuid4().hex[:12]}@example.org"
    made = done(api.post("/scim/v2/Users", json={"userName": address, "displayName": f"Ada {uuid4().hex[:8]}"}))
    token = mailed_token(Path(service.environment["NSL_MAIL_DIR"]), address, "Your account")
    body = {"token": token, "password": PASSWORD}
    answer = httpx.post(f"{service.base_url}/v1/auth/password/reset", json=body, timeout=20, trust_env=False)
    assert answer.is_success, answer.text
    person = Person(service.base_url, address, PASSWORD, {})
    answer = person.login()
    person.tokens = done(answer)
    return Member(made["id"], person)


@pytest.fixture(scope="module")
def sql(service: Service) -> Iterator[Callable[..., list[tuple[Any, ...]]]]:
    """What stands in the database, of all tenants."""
    with psycopg.connect(service.postgres.url(SUPERUSER), autocommit=True) as connection:

        def ask(query: str, *parameters: Any) -> list[tuple[Any, ...]]:
            cursor = connection.execute(query, parameters)  # type: ignore[arg-type]  # psycopg wants literals of SQL
            return cursor.fetchall() if cursor.description else []

        yield ask
