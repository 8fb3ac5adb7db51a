"""Two encoding processes on one device against one: while one prepares pictures, the other encodes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier

from benchmarks.race import Race, race
from fourtower_encoders.embedder import Embedder

_READY_WITHIN_S = 300
_embedder: Embedder
_batch_size: int


def race_processes(
    checkpoint: Path, files: list[Path], *, batch_size: int, share: int, rounds: int, device: str
) -> Race:
    """Race two processes ("ours") against one ("bare"); they take shares of the files from a queue."""
    shares = [files[start : start + share] for start in range(0, len(files), share)]
    with (
        _encoders(2, checkpoint, batch_size, device) as two,
        _encoders(1, checkpoint, batch_size, device) as one,
    ):
        return race(lambda: two(shares), lambda: one(shares), items=len(files), rounds=rounds)


@contextmanager
def _encoders(
    count: int, checkpoint: Path, batch_size: int, device: str
) -> Iterator[Callable[[list[list[Path]]], list[int]]]:
    """Processes that have loaded the towers; the function gives them shares of work and waits."""
    spawn = multiprocessing.get_context("spawn")
    start = (checkpoint, batch_size, device, spawn.Barrier(count))
    with ProcessPoolExecutor(count, mp_context=spawn, initializer=_open, initargs=start) as pool:
        # Each of these starts a process, and none is done before all have loaded.
        for first in [pool.submit(_encode, []) for _ in range(count)]:
            first.result()
        yield lambda shares: list(pool.map(_encode, shares))


def _open(checkpoint: Path, batch_size: int, device: str, loaded: Barrier) -> None:
    global _embedder, _batch_size  # a pool hands state to its processes in no other way
    _embedder, _batch_size = Embedder.load(checkpoint, device=device), batch_size
    loaded.wait(_READY_WITHIN_S)


def _encode(files: list[Path]) -> int:
    return len(_embedder.embed_images(files, batch_size=_batch_size))
