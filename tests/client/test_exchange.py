"""The flow of a call, step by step and without time: what it asks its driver to do."""

import httpx
import pytest

from nsl_client import ApiError, ConnectionFailed, RateLimited, Unavailable, calls
from nsl_client.exchange import (
    ATTEMPTS_MAX,
    BACKOFF_SECONDS_MAX,
    RETRY_AFTER_SECONDS_MAX,
    Action,
    NeedToken,
    Pause,
    Send,
    Session,
)


def _walk(call: calls.Call, outcomes: list[httpx.Response | httpx.RequestError]) -> tuple[list[Action], object]:
    """Play the driver's part: the actions that the flow asked for, and its result or error."""
    flow = Session("https://nsl.example", "id", "secret").run(call)
    actions: list[Action] = []
    waiting = iter(outcomes)
    outcome = None
    try:
        while True:
            action = flow.send(outcome)
            actions.append(action)
            outcome = next(waiting) if isinstance(action, Send) else None
            if isinstance(outcome, httpx.Response):
                outcome.request = action.request
    except StopIteration as end:
        return actions, end.value
    except Exception as error:  # noqa: BLE001 - handed to the test
        return actions, error


def _pauses(actions: list[Action]) -> list[float]:
    return [each.seconds for each in actions if isinstance(each, Pause)]


OK = {"subject": "s", "tenant": "t", "client_id": "c", "scopes": []}


def test_backoff_doubles_with_jitter_and_is_bounded() -> None:
    actions, result = _walk(calls.me(), [httpx.ReadError("gone")] * ATTEMPTS_MAX)
    assert isinstance(result, ConnectionFailed)
    assert isinstance(actions[0], NeedToken)
    pauses = _pauses(actions)
    assert len(pauses) == ATTEMPTS_MAX - 1
    for exponent, seconds in enumerate(pauses):
        assert 0.1 * 2**exponent <= seconds <= min(0.2 * 2**exponent, BACKOFF_SECONDS_MAX)


def test_retry_after_is_waited_for() -> None:
    answers = [httpx.Response(429, headers={"retry-after": "7"}), httpx.Response(200, json=OK)]
    actions, _ = _walk(calls.me(), answers)
    assert _pauses(actions) == [7.0]


@pytest.mark.parametrize("text", [str(RETRY_AFTER_SECONDS_MAX + 1), "999999999999"])
def test_a_wait_that_is_too_long_is_the_callers_business(text: str) -> None:
    actions, result = _walk(calls.me(), [httpx.Response(429, headers={"retry-after": text}, json={})])
    assert isinstance(result, RateLimited)
    assert _pauses(actions) == []


@pytest.mark.parametrize("text", ["soon", "Wed, 21 Oct 2026 07:28:00 GMT", "-5", "²"])
def test_other_forms_of_retry_after_fall_back_to_the_backoff(text: str) -> None:
    headers = [(b"retry-after", text.encode())]
    actions, result = _walk(calls.me(), [httpx.Response(503, headers=headers), httpx.Response(200, json=OK)])
    assert not isinstance(result, Exception)
    assert 0.1 <= _pauses(actions)[0] <= 0.2


@pytest.mark.parametrize("status", [502, 503, 504])
def test_overload_to_the_end_is_said(status: int) -> None:
    answer = httpx.Response(status, json={"code": "NODE_UNAVAILABLE", "detail": "no node"})
    actions, result = _walk(calls.me(), [answer] * ATTEMPTS_MAX)
    assert isinstance(result, ApiError)
    assert isinstance(result, Unavailable) == (status == 503)
    assert result.code == "NODE_UNAVAILABLE"
    assert len(_pauses(actions)) == ATTEMPTS_MAX - 1


@pytest.mark.parametrize("status", [400, 403, 404, 409, 422, 500])
def test_what_a_retry_cannot_help_is_not_retried(status: int) -> None:
    actions, result = _walk(calls.me(), [httpx.Response(status, json={})])
    assert isinstance(result, Exception)
    assert _pauses(actions) == []


def test_an_unrepeatable_call_is_repeated_when_no_connection_was_made() -> None:
    made = httpx.Response(201, json={"client_id": "c", "client_secret": "s", "scopes": []})
    _, result = _walk(calls.create_client("c", []), [httpx.ConnectError("refused"), made])
    assert not isinstance(result, Exception)
    for unsafe in (httpx.ReadTimeout("slow"), httpx.WriteError("gone")):
        _, result = _walk(calls.create_client("c", []), [unsafe])
        assert isinstance(result, ConnectionFailed)


def test_a_token_that_another_call_has_renewed_is_kept() -> None:
    session = Session("https://nsl.example", "id", "secret")
    flow = session.fetch_token()
    flow.send(None)
    with pytest.raises(StopIteration):
        flow.send(
            httpx.Response(
                200,
                json={"access_token": "new", "expires_in": 600},
                request=httpx.Request("POST", "https://nsl.example/"),
            )
        )
    session.forget_token("old")
    assert session.has_token
    session.forget_token("new")
    assert not session.has_token
