"""Decodes pictures in threads, a few batches ahead of the network that waits for them, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from fourtower_encoders.errors import ImageError
from fourtower_encoders.preprocess import Pixels

AHEAD = 3
"""Batches being prepared while one is worked on; bounds the memory."""


@dataclass(frozen=True)
class Batch:
    """Consecutive pictures, ready for the network."""

    start: int
    """Position of the first picture."""
    pixels: Pixels
    """[B, S, S, 3]; blank where a picture failed."""
    failures: dict[int, ImageError]
    """By position."""


def decoded_batches(
    load: Callable[[int], Pixels], count: int, *, size: int, batch_size: int, threads: int
) -> Generator[Batch]:
    """Call `load(position)` for each picture and yield the results as batches, in order.

    Args:
        load: gives the pixels [S, S, 3] of one picture; runs in several threads.
        count: how many pictures there are.
        size: their side S.
        batch_size: pictures per batch; the last one may be smaller.
        threads: how many pictures are decoded at once.
    """
    pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")
    waiting: deque[tuple[int, Pixels, list[Future[ImageError | None]]]] = deque()
    try:
        for start in range(0, count, batch_size):
            pixels = np.empty((min(batch_size, count - start), size, size, 3), dtype=np.uint8)
            futures = [pool.submit(_fill, row, load, start + i) for i, row in enumerate(pixels)]
            waiting.append((start, pixels, futures))
            if len(waiting) > AHEAD:
                yield _collect(*waiting.popleft())
        while waiting:
            yield _collect(*waiting.popleft())
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _fill(row: Pixels, load: Callable[[int], Pixels], position: int) -> ImageError | None:
    try:
        row[:] = load(position)
    except ImageError as error:
        row[:] = 255
        return error
    return None


def _collect(start: int, pixels: Pixels, futures: list[Future[ImageError | None]]) -> Batch:
    results = [future.result() for future in futures]
    failures = {start + i: error for i, error in enumerate(results) if error is not None}
    return Batch(start, pixels, failures)
