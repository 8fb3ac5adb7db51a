"""Lets one process at a time change generations: each says so first, and waits while somebody else is at it.

A process that was killed says nothing more, and is waited for no longer than that takes to notice. No clocks are
compared: whoever waits sees whether the other one's beat goes on.
"""

from __future__ import annotations

import os
import random
import secrets
import socket
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from fourtower_search.errors import IndexUnavailable, SearchError
from fourtower_search.index.claims import MOST_TOKEN, Claim
from fourtower_search.index.generations import Generations

TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Pace:
    """How often a process says that it lives, and how long others wait for it."""

    beat_s: float = 2.0
    dead_after_s: float = 12.0
    """Without a beat; far above `beat_s`, for an engine may be slow."""
    patience_s: float = 120.0
    """How long to wait for processes that live."""
    look_s: float = 0.5
    """Between two looks at who is at it."""


PACE = Pace()


class Turn:
    """The right to change generations, as long as the block lasts.

    Args:
        generations: of an index.
        doing: what for, as others are told.
        pace: how long to wait for others.
        clock: seconds that only go forward.
    """

    def __init__(
        self, generations: Generations, doing: str, *, pace: Pace = PACE, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._generations, self._pace, self._clock = generations, pace, clock
        self._claim = Claim(
            token=1 + secrets.randbelow(MOST_TOKEN - 1),
            who=f"{doing}, process {os.getpid()} on {socket.gethostname()}"[:500],
        )
        self._seen: dict[int, tuple[int, float]] = {}
        self._over = threading.Event()
        self._beating = threading.Thread(target=self._beat, name="turn", daemon=True)
        self._last = clock()

    def __enter__(self) -> Self:
        """Wait until nobody else is at it.

        Raises:
            IndexUnavailable: somebody was, all the time, or the index did not answer.
        """
        self._generations.prepare(timeout_s=TIMEOUT_S)
        try:
            self._wait()
        except BaseException:
            self._withdraw(self._claim.token)
            raise
        self._beating.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._beating.join()
        self._withdraw(self._claim.token)

    def check(self) -> None:
        """Make sure, before a step that can't be taken back, that nobody can have thought this process dead.

        Raises:
            IndexUnavailable: somebody can.
        """
        silent = self._clock() - self._last
        if silent > self._pace.dead_after_s / 2:
            raise IndexUnavailable(
                f"The index heard nothing of this process for {silent:.0f} s, so another one may be changing the "
                f"generations of {self._generations.alias} now; nothing more was done here, try again."
            )

    def _wait(self) -> None:
        """Come to be the only one with a claim.

        Of several that announced theirs at once, the one with the lowest token keeps it, and the others stand back.
        """
        deadline, standing = self._clock() + self._pace.patience_s, False
        while True:
            others = self._others()
            if standing or not others:
                self._announce()
                others = self._others()
                if not others:
                    return
                standing = all(self._claim.token < other.token for other in others)
                if not standing:
                    self._withdraw(self._claim.token)
            self._rest(others, deadline)

    def _rest(self, others: list[Claim], deadline: float) -> None:
        if self._clock() > deadline:
            raise IndexUnavailable(
                f"Another process changes the generations of {self._generations.alias}: {others[0].who}; wait until "
                f"it is done, and try again."
            )
        time.sleep(self._pace.look_s * random.uniform(0.5, 1.5))

    def _others(self) -> list[Claim]:
        """Other processes that live, as far as can be seen yet."""
        claims = self._generations.announced(timeout_s=TIMEOUT_S)
        others = [claim for claim in claims if claim.token != self._claim.token]
        dead = self._dead(others)
        for token in dead:
            self._withdraw(token)
        return [claim for claim in others if claim.token not in dead]

    def _dead(self, claims: Collection[Claim]) -> set[int]:
        now = self._clock()
        for claim in claims:
            beat, _ = self._seen.get(claim.token, (-1, now))
            if beat != claim.beat:
                self._seen[claim.token] = claim.beat, now
        return {claim.token for claim in claims if now - self._seen[claim.token][1] > self._pace.dead_after_s}

    def _announce(self) -> None:
        began = self._clock()
        self._claim = self._claim.model_copy(update={"beat": self._claim.beat + 1})
        self._generations.announce(self._claim, timeout_s=TIMEOUT_S)
        self._last = began

    def _withdraw(self, token: int) -> None:
        with suppress(SearchError):  # it will be taken for dead
            self._generations.withdraw(token, timeout_s=TIMEOUT_S)

    def _beat(self) -> None:
        while not self._over.wait(self._pace.beat_s):
            with suppress(SearchError):
                self._announce()
