"""In any 60 seconds at most the limit."""

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsl.kit import limits
from nsl.kit.limits import RateLimiter


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(1, 4)), max_size=200), st.integers(1, 20))
def test_no_minute_admits_more_than_the_limit(requests: list[tuple[float, int]], limit: int) -> None:
    present = 1000.0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "monotonic", lambda: present)
        limiter = RateLimiter()
        admitted: deque[tuple[float, int]] = deque()
        for pause, cost in requests:
            present += pause
            if limiter.take("someone", limit, cost).admitted:
                admitted.append((present, cost))
            while admitted and admitted[0][0] <= present - 60:
                admitted.popleft()
            assert sum(each for _, each in admitted) <= limit


def test_what_was_spent_comes_back_after_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    present = 1000.0
    monkeypatch.setattr(limits, "monotonic", lambda: present)
    limiter = RateLimiter()
    assert limiter.take("someone", 2, 2).admitted
    refused = limiter.take("someone", 2)
    assert (refused.admitted, refused.remaining) == (False, 0)
    present += refused.reset_seconds
    assert limiter.take("someone", 2).admitted


def test_subjects_do_not_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "monotonic", lambda: 1.0)
    limiter = RateLimiter()
    assert limiter.take("one", 1).admitted
    assert limiter.take("other", 1).admitted
    assert not limiter.take("one", 1).admitted
