"""Bulk embedding of JPEG files against the bare network on ready pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.race import Race, race
from fourtower_encoders.checkpoint import read_checkpoint
from fourtower_encoders.config import ImageRole, TowerConfig
from fourtower_encoders.embedder import Embedder
from fourtower_encoders.images import load_image
from fourtower_encoders.joint import QueryParams
from fourtower_encoders.model import FourTower
from fourtower_encoders.preprocess import Pixels, shortest_side, to_pixels
from fourtower_encoders.runtimes import Runtime, RuntimeName, open_runtime
from fourtower_encoders.saving import save_checkpoint

ROLE: ImageRole = "product_image"
_CLOSEST = 0.999
"""The least cosine between what both sides say; bf16 rounds differently in batches of another size."""


def save_towers(folder: Path, towers: TowerConfig) -> Path:
    """Write a checkpoint with random weights, ONNX graphs included."""
    torch.manual_seed(0)
    model = FourTower(towers, pretrained=False).eval()
    save_checkpoint(folder, model, QueryParams())
    return folder


def race_embedding(
    checkpoint: Path,
    files: list[Path],
    *,
    batch_size: int,
    rounds: int,
    runtime: RuntimeName = "auto",
    device: str = "auto",
) -> tuple[str, Race]:
    """Race `Embedder.embed_images` against its own runtime on pixels in memory; returns the runtime's name too."""
    described = read_checkpoint(checkpoint)
    running = open_runtime(described, runtime=runtime, device=device)
    embedder = Embedder(described, running)
    pixels = _ready_pixels(embedder, files)

    def ours() -> NDArray[np.float32]:
        return embedder.embed_images(files, role=ROLE, batch_size=batch_size)

    def bare() -> NDArray[np.float32]:
        return run_network(running, pixels, batch_size)

    _check_same_work(ours(), bare())
    return running.name, race(ours, bare, items=len(files), rounds=rounds)


def run_network(runtime: Runtime, pixels: Pixels, batch_size: int) -> NDArray[np.float32]:
    """Nothing but the network: every batch is handed over before the first result is waited for."""
    started = [
        runtime.start_pixels(pixels[start : start + batch_size], ROLE) for start in range(0, len(pixels), batch_size)
    ]
    return np.concatenate([wait() for wait in started])


def _ready_pixels(embedder: Embedder, files: list[Path]) -> Pixels:
    """What the network sees of each file, [N, S, S, 3]."""
    preprocess = embedder.config.preprocess
    side = shortest_side(preprocess)
    ready = {file: to_pixels(load_image(file, at_least=side), preprocess) for file in set(files)}
    return np.stack([ready[file] for file in files])


def _check_same_work(ours: NDArray[np.float32], bare: NDArray[np.float32]) -> None:
    """A race between two different computations would say nothing."""
    closest = float((ours * bare).sum(axis=1).min())
    if closest < _CLOSEST:
        raise AssertionError(f"embed_images and the bare network disagree (cosine {closest:.5f})")
