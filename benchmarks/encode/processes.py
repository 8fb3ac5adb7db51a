"""Two encoding processes on one device against one: while one prepares pictures, the other encodes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import BrokenBarrierError
from typing import Any

from benchmarks.encode.race import Race, race
from fourtower_encoders.embedder import Embedder

_READY_WITHIN_S = 300
_embedder: Embedder
_batch_size: int


def race_processes(
    checkpoint: Path, files: list[Path], *, batch_size: int, share: int, rounds: int, device: str
) -> Race:
    """Race two processes ("ours") against one ("bare"); both pairs of hands take shares of the files from a queue."""
    shares = [files[start : start + share] for start in range(0, len(files), share)]
    with (
        _encoders(2, checkpoint, batch_size, device) as two,
        _encoders(1, checkpoint, batch_size, device) as one,
    ):
        return race(lambda: two(shares), lambda: one(shares), items=len(files), rounds=rounds)


@contextmanager
def _encoders(
    count: int, checkpoint: Path, batch_size: int, device: str
) -> Iterator[Callable[[list[list[Path]]], object]]:
    """Processes that have loaded the towers; the function gives them shares of work and waits."""
    spawn = multiprocessing.get_context("spawn")
    loaded = spawn.Barrier(count + 1)
    with spawn.Pool(count, _open, (checkpoint, batch_size, device, loaded)) as pool:
        try:
            loaded.wait(_READY_WITHIN_S)
        except BrokenBarrierError as error:
            raise RuntimeError(f"The encoding processes did not load {checkpoint} in {_READY_WITHIN_S} s.") from error
        yield lambda shares: pool.map(_encode, shares, chunksize=1)


def _open(checkpoint: Path, batch_size: int, device: str, loaded: Any) -> None:
    global _embedder, _batch_size  # a pool hands state to its processes in no other way
    _embedder, _batch_size = Embedder.load(checkpoint, device=device), batch_size
    loaded.wait(_READY_WITHIN_S)


def _encode(files: list[Path]) -> int:
    return len(_embedder.embed_images(files, batch_size=_batch_size))
