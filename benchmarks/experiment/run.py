"""Trains one arm with one seed and keeps what it saw as a small JSON file."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.experiment.arms import Arm
from benchmarks.experiment.data import CachedEmbedder, Splits
from benchmarks.experiment.protocol import Protocol
from benchmarks.experiment.texts import TextSide, text_side
from fourtower_encoders.evaluate import embed_dataset
from fourtower_encoders.fit_data import embed_fit_data
from fourtower_encoders.model import FourTower
from fourtower_encoders.query_fit import fit_params
from fourtower_encoders.scoring import Evaluation, score
from fourtower_encoders.train import TrainConfig, train

RESULTS = Path(__file__).parent.parent / "results" / "experiment"
IMAGE_ONLY = "image-image only/"
HITS = (f"{IMAGE_ONLY}R@1", f"{IMAGE_ONLY}XC@1")
"""The primary metrics; kept per query, for the intervals."""


def result_file(protocol: Protocol, arm: Arm, seed: int) -> Path:
    """Where the figures of a run are kept."""
    return RESULTS / protocol.name / f"{arm.name.replace(' ', '_').replace(',', '')}-{seed}.json"


def finished(protocol: Protocol, arm: Arm, seed: int) -> bool:
    """Whether this run was made before, under the same protocol."""
    path = result_file(protocol, arm, seed)
    return path.exists() and json.loads(path.read_text())["protocol"] == protocol.digest


def run_arm(protocol: Protocol, arm: Arm, seed: int, splits: Splits) -> dict[str, Any]:
    """Train, look at the test split along the way, and write the figures of the last look."""
    torch.manual_seed(seed)
    side = text_side(arm.texts, splits.arrays, protocol.towers, splits.strings, seed)
    model = FourTower(protocol.towers, text_network=side.network)
    curve: list[dict[str, Any]] = []
    started, steps = time.perf_counter(), protocol.steps * arm.budget // len(arm.phases)
    last: list[Evaluation] = []

    def look(done: int, model: FourTower) -> None:
        model.eval()
        last[:] = [_evaluate(model, side, splits)]
        curve.append({"step": done, **_rounded(last[0].figures())})
        model.train()

    for phase, variant in enumerate(arm.phases):
        config = TrainConfig(
            variant=variant,
            first_variant=arm.first,
            steps=steps,
            seed=seed + 1000 * phase,
            learning_rate=protocol.learning_rate,
            sampling=protocol.sampling,
            save_every=max(1, steps * len(arm.phases) // protocol.looks),
        )
        train(model, side.data, config, on_save=_after(phase * steps, look))
    result = {
        "arm": arm.name,
        "seed": seed,
        "protocol": protocol.digest,
        "images": 2 * protocol.sampling.batch_size * protocol.steps * arm.budget,
        "seconds": round(time.perf_counter() - started, 1),
        "figures": curve[-1],
        "curve": curve,
        "hits": {name: _packed(last[0].values[name]) for name in HITS},
    }
    path = result_file(protocol, arm, seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n")
    return result


def _after(steps: int, look: Callable[[int, FourTower], None]) -> Callable[[int, FourTower], None]:
    return lambda done, model: look(steps + done, model)


def _evaluate(model: FourTower, side: TextSide, splits: Splits) -> Evaluation:
    """Weights are fitted on the validation split, figures taken on the test split."""
    embedder = CachedEmbedder(model, side.tokenizer, splits.pixels)
    params = fit_params(embed_fit_data(embedder, splits.val))
    return score(embed_dataset(embedder, splits.test), params)


def _rounded(figures: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 5) for name, value in figures.items()}


def _packed(values: np.ndarray[Any, Any]) -> str:
    """Zeros and ones as one string, a character per query."""
    return "".join("1" if value > 0.5 else "0" for value in values)
