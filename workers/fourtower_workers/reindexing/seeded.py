"""Knows whether a generation is still being filled from another one, asking the index only now and then."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from fourtower_search.errors import SearchError
from fourtower_search.index.generations import GenerationRecord, Generations, find

AGAIN_AFTER_S = 2.0
TIMEOUT_S = 10.0


class Seeded:
    """A generation as a worker sees it; threads may share it.

    Args:
        generations: of the index, and open for as long as this is used.
        record: of the generation.
        clock: seconds that only go forward.
    """

    def __init__(
        self, generations: Generations, record: GenerationRecord, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.record = record
        self._generations, self._clock = generations, clock
        self._lock = threading.Lock()
        self._under_way = _is_seeded(record)
        self._asked = float("-inf")

    def under_way(self) -> bool:
        """Whether products may still come in that no event brings; once they don't, nothing is asked any more."""
        with self._lock:
            if self._under_way and self._clock() - self._asked > AGAIN_AFTER_S:
                self._under_way = self._look()
                self._asked = self._clock()
            return self._under_way

    def _look(self) -> bool:
        try:
            records = self._generations.records(timeout_s=TIMEOUT_S)
            return _is_seeded(find(records, self.record.generation, self.record.alias))
        except SearchError:
            return True  # waiting loses nothing


def _is_seeded(record: GenerationRecord) -> bool:
    return record.life.seeding is not None and not record.life.seeding.done
