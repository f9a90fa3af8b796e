"""An endpoint is mounted only with its authority stated, and the description says what it needs."""

from typing import Annotated, Any

import pytest
from litestar import get

from nsl.http.app import description, router
from nsl.identity.model import Caller, Public, Requires, Scope


@get("/unstated")
async def unstated(caller: Caller) -> None:
    """Says who calls, and not who may."""


@get("/nobody")
async def nobody() -> None:
    """Says nothing."""


@get("/stated")
async def stated(caller: Annotated[Caller, Requires(Scope.KEYS_READ)]) -> None:
    """Says it."""


@get("/open")
async def opened(caller: Annotated[None, Public("for this test")]) -> None:
    """Says it too."""


@pytest.mark.parametrize("endpoint", [unstated, nobody])
def test_an_endpoint_without_authority_refuses_to_start(endpoint: Any) -> None:
    with pytest.raises(TypeError, match="does not state who may call it"):
        router({}, [stated, endpoint])


def test_the_description_names_the_scope() -> None:
    paths = description([stated, opened])["paths"]
    assert paths["/stated"]["get"]["security"] == [{"oauth2": ["keys:read"]}]
    assert "security" not in paths["/open"]["get"]


def test_every_operation_is_described() -> None:
    schema = description()
    assert schema["openapi"].startswith("3.1")
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], (path, method)
            assert operation["tags"], (path, method)
            assert "429" in operation["responses"]
            if operation.get("security"):
                assert {"401", "403"} <= set(operation["responses"]), (path, method)
