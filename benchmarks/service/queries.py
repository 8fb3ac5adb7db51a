"""What is asked: words drawn from the catalog's own titles, and street photos of its products."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from benchmarks.service.settings import Kind
from fourtower_encoders.synth import SynthConfig, write_catalog

SEED = 11


def draw_catalog(folder: Path, products: int) -> None:
    """A catalog with a street photo of most products."""
    write_catalog(folder, SynthConfig(products=products, seed=SEED))


def queries(folder: Path, kind: Kind, count: int) -> list[str]:
    """Words, or paths of photos; the same for every side."""
    chance = random.Random(SEED)
    if kind == "image":
        photos = sorted(str(path) for path in (folder / "street").iterdir())
        return chance.sample(photos, min(count, len(photos)))
    words = sorted({word for title in _titles(folder) for word in title.lower().split()})
    return [" ".join(chance.sample(words, 4)) for _ in range(count)]


def _titles(folder: Path) -> list[str]:
    import json

    lines = (folder / "events.jsonl").read_text(encoding="utf-8").splitlines()
    products: list[dict[str, Any]] = [json.loads(line)["product"] for line in lines]
    return [product["title"] for product in products]
