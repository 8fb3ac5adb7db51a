"""How often a caller may ask: a bucket of tokens for each, which fills at the caller's rate."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

MOST_BUCKETS = 10_000


@dataclass
class _Bucket:
    tokens: float
    at: float
    rate_per_s: float
    burst: float

    def fill(self, now: float) -> None:
        self.tokens = min(self.burst, self.tokens + max(0.0, now - self.at) * self.rate_per_s)
        self.at = now


class Rates:
    """Buckets by caller. Used by one thread, the event loop's; nothing here waits."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Take a clock that never goes back."""
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}

    def take(self, caller: str, *, rate_per_s: float, burst: float) -> float:
        """Take a token: 0 if there was one, else the seconds until there is."""
        bucket = self._filled(caller, rate_per_s, burst)
        if bucket.tokens < 1:
            return (1 - bucket.tokens) / rate_per_s
        bucket.tokens -= 1
        return 0.0

    def charge(self, caller: str, tokens: float) -> None:
        """Take more tokens for a request that was let in and holds several; the caller may owe some afterwards."""
        if (bucket := self._buckets.get(caller)) is not None:
            bucket.tokens -= tokens

    def _filled(self, caller: str, rate_per_s: float, burst: float) -> _Bucket:
        now = self._clock()
        bucket = self._buckets.get(caller)
        if bucket is None:
            self._forget_full(now)
            bucket = self._buckets[caller] = _Bucket(burst, now, rate_per_s, burst)
        bucket.fill(now)
        if (bucket.rate_per_s, bucket.burst) != (rate_per_s, burst):  # the key was changed meanwhile
            bucket.rate_per_s, bucket.burst, bucket.tokens = rate_per_s, burst, min(bucket.tokens, burst)
        return bucket

    def _forget_full(self, now: float) -> None:
        """Full buckets are as good as none; without this, callers that come once would be remembered for ever."""
        if len(self._buckets) < MOST_BUCKETS:
            return
        for bucket in self._buckets.values():
            bucket.fill(now)
        self._buckets = {name: each for name, each in self._buckets.items() if each.tokens < each.burst}
