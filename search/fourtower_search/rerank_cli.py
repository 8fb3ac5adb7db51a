"""The command `fourtower rerank fit`: learns a re-ranker from judged queries and a live index."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from fourtower_search.evaluation.judgments import Judgments
    from fourtower_search.reranking.model import RerankModel

app = typer.Typer(no_args_is_help=True)


@app.callback()
def rerank() -> None:
    """Learn how to re-rank hits.

    A learned re-ranker mixes the alignments of the towers, matched words and the shop's own signals,
    such as ratings, in the proportions that judged queries ask for.

    \b
    Example:
      fourtower rerank fit judgments.jsonl --index products.db --out reranker.json
    """


@app.command("fit")
def fit(
    judgments: Annotated[Path, typer.Argument(help="Judged queries, .jsonl, .csv or .tsv.")],
    *,
    index: Annotated[str, typer.Option(help="A live index: a file, or milvus://host:19530.")],
    out: Annotated[Path, typer.Option(help="Where to write the re-ranker.")],
    alias: Annotated[str, typer.Option(help="Which index of the server.", envvar="FOURTOWER_ALIAS")] = "products",
    token: Annotated[str, typer.Option(help="Of the server, user:password.", envvar="FOURTOWER_TOKEN")] = "",
    ca_file: Annotated[Path | None, typer.Option(help="Certificates to trust (PEM), for milvuss://.")] = None,
    model: Annotated[
        str | None, typer.Option(help="The checkpoint that built the index, if it lies elsewhere.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the split into fitted and measured queries.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Fit a re-ranker, and measure it on queries that it has not seen.

    Three fifths of the queries fit the model, one fifth chooses among models, and one fifth says what the
    chosen one is worth: nDCG@10 with and without it, and the range that luck leaves.

    \b
    Example:
      fourtower rerank fit judgments.jsonl --index products.db --out reranker.json
    """
    from fourtower_search.evaluation.judgments import read_judgments
    from fourtower_search.reranking.listwise import write_model

    where_and_how: dict[str, Any] = {"alias": alias, "token": token, "ca_file": ca_file}
    fitted = _fit(read_judgments(judgments), index, where_and_how, model, seed)
    write_model(fitted, out)
    _report(fitted, out, as_json=as_json)


def _fit(judged: Judgments, index: str, where_and_how: Mapping[str, Any], model: str | None, seed: int) -> RerankModel:
    from rich.console import Console
    from rich.progress import Progress

    from fourtower_search.client import SearchClient
    from fourtower_search.index.opening import open_index
    from fourtower_search.reranking.collecting import Recorder, collect
    from fourtower_search.reranking.features import Features
    from fourtower_search.reranking.learning import learn

    errors, recorder = Console(stderr=True), Recorder()
    with open_index(index, **where_and_how) as opened:
        features, model_id = Features.of(opened.schema), opened.model_id
    with (
        SearchClient(index, model=model, rerankers={Recorder.name: recorder}, **where_and_how) as client,
        Progress(console=errors, transient=True, disable=not errors.is_terminal) as progress,
    ):
        task = progress.add_task("Searching", total=len(judged.queries))
        lists = collect(
            client.search,
            recorder,
            judged,
            features,
            progress=lambda done: progress.update(task, completed=done),
        )
    return learn(lists, features, model_id=model_id, seed=seed)


def _report(fitted: RerankModel, out: Path, *, as_json: bool) -> None:
    quality = fitted.quality
    assert quality is not None
    if as_json:
        import json

        typer.echo(json.dumps({"out": str(out), **quality.model_dump(), "better": quality.better}, indent=2))
        return
    typer.echo(f"Wrote {out}. nDCG@10 on {quality.queries} queries that took no part in fitting:")
    typer.echo(f"  plain       {quality.plain:.4f}")
    typer.echo(f"  re-ranked   {quality.reranked:.4f}")
    typer.echo(f"  difference  {quality.gain:+.4f}, 95 % range {quality.low:+.4f} to {quality.high:+.4f}")
    if not quality.better:
        typer.echo("It does not surely beat plain ranking: don't use it. Judge more queries, or declare more signals.")
