"""The commands `fourtower index ...`: make an index, fill it from a file, look at it, drop it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fourtower_workers.options import Layout

if TYPE_CHECKING:
    from pydantic import ValidationError

    from fourtower_encoders.embedder import Embedder
    from fourtower_encoders.fetching import ImageFetcher
    from fourtower_search.index.generations import GenerationRecord, Generations
    from fourtower_search.index.product_index import ProductIndex
    from fourtower_search.schema import CatalogSchema
    from fourtower_workers.loading import LoadReport

app = typer.Typer(no_args_is_help=True)

Index = Annotated[str, typer.Option("--index", help="A file, or milvus://host:19530.", envvar="FOURTOWER_INDEX")]
Alias = Annotated[str, typer.Option(help="Which index of the server.", envvar="FOURTOWER_ALIAS")]
Token = Annotated[str, typer.Option(help="Of the server, user:password.", envvar="FOURTOWER_TOKEN")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Model = Annotated[str, typer.Option(help="Checkpoint folder, or `demo` for the shipped model.")]
Catalog = Annotated[Path | None, typer.Option(help="catalog.toml, the declared attributes.")]
DEFAULT = "products.db"


@app.callback()
def index() -> None:
    """Make an index, fill it from a file, look at it, drop it.

    An index is a file, or a collection of a Milvus server, and remembers its model and catalog.

    \b
    Example:
      fourtower index load catalog/events.jsonl --index products.db
    """


@app.command()
def create(
    *,
    index: Index = DEFAULT,
    catalog: Catalog = None,
    model: Model = "demo",
    alias: Alias = "products",
    token: Token = "",
    settings: Layout = "{}",
    as_json: AsJson = False,
) -> None:
    """Create an empty index for a catalog and a model.

    Both are recorded with it, so that clients find them.

    \b
    Example:
      fourtower index create --index products.db --catalog catalog.toml --model runs/first
    """
    from fourtower_encoders.embedder import Embedder

    with Embedder.load(model, runtime="auto") as embedder:
        made = _create(index, _schema(catalog), model, embedder, alias=alias, token=token, settings=settings)
    with made:
        assert made.record is not None
        _print(_described(made.record), as_json=as_json)


@app.command()
def load(
    events: Annotated[Path, typer.Argument(help="File of catalog events, one JSON object a line.")],
    *,
    index: Index = DEFAULT,
    catalog: Catalog = None,
    model: Annotated[str | None, typer.Option(help="Checkpoint; by default the index's own, `demo` for a new one.")] = (
        None
    ),
    alias: Alias = "products",
    token: Token = "",
    image_root: Annotated[
        Path | None, typer.Option(help="Folder that picture paths refer to; by default that of EVENTS.")
    ] = None,
    allow_host: Annotated[
        list[str] | None, typer.Option(help="Host that pictures may be fetched from; repeat for several.")
    ] = None,
    rejects: Annotated[
        Path | None, typer.Option(help="Where bad lines go; by default EVENTS with .rejects.jsonl.")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, max=1024, help="Events per batch.")] = 128,
    as_json: AsJson = False,
) -> None:
    """Index a file of catalog events; the index is created where there is none.

    Loading again is cheap, and goes on after an interruption: only what
    changed is fetched and encoded. Bad lines are set aside with the reason,
    nothing is lost. Exit code 1 if there were any.

    \b
    Example:
      fourtower synth --products 2000 --out catalog
      fourtower index load catalog/events.jsonl --index products.db
    """
    from fourtower_workers.loading import Loader, Rejects

    _check_events(events)
    aside = rejects or events.with_suffix(".rejects.jsonl")
    _check_rejects(aside, events)
    catalog = catalog or _beside(events)
    with _target(index, catalog, model, alias=alias, token=token, hosts=allow_host or []) as (target, embedder):
        indexer = _indexer(target, embedder, image_root or events.parent, source=events.name)
        with Rejects(aside) as bad, events.open("rb") as file, _bar(events.stat().st_size) as progress:
            report = Loader(indexer, bad, batch=batch, progress=progress).load(file)
        target.store.flush(timeout_s=120)
    _show(report, aside, as_json=as_json)
    if report.rejected:
        raise typer.Exit(1)


@app.command()
def info(*, index: Index = DEFAULT, alias: Alias = "products", token: Token = "", as_json: AsJson = False) -> None:
    """Show what an index holds and what it was built with.

    Rows are one per view; tombstones are products that were deleted.

    \b
    Example:
      fourtower index info --index products.db
    """
    from dataclasses import asdict

    from fourtower_search.index.opening import open_index

    with open_index(index, alias=alias, token=token) as opened:
        assert opened.record is not None
        _print({**_described(opened.record), **asdict(opened.stats(timeout_s=60))}, as_json=as_json)


@app.command()
def aliases(*, index: Index = DEFAULT, alias: Alias = "products", token: Token = "", as_json: AsJson = False) -> None:
    """List the generations of an index, and which of them is live.

    Searches go to the live one; the others were built beside it.

    \b
    Example:
      fourtower index aliases --index milvus://localhost:19530
    """
    with _generations(index, alias, token) as generations:
        live = generations.current(timeout_s=30)
        records = generations.records(timeout_s=30)
    lines = [{**_described(record), "live": record == live} for record in records]
    if as_json:
        typer.echo(json.dumps(lines, indent=2))
        return
    for line in lines:
        mark = "live" if line["live"] else "    "
        typer.echo(f"{mark}  {alias} -> {line['collection']}  model {line['model_id']}  {line['created_at']}")
    if not lines:
        typer.echo(f"There is no index {alias} at {index}.")


@app.command()
def drop(
    *,
    generation: Annotated[int, typer.Option(min=1, help="Number of the generation; `aliases` lists them.")],
    index: Index = DEFAULT,
    alias: Alias = "products",
    token: Token = "",
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
) -> None:
    """Delete a generation with all its rows; the live one is refused.

    Its number is never used again.

    \b
    Example:
      fourtower index drop --generation 1 --index products.db
    """
    with _generations(index, alias, token) as generations:
        if not yes:
            typer.confirm(f"Delete generation {generation} of {alias} at {index} with all its rows?", abort=True)
        with _turn(index, generations, f"`fourtower index drop --generation {generation}`"):
            generations.drop(generation, timeout_s=60)
    typer.echo(f"Generation {generation} of {alias} is gone.")


def _generations(index: str, alias: str, token: str) -> closing[Generations]:
    from fourtower_search.index.opening import open_generations

    return closing(open_generations(index, alias=alias, token=token))


def _turn(index: str, generations: Generations, doing: str) -> AbstractContextManager[object]:
    """Keeps other processes from changing generations meanwhile; a file has only one process."""
    from fourtower_search.index.milvus.address import parse_address
    from fourtower_workers.reindexing.turns import Turn

    return Turn(generations, doing) if parse_address(index).file is None else nullcontext()


@contextmanager
def _target(
    index: str, catalog: Path | None, model: str | None, *, alias: str, token: str, hosts: list[str]
) -> Iterator[tuple[ProductIndex, Embedder]]:
    """The index, made if there is none, and its model."""
    from fourtower_encoders.embedder import Embedder
    from fourtower_search.index.opening import open_generation

    with _generations(index, alias, token) as generations, _fetcher(hosts) as fetcher:
        record = generations.current(timeout_s=30)
        source = model or (record.model if record else "demo")
        with Embedder.load(source, runtime="auto", fetcher=fetcher) as embedder:
            if record is None:
                opened = _create(index, _schema(catalog), source, embedder, alias=alias, token=token)
            else:
                _check_catalog(record, catalog)
                opened = open_generation(generations, record, params=embedder.params)
            with opened:
                yield opened, embedder


def _create(
    index: str,
    schema: CatalogSchema,
    model: str,
    embedder: Embedder,
    *,
    alias: str,
    token: str,
    settings: str = "{}",
) -> ProductIndex:
    from fourtower_search.index.opening import create_index
    from fourtower_workers.bootstrapping import layout_from, plan_of

    plan = plan_of(embedder.checkpoint, model, schema, layout_from(settings), None)
    with _generations(index, alias, token) as generations:
        generations.check(plan)
        with _turn(index, generations, "`fourtower index create`"):
            return create_index(index, plan, alias=alias, token=token, params=embedder.params)


def _indexer(index: ProductIndex, embedder: Embedder, root: Path, *, source: str) -> Any:
    from fourtower_workers.indexing import Indexer

    return Indexer(index, embedder, image_root=root, source=source)


@contextmanager
def _fetcher(hosts: list[str]) -> Iterator[ImageFetcher | None]:
    if not hosts:
        yield None
        return
    from pydantic import ValidationError

    from fourtower_encoders.errors import InvalidConfig
    from fourtower_encoders.fetch_policy import FetchPolicy
    from fourtower_encoders.fetching import ImageFetcher

    try:
        policy = FetchPolicy(allow_hosts=tuple(hosts))
    except ValidationError as error:
        raise InvalidConfig(f"--allow-host can't be used: {_problem(error)}.") from error
    with ImageFetcher(policy) as fetcher:
        yield fetcher


def _schema(catalog: Path | None) -> CatalogSchema:
    from fourtower_search.schema import CatalogSchema

    return CatalogSchema.load(catalog) if catalog else CatalogSchema()


def _check_catalog(record: GenerationRecord, catalog: Path | None) -> None:
    """An index keeps the catalog that it was made with."""
    from fourtower_search.errors import IndexMismatch

    if catalog is not None and _schema(catalog).hash != record.schema_hash:
        raise IndexMismatch(
            f"{catalog} declares other attributes than the index {record.alias} was made with. "
            "Leave --catalog out, or make a new index."
        )


def _check_events(events: Path) -> None:
    from fourtower_encoders.errors import InvalidConfig

    if not events.is_file():
        raise InvalidConfig(f"{events} is not a file; name a file of catalog events, one JSON object a line.")


def _check_rejects(rejects: Path, events: Path) -> None:
    from fourtower_encoders.errors import InvalidConfig

    if rejects.exists() and not rejects.is_file():
        raise InvalidConfig(f"{rejects} is not a file; name another one with --rejects.")
    if rejects.exists() and rejects.samefile(events):
        raise InvalidConfig(f"{events} would be overwritten by what is set aside; name another file with --rejects.")


def _problem(error: ValidationError) -> str:
    from fourtower_search.query.forms import first_problem

    return first_problem(error)


def _beside(events: Path) -> Path | None:
    """The catalog.toml next to the events, if there is one."""
    found = events.parent / "catalog.toml"
    return found if found.is_file() else None


def _described(record: GenerationRecord) -> dict[str, Any]:
    return {
        "collection": record.collection,
        "generation": record.generation,
        "model": record.model,
        "model_id": record.model_id,
        "attributes": {name: attribute.type for name, attribute in record.catalog.attributes.items()},
        "index_type": record.index.type,
        "created_at": record.created_at.isoformat(timespec="seconds"),
    }


def _print(facts: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    for name, value in facts.items():
        shown = ", ".join(f"{key} ({kind})" for key, kind in value.items()) if isinstance(value, dict) else value
        typer.echo(f"{name.replace('_', ' '):14}{shown}")


def _show(report: LoadReport, rejects: Path, *, as_json: bool) -> None:
    if as_json:
        typer.echo(
            json.dumps({**report.to_dict(), "rejects_file": str(rejects) if report.rejected else None}, indent=2)
        )
        return
    counted = ", ".join(f"{count} {status}" for status, count in sorted(report.outcomes.items())) or "nothing"
    typer.echo(f"{report.lines} events in {report.seconds:.1f} s: {counted}")
    if report.pictures:
        message, _ = report.pictures.most_common(1)[0]
        typer.echo(f"{report.pictures.total()} pictures could not be used, for example: {message}")
    if report.rejected:
        typer.echo(f"{report.rejected.total()} lines set aside in {rejects}, the first: {report.first_rejected}")


@contextmanager
def _bar(total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar over the file's bytes, for terminals only."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("Indexing"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("Indexing", total=total)
        yield lambda done: progress.advance(task, done)
