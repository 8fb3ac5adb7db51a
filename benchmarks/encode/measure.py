"""Runs every race of the benchmark, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.encode.embedding import race_embedding, save_towers
from benchmarks.encode.pictures import draw_files, repeated
from benchmarks.encode.processes import race_processes
from benchmarks.encode.settings import Settings
from benchmarks.encode.training import draw_training_data, race_training
from benchmarks.race import Race
from fourtower_encoders.config import SmallResNet, TimmImage, TowerConfig
from fourtower_encoders.runtimes import RuntimeName

TARGETS = {
    "embed_vs_forward": 0.95,
    "train_vs_loop": 0.95,
    "gpu_embed_vs_forward": 0.95,
    "gpu_train_vs_loop": 0.95,
}


@dataclass(frozen=True)
class Finding:
    """One ratio; docs/benchmarks.md says what its two sides are."""

    key: str
    what: str
    """The towers and what ran them."""
    race: Race

    @property
    def figures(self) -> dict[str, float]:
        """The ratio by its key, and beside it what it is made of."""
        low, high = self.race.spread
        parts = {
            "": self.race.ratio,
            "_lowest": low,
            "_highest": high,
            "_images_per_s": self.race.ours_per_s,
            "_bare_images_per_s": self.race.bare_per_s,
        }
        return {f"{self.key}{part}": round(value, 4) for part, value in parts.items()}


def measure(folder: Path, settings: Settings, *, gpu: str | None) -> Iterator[Finding]:
    """Measure in `folder`, which should be empty; `gpu` names a torch device, None leaves that part out."""
    files = draw_files(folder / "pictures", count=settings.files, size=settings.picture_px)
    yield from _embedding(folder, files, settings)
    yield _training("", folder, settings, "cpu")
    if gpu:
        yield from _on_gpu(folder, files, settings, gpu)


def usable_gpu() -> str | None:
    """The device to measure on, if there is one."""
    return "cuda" if torch.cuda.is_available() else None


def _embedding(folder: Path, files: list[Path], settings: Settings) -> Iterator[Finding]:
    checkpoint = _saved(folder, settings.towers)
    name = _named(settings.towers)
    first = _embed("embed_vs_forward", name, checkpoint, files, settings)
    yield first
    other: RuntimeName = "torch" if first.what.endswith("onnx") else "onnx"
    yield _embed(f"embed_vs_forward_{other}", name, checkpoint, files, settings, runtime=other)
    demo = _saved(folder, settings.demo_towers)
    yield _embed("embed_vs_forward_demo", _named(settings.demo_towers), demo, files, settings)


def _embed(
    key: str, towers: str, checkpoint: Path, files: list[Path], settings: Settings, *, runtime: RuntimeName = "auto"
) -> Finding:
    work = repeated(files, settings.embed_pictures)
    name, result = race_embedding(
        checkpoint, work, batch_size=settings.embed_batch, rounds=settings.rounds, runtime=runtime, device="cpu"
    )
    return Finding(key, f"{towers}, {name}", result)


def _training(prefix: str, folder: Path, settings: Settings, device: str) -> Finding:
    config, towers = settings.training, settings.demo_towers
    if prefix:
        config = config.model_copy(update={"steps": settings.gpu_train_steps})
    data = draw_training_data(folder / f"{prefix}catalog", towers, products=settings.train_products)
    result = race_training(data, towers, config, rounds=settings.rounds, device=device)
    what = f"{_named(towers)}, batch {config.sampling.batch_size}, {config.precision}"
    return Finding(f"{prefix}train_vs_loop", what, result)


def _on_gpu(folder: Path, files: list[Path], settings: Settings, gpu: str) -> Iterator[Finding]:
    checkpoint = _saved(folder, settings.gpu_towers)
    work, rounds, batch_size = repeated(files, settings.gpu_pictures), settings.rounds, settings.gpu_batch
    _, embedding = race_embedding(checkpoint, work, batch_size=batch_size, rounds=rounds, runtime="torch", device=gpu)
    what = f"{_named(settings.gpu_towers)}, {gpu}"
    yield Finding("gpu_embed_vs_forward", what, embedding)
    processes = race_processes(checkpoint, work, batch_size=batch_size, share=settings.share, rounds=rounds, device=gpu)
    yield Finding("gpu_two_vs_one_process", what, processes)
    yield _training("gpu_", folder, settings, gpu)


def _saved(folder: Path, towers: TowerConfig) -> Path:
    """The checkpoint of such towers, made at the first call."""
    checkpoint = folder / _named(towers).replace(" ", "-")
    return checkpoint if checkpoint.exists() else save_towers(checkpoint, towers)


def _named(towers: TowerConfig) -> str:
    image = towers.image
    name = image.name if isinstance(image, TimmImage) else image.kind
    width = f" {image.width}" if isinstance(image, SmallResNet) else ""
    return f"{name}{width} at {towers.preprocess.size} px"
