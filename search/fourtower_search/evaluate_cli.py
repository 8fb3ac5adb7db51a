"""The `fourtower evaluate` command: a checkpoint on a data folder, or a live index on judged queries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import typer

if TYPE_CHECKING:
    from fourtower_search.evaluation.judgments import Judgments
    from fourtower_search.evaluation.measure import Report


def evaluate(
    checkpoint: Annotated[
        str | None, typer.Argument(help="Checkpoint folder, or `demo` for the shipped model; not with --index.")
    ] = None,
    *,
    data: Annotated[Path | None, typer.Option(help="Data folder with products, queries and, if any, tasks.")] = None,
    split: Annotated[str, typer.Option(help="Which split to measure.")] = "test",
    on_bad: Annotated[Literal["fail", "skip"], typer.Option(help="What to do with bad lines and pictures.")] = "fail",
    picture: Annotated[Path | None, typer.Option(help="Also draw what was found, as .png or .jpg.")] = None,
    runtime: Annotated[Literal["auto", "torch", "onnx"], typer.Option(help="What runs the towers.")] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    bootstrap: Annotated[bool, typer.Option("--bootstrap", help="Add 95 % intervals over queries.")] = False,
    index: Annotated[str | None, typer.Option(help="A live index: a file, or milvus://host:19530.")] = None,
    against: Annotated[str | None, typer.Option(help="Another index, to compare the first one with.")] = None,
    judgments: Annotated[Path | None, typer.Option(help="Judged queries, .jsonl, .csv or .tsv; for --index.")] = None,
    alias: Annotated[str, typer.Option(help="Which index of the server.", envvar="FOURTOWER_ALIAS")] = "products",
    token: Annotated[str, typer.Option(help="Of the server, user:password.", envvar="FOURTOWER_TOKEN")] = "",
    ca_file: Annotated[Path | None, typer.Option(help="Certificates to trust (PEM), for milvuss://.")] = None,
    rerank: Annotated[
        str | None, typer.Option(help="Re-ranker to measure --index with: a name, or a reranker.json.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="The checkpoint that built the index, if it lies elsewhere.")
    ] = None,
    against_model: Annotated[str | None, typer.Option(help="The same for --against.")] = None,
    category: Annotated[str, typer.Option(help="The attribute that holds a product's category.")] = "category",
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Measure a checkpoint on a data folder, or a live index on judged queries.

    Street photos search the split's products: R@k is how often the right one
    is among the first k hits, XC@k how many hits have another category.
    Photos combined with words are measured task by task.

    With --index, judged queries are put to a live index, by kind, with times;
    with --against, to another index, too, and differences are tested query by query.

    \b
    Example:
      fourtower synth --products 2000 --out catalog
      fourtower evaluate demo --data catalog --picture found.png
      fourtower evaluate --index products.db --judgments catalog/judgments.test.jsonl
    """
    from fourtower_encoders import evaluate_cli
    from fourtower_encoders.errors import InvalidConfig

    if index is None:
        if judgments or against:
            raise InvalidConfig("--judgments and --against are for a live index; name it with --index.")
        if checkpoint is None or data is None:
            raise InvalidConfig("Name a checkpoint and --data, or a live index with --index and --judgments.")
        evaluate_cli.evaluate(
            checkpoint,
            data=data,
            split=split,
            on_bad=on_bad,
            picture=picture,
            runtime=runtime,
            device=device,
            bootstrap=bootstrap,
            as_json=as_json,
        )
        return
    if judgments is None:
        raise InvalidConfig("An index is measured with judged queries; name their file with --judgments.")
    if checkpoint or data or picture or bootstrap:
        raise InvalidConfig("A checkpoint, --data, --picture and --bootstrap are not for --index; leave them out.")
    where_and_how: dict[str, Any] = {"alias": alias, "token": token, "ca_file": ca_file}
    measured = [_Index(index, {**where_and_how, "model": model}, rerank)]
    if against:
        measured.append(_Index(against, {**where_and_how, "model": against_model}))
    _show(_reports(measured, judgments, category), as_json=as_json)


class _Index(NamedTuple):
    """An index to measure."""

    address: str
    settings: Mapping[str, Any]
    """Of the client that searches it."""
    rerank: str | None = None

    @property
    def name(self) -> str:
        """How tables call it; with a re-ranker it may stand beside itself."""
        return f"{self.address}, {self.rerank}" if self.rerank else self.address


def _reports(indexes: Sequence[_Index], judgments: Path, category: str) -> list[Report]:
    """Measure indexes one after the other, with a progress bar, which only a terminal shows."""
    from rich.console import Console
    from rich.progress import Progress

    from fourtower_search.evaluation.judgments import read_judgments

    judged, errors = read_judgments(judgments), Console(stderr=True)
    with Progress(console=errors, transient=True, disable=not errors.is_terminal) as bar:
        task = bar.add_task("Searching", total=len(judged.queries))
        return [_measure(each, judged, category, lambda done: bar.update(task, completed=done)) for each in indexes]


def _measure(index: _Index, judged: Judgments, category: str, progress: Callable[[int], None]) -> Report:
    from fourtower_search.client import SearchClient
    from fourtower_search.evaluation.live import asking
    from fourtower_search.evaluation.measure import evaluate
    from fourtower_search.reranking.setup import named_reranker

    reranker, its_options = named_reranker(index.rerank)
    with SearchClient(index.address, reranker_options=its_options, **index.settings) as client:
        search = asking(client.search, **({"rerank": reranker} if reranker else {}))
        return evaluate(search, judged, name=index.name, category=category, progress=progress)


def _show(reports: Sequence[Report], *, as_json: bool) -> None:
    import json

    from rich.console import Console

    from fourtower_search.evaluation.comparing import compare
    from fourtower_search.evaluation.showing import tables, to_dict

    differences = compare(*reports) if len(reports) == 2 else ()
    if as_json:
        typer.echo(json.dumps(to_dict(reports, differences), indent=2, allow_nan=False))
        return
    for table in tables(reports, differences):
        Console().print(table)
