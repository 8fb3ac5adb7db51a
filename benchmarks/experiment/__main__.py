"""Runs what is missing of the experiment, then writes docs/experiments.md: `python -m benchmarks.experiment run`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import torch
import typer

from benchmarks.experiment.arms import ARMS, GROCERY_ARMS, GROCERY_SEEDS, Arm, arm_named, seeds
from benchmarks.experiment.data import Splits, load_splits
from benchmarks.experiment.grocery import lay_out
from benchmarks.experiment.protocol import GROCERY, SYNTHETIC, Protocol
from benchmarks.experiment.run import finished, run_arm
from benchmarks.experiment.write import write_report
from fourtower_encoders.synth import write_catalog

app = typer.Typer(add_completion=False, no_args_is_help=True)
DATA = Path("data")


@app.command()
def run(
    threads: Annotated[int, typer.Option(help="Processor threads of a run; 0 for all.")] = 0,
    share: Annotated[str, typer.Option(help="'0/2' and '1/2' split the runs between two processes.")] = "0/1",
    grocery: Annotated[Path | None, typer.Option(help="Folder of the Grocery Store Dataset, for real photos.")] = None,
) -> None:
    """Make every run that has no result file yet."""
    if threads:
        torch.set_num_threads(threads)
    mine, of = (int(part) for part in share.split("/"))
    if todo := pending(SYNTHETIC, ARMS)[mine::of]:
        work(SYNTHETIC, load_splits(synthetic_folder(SYNTHETIC), SYNTHETIC.towers), todo)
    if grocery and (todo := pending(GROCERY, [arm_named(name) for name in GROCERY_ARMS], GROCERY_SEEDS)[mine::of]):
        work(GROCERY, load_splits(lay_out(grocery, DATA / "grocery"), GROCERY.towers), todo)
    report()


@app.command()
def report() -> None:
    """Write docs/experiments.md and its pictures from the result files."""
    print(f"Wrote {write_report()}", file=sys.stderr)


def pending(protocol: Protocol, arms: Sequence[Arm], numbers: range | None = None) -> list[tuple[Arm, int]]:
    """The missing runs, all arms of one seed before the next seed, so that an early look is balanced."""
    runs = [(arm, seed) for arm in arms for seed in numbers or seeds(arm)]
    missing = [(arm, seed) for arm, seed in runs if not finished(protocol, arm, seed)]
    return sorted(missing, key=lambda run: (not run[0].primary, run[1]))


def work(protocol: Protocol, splits: Splits, todo: list[tuple[Arm, int]]) -> None:
    """Make the runs, one line each."""
    for number, (arm, seed) in enumerate(todo, start=1):
        if finished(protocol, arm, seed):
            continue
        result = run_arm(protocol, arm, seed, splits)
        figures = result["figures"]
        line = f"R@1 {figures['image-image only/R@1']:.3f}  XC@1 {figures['image-image only/XC@1']:.3f}"
        print(
            f"[{number}/{len(todo)}] {arm.name}, seed {seed}: {line}  ({result['seconds']:.0f} s)",
            file=sys.stderr,
            flush=True,
        )


def synthetic_folder(protocol: Protocol) -> Path:
    """The rendered catalog of a protocol; drawn when it is not there."""
    assert protocol.catalog is not None
    folder = DATA / f"experiment-{protocol.catalog.products}-{protocol.catalog.seed}-{protocol.catalog.size}"
    if not (folder / "dataset.json").exists():
        print(f"Drawing {protocol.catalog.products} products into {folder} ...", file=sys.stderr)
        write_catalog(folder, protocol.catalog, workers=2)
    return folder


if __name__ == "__main__":
    app()
