"""The command `fourtower train`: from a data folder to a fitted checkpoint."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from fourtower_encoders.train import StepReport
    from fourtower_encoders.training_run import TrainingRun


def train(
    *,
    data: Annotated[Path, typer.Option(help="Data folder with products and queries of the splits train and val.")],
    out: Annotated[Path, typer.Option(help="Folder for the checkpoint, the resumable state and the curves.")],
    variant: Annotated[
        Literal["dml", "clip", "3-tower", "4-tower", "4-tower+composed"], typer.Option(help="Which losses to train.")
    ] = "4-tower",
    first_variant: Annotated[
        Literal["dml", "clip", "3-tower", "4-tower"] | None,
        typer.Option(help="Other losses for the first half of the steps, such as 3-tower before 4-tower."),
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Updates of the weights.")] = 2400,
    batch_size: Annotated[int, typer.Option(min=2, help="Pairs of photo and product per update.")] = 128,
    photos: Annotated[int, typer.Option(min=1, help="Photos of one product per batch.")] = 1,
    hard_share: Annotated[float, typer.Option(min=0, max=0.9, help="Share of a batch drawn from look-alikes.")] = 0.25,
    learning_rate: Annotated[float, typer.Option(min=1e-9, help="The highest learning rate.")] = 2e-3,
    image: Annotated[
        str, typer.Option(help="small, timm:NAME, clip:SOURCE or siglip:SOURCE (hub name or folder).")
    ] = "small",
    text: Annotated[
        str, typer.Option(help="hashed, transformers:SOURCE, clip:SOURCE or siglip:SOURCE (hub name or folder).")
    ] = "hashed",
    pretrained: Annotated[bool, typer.Option(help="Start timm and transformers networks from their weights.")] = True,
    width: Annotated[int, typer.Option(min=4, max=256, help="Width of the small image network.")] = 24,
    image_size: Annotated[
        int, typer.Option(min=16, max=1024, help="Side of the pictures that the small or timm network sees.")
    ] = 64,
    dim: Annotated[int, typer.Option(min=8, max=4096, help="Length of an embedding.")] = 128,
    seed: Annotated[
        int, typer.Option(min=0, max=2**31 - 1, help="Decides initial weights, batches and augmentation.")
    ] = 0,
    start_from: Annotated[
        str | None, typer.Option(help="Checkpoint (or `demo`) whose towers to go on training.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the interrupted run in --out.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Start over where --out holds a run already.")] = False,
    on_bad: Annotated[Literal["fail", "skip"], typer.Option(help="What to do with bad lines and pictures.")] = "fail",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    half: Annotated[bool, typer.Option("--half", help="Store the weights as float16.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures on the held-out split as JSON.")] = False,
) -> None:
    """Train the towers on a data folder.

    Ends with a fitted checkpoint in OUT/checkpoint, curves in OUT/curves.png, and the
    figures of the split `test`, or `val` where there is none. Several GPUs: start it with
    `torchrun --nproc-per-node N --no-python fourtower train ...`.

    \b
    Example:
      fourtower synth --products 5000 --out catalog
      fourtower train --data catalog --out runs/first --variant 4-tower
    """
    from fourtower_encoders import training_run
    from fourtower_encoders.batches import SamplingConfig
    from fourtower_encoders.train import TrainConfig

    if not (resume or overwrite):
        _refuse_used(out)
    sampling = SamplingConfig(batch_size=batch_size, photos_per_product=photos, hard_share=hard_share)
    config = TrainConfig(
        variant=variant,
        first_variant=first_variant,
        steps=steps,
        seed=seed,
        learning_rate=learning_rate,
        sampling=sampling,
    )
    towers = training_run.towers(image, text, pretrained=pretrained, width=width, image_size=image_size, dim=dim)
    with _processes(device) as (where, first):
        run = training_run.TrainingRun(data, out, towers, config, device=where, start_from=start_from, on_bad=on_bad)
        with _bar("Reading", show=first) as bar:
            run.load(progress=lambda done, total: bar(done, total, ""))
        for line in run.bad if first else ():
            typer.echo(f"skipped: {line}", err=True)
        with _bar("Training", show=first) as bar:
            run.train(resume=resume, on_step=lambda report: bar(report.step, steps, _described(report)))
    if first:
        typer.echo("Fitting means and query weights, writing ONNX ...", err=True)
        run.finish(precision="float16" if half else "float32")
        _show(run, as_json=as_json)


def _refuse_used(out: Path) -> None:
    from fourtower_encoders.errors import InvalidConfig
    from fourtower_encoders.training_state import STATE_FILE

    if (out / STATE_FILE).exists():
        raise InvalidConfig(f"{out} holds a run already: add --resume to go on, --overwrite to start over.")


def _described(report: StepReport) -> str:
    """The loss, its terms and the speed in one short line."""
    roles = {"query_image": "q", "product_image": "p", "query_text": "s", "product_text": "t"}
    terms = []
    for name, value in report.terms.items():
        first, second = name.split("~")
        terms.append(f"{roles.get(first, first)}~{roles.get(second, second)} {value:.2f}")
    return f"loss {sum(report.terms.values()):.2f} ({', '.join(terms)})  {report.images_per_s:.0f} images/s"


def _show(run: TrainingRun, *, as_json: bool) -> None:
    import json

    from rich.console import Console

    from fourtower_encoders import report

    evaluation = run.evaluate()
    if as_json:
        typer.echo(json.dumps(report.to_dict(evaluation), indent=2, allow_nan=False))
    else:
        for table in report.tables(evaluation):
            Console().print(table)
    typer.echo(f"Checkpoint {run.checkpoint_folder}, curves {run.out / 'curves.png'}", err=True)


@contextmanager
def _processes(device: str) -> Iterator[tuple[str, bool]]:
    """Join the processes that torchrun started; gives this one's device and whether it is the first."""
    import torch.distributed as dist

    from fourtower_encoders.torch_runtime import find_device

    found = find_device(device)
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield str(found), True
        return
    cuda = found.type == "cuda"
    own = find_device(f"cuda:{os.environ['LOCAL_RANK']}") if cuda else found
    dist.init_process_group("nccl" if cuda else "gloo")
    try:
        yield str(own), dist.get_rank() == 0
    finally:
        dist.destroy_process_group()


@contextmanager
def _bar(title: str, *, show: bool) -> Iterator[Callable[[int, int, str], None]]:
    """A progress bar on stderr, for terminals only."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[state]}"),
    )
    with Progress(*columns, console=console, disable=not (show and console.is_terminal)) as progress:
        task = progress.add_task(title, total=None, state="")
        yield lambda done, total, state: progress.update(task, completed=done, total=total, state=state)
