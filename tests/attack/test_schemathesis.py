"""The whole API under stateful generated traffic: no 5xx, and no answer that the description does not allow."""

from contextlib import suppress
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.errors import Flaky
from hypothesis.stateful import run_state_machine_as_test
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from nsl_client import Client
from tests.support.live import Live

CHECKS = (not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance)
ROUNDS = 20
# What would end this client's authority, or set it a limit that the tests after this one run into.
LEFT_OUT = (
    "withdrawTokenKey", "logout", "removeClient", "disableAccount", "suspendTenant", "deleteTenant",
    "setPlan", "setClientPlan",
)  # fmt: skip


@pytest.fixture(scope="module")
def api(live: Live) -> Any:
    schema = schemathesis.openapi.from_url(f"{live.base_url}/openapi.json")
    return schema.exclude(operation_id=list(LEFT_OUT))


def test_generated_traffic_finds_no_defect(live: Live, api: Any) -> None:
    # As a client of its own, for it uses up a limit that is the caller's.
    with Client.from_credentials(live.credentials) as platform:
        made = platform.clients.create("generated traffic", platform.me().scopes)
    auth = (made.client_id, made.client_secret)
    form = {"grant_type": "client_credentials"}
    token = httpx.post(f"{live.base_url}/oauth2/token", data=form, auth=auth).json()["access_token"]
    machine = api.as_state_machine()
    seen, findings = 0, []

    class Traffic(machine):  # type: ignore[misc,valid-type]  # made at run time
        def get_call_kwargs(self, case: Any) -> dict[str, Any]:  # noqa: ARG002 - schemathesis calls it so
            return {"headers": {"Authorization": f"Bearer {token}"}, "timeout": 30}

        def validate_response(self, response: Any, case: Any, *_: Any, **__: Any) -> None:
            nonlocal seen
            seen += 1
            try:
                case.validate_response(response, checks=list(CHECKS), headers={})
            except FailureGroup as group:
                findings.append(str(group))

    quick = settings(
        max_examples=4,
        stateful_step_count=15,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    for number in range(ROUNDS):
        # What a round meets depends on what others left in the database, which hypothesis calls flaky: no finding.
        with suppress(Flaky):
            run_state_machine_as_test(seed(number)(Traffic), settings=quick)
    assert findings == []
    assert seen > ROUNDS * 20
