"""The whole API under stateful generated traffic: no 5xx, and no answer that the description does not allow."""

import json
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.support.live import Live

CHECKS = (not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance)
# What would end the test's own authority, and what answers with pages.
LEFT_OUT = ("withdrawTokenKey", "logout", "removeClient", "disableAccount", "suspendTenant", "deleteTenant")


@pytest.fixture(scope="module")
def api(live: Live) -> Any:
    schema = schemathesis.openapi.from_url(f"{live.base_url}/openapi.json")
    return schema.exclude(operation_id=list(LEFT_OUT))


def test_generated_traffic_finds_no_defect(live: Live, api: Any) -> None:
    credentials = json.loads(live.credentials.read_text(encoding="utf-8"))
    auth = (credentials["client_id"], credentials["client_secret"])
    form = {"grant_type": "client_credentials"}
    token = httpx.post(f"{live.base_url}/oauth2/token", data=form, auth=auth).json()["access_token"]
    machine = api.as_state_machine()

    class Traffic(machine):  # type: ignore[misc,valid-type]  # made at run time
        def get_call_kwargs(self, case: Any) -> dict[str, Any]:  # noqa: ARG002 - schemathesis calls it so
            return {"headers": {"Authorization": f"Bearer {token}"}, "timeout": 30}

        def validate_response(self, response: Any, case: Any, *_: Any, **__: Any) -> None:
            case.validate_response(response, checks=list(CHECKS), headers={})

    Traffic.run(
        settings=settings(
            max_examples=40,
            stateful_step_count=15,
            deadline=None,
            derandomize=True,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
    )
