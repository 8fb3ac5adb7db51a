"""Trains the demo checkpoint that the package ships, and writes its model card: `make train-demo`."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray

import fourtower_encoders
from fourtower_encoders.batches import SamplingConfig
from fourtower_encoders.config import Frozen, HashedText, Preprocess, SmallResNet, TowerConfig
from fourtower_encoders.embedder import Embedder
from fourtower_encoders.evaluate import evaluate
from fourtower_encoders.manifest import load_dataset
from fourtower_encoders.metrics_log import read_metrics
from fourtower_encoders.statistics import prediction_interval
from fourtower_encoders.synth import SynthConfig, write_catalog
from fourtower_encoders.train import StepReport, TrainConfig
from fourtower_encoders.training_run import TrainingRun

SHIPPED = Path(fourtower_encoders.__file__).parent / "demo"
DATA, RUN = Path("data"), Path("runs/demo")
CATALOG = SynthConfig(products=4000, seed=1, photos=6)
FRESH = SynthConfig(products=2000, seed=100, photos=1)
"""What the card's figures are measured on: other seeds, hence other products."""
FRESH_SEEDS = range(100, 108)
TOWERS = TowerConfig(image=SmallResNet(width=24), text=HashedText(width=64), preprocess=Preprocess(size=64))
TRAINING = TrainConfig(
    variant="4-tower", steps=2400, learning_rate=3e-3, sampling=SamplingConfig(batch_size=128, hard_share=0.25)
)
CONFIDENCE = 0.99
"""Of each interval: a dozen figures are held against them at once."""
FIGURES = (
    "R@1",
    "R@10",
    "XC@1",
    "nDCG@10",
    *(f"{task}/composed/Hit@1" for task in ("change_category", "change_colour", "add_attribute", "negation")),
)


def main(
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")] = "cuda" if torch.cuda.is_available() else "cpu",
    resume: Annotated[bool, typer.Option("--resume", help="Continue an interrupted training.")] = False,
    card_only: Annotated[bool, typer.Option("--card-only", help="Only measure the shipped model again.")] = False,
) -> None:
    """Draw the catalog, train, fit, measure on fresh seeds, and replace the shipped checkpoint."""
    if not card_only:
        _train(device, resume=resume)
        shutil.rmtree(SHIPPED, ignore_errors=True)
        shutil.copytree(RUN / "checkpoint", SHIPPED)
    figures = {name: np.array(values) for name, values in _measure().items()}
    (SHIPPED / "README.md").write_text(_card(figures, device), encoding="utf-8")
    print(f"Wrote {SHIPPED}", file=sys.stderr)


def _train(device: str, *, resume: bool) -> None:
    folder = DATA / "train-demo"
    if not (folder / "dataset.json").exists():
        write_catalog(folder, CATALOG, workers=2)
    run = TrainingRun(folder, RUN, TOWERS, TRAINING, device=device)
    run.load()
    run.train(resume=resume, on_step=_print)
    run.finish(precision="float16", facts={"demo": True, "catalog": CATALOG.model_dump(mode="json")})


def _print(report: StepReport) -> None:
    if report.step % 100 == 0:
        loss = sum(report.terms.values())
        print(f"step {report.step}: loss {loss:.3f}, {report.images_per_s:.0f} images/s", file=sys.stderr, flush=True)


def _measure() -> dict[str, list[float]]:
    """Figures of the shipped model, one value per fresh catalog."""
    values: dict[str, list[float]] = {name: [] for name in FIGURES}
    with Embedder.load("demo") as embedder:
        for folder in _fresh_catalogs():
            figures = evaluate(embedder, load_dataset(folder, "test")).figures()
            for name in FIGURES:
                values[name].append(figures[name])
    return values


def _fresh_catalogs() -> Iterator[Path]:
    for seed in FRESH_SEEDS:
        folder = DATA / f"fresh-{FRESH.products}-{seed}"
        if not (folder / "dataset.json").exists():
            write_catalog(folder, FRESH.model_copy(update={"seed": seed}), workers=2)
        yield folder


def _card(figures: dict[str, NDArray[np.float64]], device: str) -> str:
    intervals = {name: prediction_interval(values.tolist(), confidence=CONFIDENCE) for name, values in figures.items()}
    rows = [
        f"| {name} | {values.mean():.3f} | {max(0, intervals[name].low):.3f} to {min(1, intervals[name].high):.3f} |"
        for name, values in figures.items()
    ]
    with Embedder.load("demo") as embedder:
        model_id, params = embedder.model_id, embedder.params
    machine = {
        "prediction_intervals": {name: [round(i.low, 4), round(i.high, 4)] for name, i in intervals.items()},
        "products": FRESH.products,
    }
    (SHIPPED / "card.json").write_text(json.dumps(machine, indent=1) + "\n", encoding="utf-8")
    return CARD.format(
        model_id=model_id,
        rows="\n".join(rows),
        image=_described(TOWERS.image),
        text=_described(TOWERS.text),
        size=TOWERS.preprocess.size,
        dim=TOWERS.dim,
        variant=TRAINING.variant,
        steps=TRAINING.steps,
        batch=TRAINING.sampling.batch_size,
        products=CATALOG.products,
        catalog_seed=CATALOG.seed,
        seed=TRAINING.seed,
        fresh=FRESH.products,
        first=FRESH_SEEDS[0],
        last=FRESH_SEEDS[-1],
        duration=f"{_minutes():.0f} minutes on one {device} device",
        weights=_described(params.weights),
        kappa=f"image {params.kappa_image}, text {params.kappa_text}",
    )


def _described(numbers: Frozen) -> str:
    """A configuration in words: `name value, name value`."""
    values = {name: round(v, 2) if isinstance(v, float) else v for name, v in numbers.model_dump().items()}
    return ", ".join(f"{value}" if name == "kind" else f"{name} {value}" for name, value in values.items())


def _minutes() -> float:
    """How long the training took, by its own log."""
    lines = read_metrics(RUN)
    return (lines[-1]["time"] - lines[0]["time"]) / 60 if lines else float("nan")


CARD = """# Fourtower demo towers

**A demo, trained on drawings.** These towers have only ever seen the synthetic catalog of `fourtower synth`: twelve
kinds of things in ten patterns and a few colours. They show how the parts work together and are good for tests. They
know nothing about real photographs: train your own towers, or import a CLIP or SigLIP checkpoint.

| | |
| --- | --- |
| model id | `{model_id}` |
| image tower | {image}, {size} px |
| text tower | {text} |
| embedding | {dim} numbers |
| losses | `{variant}` |
| training | {steps} steps of {batch} pairs, seed {seed}; {duration} |
| data | `SynthConfig` with {products} products, seed {catalog_seed}; stored in `model.json` |
| query weights | {weights} |
| imputed halves | {kappa} |
| command | `make train-demo` |

## Figures

The test splits of eight fresh catalogs of {fresh} products (seeds {first} to {last}; no product was seen in training):
the mean, and the interval in which the figure of one further seed is expected with 99 % probability. To check one:

```sh
fourtower synth --products {fresh} --photos 1 --seed 4711 --out fresh
fourtower evaluate demo --data fresh
```

| figure | mean | 99 % prediction interval |
| --- | --- | --- |
{rows}

`R@k`: the photographed product is among the first k. `XC@1`: the first hit has another category. `composed`: a street
photo with words; the words ask for another category, colour or pattern, or forbid the photo's own pattern.

## Limits

One drawing style, 64 pixels, English words, a small vocabulary. Titles name category, pattern and colour honestly,
which real titles do not.
"""


if __name__ == "__main__":
    typer.run(main)
