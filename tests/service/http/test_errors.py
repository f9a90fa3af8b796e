"""Every error has one shape, names what is wrong, and carries the request's id."""

from collections.abc import Iterator

import httpx
import pytest

from tests.support.service import Service


@pytest.fixture(scope="module")
def api(service: Service) -> Iterator[httpx.Client]:
    with service.tenant().client() as client:
        yield client


def _problem(answer: httpx.Response, status: int, code: str) -> dict[str, object]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, object] = answer.json()
    assert set(body) == {"type", "title", "status", "detail", "code", "request_id", "errors"}
    assert (body["status"], body["code"]) == (status, code)
    assert body["request_id"] == answer.headers["x-request-id"]
    return body


def test_an_unknown_path_is_404_and_another_method_405(api: httpx.Client) -> None:
    _problem(api.get("/v1/nothing"), 404, "NOT_FOUND")
    _problem(api.get("/schema"), 404, "NOT_FOUND")
    _problem(api.put("/v1/keys", json={}), 405, "METHOD_NOT_ALLOWED")
    _problem(api.get("/v1/keys/not-a-uuid"), 404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{", "body"),
        (b"", "body"),
        (b"[]", "body"),
        (b"\xff", "body"),
        (b"[" * 100_000, "body"),
        (b'{"curve": "secp256r1"}', "name"),
        (b'{"name": "a", "curve": "secp256r1", "colour": "red"}', "colour"),
        (b'{"name": "", "curve": "secp256r1"}', "name"),
        (b'{"name": 5, "curve": "secp256r1"}', "name"),
        (b'{"name": "a", "curve": "secp256r1", "rotation_days": "90"}', "rotation_days"),
        (b'{"name": "a", "curve": "secp256r1", "rotation_days": 0}', "rotation_days"),
        (b'{"name": "a", "curve": "secp256r1", "policy": {"blind": true}}', "policy.blind"),
        (b'{"name": "a", "curve": "secp256r1", "policy": {"kinds": ["digest", "spell"]}}', "policy.kinds[1]"),
        (b'{"name": "a", "curve": "secp256r1", "usages": ["sing"]}', "usages[0]"),
    ],
)
def test_a_body_that_does_not_fit_is_400_with_the_field_named(api: httpx.Client, body: bytes, field: str) -> None:
    answer = api.post("/v1/keys", content=body, headers={"content-type": "application/json"})
    problem = _problem(answer, 400, "MALFORMED")
    assert [each["field"] for each in problem["errors"]] == [field]  # type: ignore[attr-defined]


@pytest.mark.parametrize(("query", "field"), [("limit=0", "limit"), ("limit=x", "limit"), ("cursor=x", "cursor")])
def test_a_parameter_that_does_not_fit_is_400_with_its_name(api: httpx.Client, query: str, field: str) -> None:
    problem = _problem(api.get(f"/v1/keys?{query}"), 400, "MALFORMED")
    assert [each["field"] for each in problem["errors"]] == [field]  # type: ignore[attr-defined]


def test_a_body_over_one_mebibyte_is_413_declared_or_not(api: httpx.Client) -> None:
    big = b" " * (1 << 20) + b"{}"
    _problem(api.post("/v1/keys", content=big), 413, "TOO_LARGE")

    def parts() -> Iterator[bytes]:
        for begin in range(0, len(big), 65_536):
            yield big[begin : begin + 65_536]

    _problem(api.post("/v1/keys", content=parts()), 413, "TOO_LARGE")


def test_a_mebibyte_itself_is_read(api: httpx.Client) -> None:
    text = b'{"name": "a", "curve": "secp256r1"}'
    answer = api.post("/v1/keys", content=b" " * ((1 << 20) - len(text)) + text)
    assert answer.status_code == 201


def test_a_chain_whose_nodes_are_down_is_503_with_retry_after(api: httpx.Client) -> None:
    answer = api.get("/v1/chains/neo-n3/fees")
    _problem(answer, 503, "NODE_UNAVAILABLE")
    assert int(answer.headers["retry-after"]) >= 1
