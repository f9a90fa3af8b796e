"""The layers, asked from outside, with both chains' nodes down."""

import json
import time
from typing import Any

import httpx
import pytest

from tests.support.service import Service


def test_the_log_has_a_line_with_the_trace_and_who_called_and_no_secret(service: Service) -> None:
    tenant = service.tenant()
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    with tenant.client() as client:
        headers = {"x-request-id": "log-test", "traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
        client.get("/v1/me?secret=hidden", headers=headers)
        token = client.headers["authorization"].removeprefix("Bearer ")
    line = _line(service, "log-test")
    assert line["trace.id"] == trace
    assert (line["user.id"], line["organization.id"]) == (tenant.credentials["client_id"], tenant.id)
    assert (line["http.route"], line["http.response.status_code"]) == ("/v1/me", 200)
    assert line["event.duration"] > 0
    for secret in (token, "hidden", tenant.credentials["client_secret"], service.admin["client_secret"]):
        assert secret not in service.log


@pytest.mark.parametrize("traceparent", ["", f"00-{'0' * 32}-00f067aa0ba902b7-01", "01-abc-def-00", "x" * 500])
def test_a_bad_traceparent_starts_a_new_trace(service: Service, traceparent: str) -> None:
    with service.client() as client:
        name = client.get("/health/live", headers={"traceparent": traceparent}).headers["x-request-id"]
    line = _line(service, name)
    assert line["trace.id"] == name


def test_metrics_count_requests_by_route_and_status_on_a_port_of_their_own(service: Service) -> None:
    with service.client() as client:
        client.get("/v1/nothing-here")
        assert client.get("/metrics").status_code == 404
    text = httpx.get(service.metrics_url, trust_env=False).text
    assert 'nsl_http_requests_total{method="GET",route="unknown",status="404"}' in text
    assert 'nsl_http_request_seconds_bucket{le="0.005",method="POST",route="/oauth2/token"}' in text


def test_the_default_plan_is_1000_in_general_and_100_for_keys(service: Service) -> None:
    with service.tenant(None).client() as client:
        assert client.get("/v1/me").headers["ratelimit-limit"] == "1000"
        assert client.get("/v1/keys").headers["ratelimit-limit"] == "100"


def test_a_client_can_have_a_plan_of_its_own(service: Service) -> None:
    tenant = service.tenant(None)
    own = {"requests_per_minute": 8_000, "key_requests_per_minute": 800}
    path = f"/v1/clients/{tenant.credentials['client_id']}/plan"
    with service.client(service.token(service.admin)) as admin, tenant.client() as client:
        assert client.get("/v1/keys").headers["ratelimit-limit"] == "100"
        assert client.put(path, json=own).status_code == 403
        assert admin.put(path, json=own).json()["plan"] == own
        # A plan is believed for a second.
        until = time.monotonic() + 4
        while client.get("/v1/keys").headers["ratelimit-limit"] != "800":
            assert time.monotonic() < until
            time.sleep(0.1)


def test_a_removed_client_gets_no_token_and_its_tokens_stop(service: Service) -> None:
    tenant = service.tenant()
    with service.client(service.token(service.admin)) as admin, tenant.client() as client:
        assert client.get("/v1/me").status_code == 200
        assert admin.delete(f"/v1/clients/{tenant.credentials['client_id']}").status_code == 204
        until = time.monotonic() + 4
        while client.get("/v1/me").status_code != 401:
            assert time.monotonic() < until
            time.sleep(0.1)
        with pytest.raises(httpx.HTTPStatusError, match="401"):
            tenant.client()


@pytest.mark.parametrize("given", [b"Bearer", b"Bearer x.y.z", b"Basic abc", b"token", b"Bearer \xe9", b"Bearer a b"])
def test_anything_but_a_token_is_401_and_counted(service: Service, given: bytes) -> None:
    with service.client() as client:
        answer = client.get("/v1/me", headers=[(b"authorization", given)])
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert 0 < int(answer.headers["ratelimit-remaining"]) < int(answer.headers["ratelimit-limit"])


def test_with_the_nodes_down_the_layer_is_degraded_and_ready(service: Service) -> None:
    with service.client() as client:
        ready = client.get("/health/ready")
    assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
    assert "ratelimit-limit" not in ready.headers
    expected = {"attestation": True, "database": True, "kme": True, "neo-n3": False, "neo-x": False}
    assert {name: check["ok"] for name, check in ready.json()["checks"].items()} == expected


def _lines(service: Service) -> list[dict[str, Any]]:
    return [json.loads(line) for line in service.log.splitlines() if line.startswith("{")]


def _line(service: Service, request_id: str) -> dict[str, Any]:
    """The log's line of a request. It is written after the answer has left, so it may take a moment."""
    deadline = time.monotonic() + 5
    while True:
        found = [each for each in _lines(service) if each.get("http.request.id") == request_id]
        if found:
            [line] = found
            return line
        assert time.monotonic() < deadline, f"no line of {request_id}"
        time.sleep(0.01)
