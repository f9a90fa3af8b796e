"""How much may be done for those who have shown nothing: a token bucket."""


class Budget:
    """``rate`` a second, and ``burst`` at once. Pure: the time, which only grows, is an argument."""

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._left = burst
        self._at = now

    def take(self, now: float) -> bool:
        """Whether there is one left; it is taken."""
        self._left = min(self._burst, self._left + max(0.0, now - self._at) * self._rate)
        self._at = max(self._at, now)
        if self._left < 1:
            return False
        self._left -= 1
        return True
