"""The command `fourtower search`: ask an index or a service with words, pictures or both."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from fourtower_search.results import SearchResult


def search(
    words: Annotated[str, typer.Argument(help="What to look for; `-word` moves away from something.")] = "",
    *,
    image: Annotated[list[Path] | None, typer.Option(help="A photo; repeat for several.")] = None,
    similar: Annotated[str | None, typer.Option(help="Id of a product to find others like.")] = None,
    index: Annotated[
        str, typer.Option(help="A file, milvus://host:19530, or a service: http://host:8000.", envvar="FOURTOWER_INDEX")
    ] = "products.db",
    where: Annotated[str | None, typer.Option(help="A filter, such as 'price < 50 and in_stock'.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many products to show.")] = 10,
    depth: Annotated[int, typer.Option(min=1, max=500, help="How many products to rank.")] = 100,
    mode: Annotated[Literal["auto", "vector", "lexical", "hybrid"], typer.Option(help="How to search.")] = "auto",
    sort: Annotated[str | None, typer.Option(help="An attribute to sort by; '-price' from high to low.")] = None,
    min_relevance: Annotated[float | None, typer.Option(min=0, max=1, help="Leave out what is less relevant.")] = None,
    diversity: Annotated[float, typer.Option(min=0, max=1, help="0: by score alone; 1: as varied as possible.")] = 0.0,
    collapse: Annotated[Literal["product", "group"], typer.Option(help="One hit per product, or per group.")] = (
        "product"
    ),
    facet: Annotated[list[str] | None, typer.Option(help="An attribute to count by; repeat for several.")] = None,
    rerank: Annotated[str | None, typer.Option(help="Name of a re-ranker, or a reranker.json.")] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Show how each score came about.")] = False,
    page: Annotated[Path | None, typer.Option("--html", help="Also write a page with pictures.")] = None,
    image_root: Annotated[
        Path | None, typer.Option(help="Folder of the catalog's pictures, to show them in --html.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="The checkpoint that built the index, if it lies elsewhere.")
    ] = None,
    alias: Annotated[str, typer.Option(help="Which index of the server.", envvar="FOURTOWER_ALIAS")] = "products",
    token: Annotated[str, typer.Option(help="Of the server, user:password.", envvar="FOURTOWER_TOKEN")] = "",
    api_key: Annotated[
        str, typer.Option(help="Of the service; the variable is the safer place.", envvar="FOURTOWER_API_KEY")
    ] = "",
    ca_file: Annotated[
        Path | None, typer.Option(help="Certificates to trust (PEM), for milvuss:// and https://.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Find products by words, photos, or both.

    Words and photos are weighed against each other; a word with a minus moves
    away from something. With --similar, find products like one of the index.

    \b
    Example:
      fourtower search "red bag -leather" --index products.db
      fourtower search striped --image photo.jpg --where 'price < 50' --explain
      fourtower search lamp --index http://localhost:8000
    """
    from fourtower_search.answering import is_service
    from fourtower_search.client import SearchClient
    from fourtower_search.reranking.setup import named_reranker

    reranker, its_options = named_reranker(rerank)
    options: dict[str, Any] = {
        "where": where,
        "limit": limit,
        "depth": max(depth, limit),
        "sort": sort,
        "min_relevance": min_relevance,
        "diversity": diversity,
        "collapse": collapse,
        "facets": facet or (),
        "explain": explain,
        "rerank": reranker,
    }
    if similar is not None:
        _check_alone(words, image, mode)
    how: dict[str, Any] = {"model": model, "reranker_options": its_options, "image_root": image_root}
    # Variables of the environment may name a key and a token at once; each goes only where it belongs.
    access = {"api_key": api_key or None} if is_service(index) else {"alias": alias, "token": token}
    with SearchClient(index, ca_file=ca_file, **how, **access) as client:
        if similar is not None:
            result = client.similar(similar, **options)
        else:
            result = client.search(words or None, image=image, mode=mode, **options)
    if page is not None:
        _write_page(page, result, title=_title(words, similar), photos=tuple(image or ()))
    _show(result, explain=explain, as_json=as_json)


def _check_alone(words: str, image: list[Path] | None, mode: str) -> None:
    from fourtower_search.errors import InvalidQuery

    if words or image:
        raise InvalidQuery("--similar takes neither words nor photos; leave them out.")
    if mode not in ("auto", "vector"):
        raise InvalidQuery(f"--similar goes by pictures and text together, not by words; leave --mode {mode} out.")


def _title(words: str, similar: str | None) -> str:
    return f"Like {similar}" if similar else words or "By photo"


def _write_page(page: Path, result: SearchResult, *, title: str, photos: tuple[Path, ...]) -> None:
    from fourtower_search.display import Section, contact_sheet

    section = Section(title, result, note=f"{result.total} products", pictures=photos)
    page.write_text(contact_sheet("Fourtower search", [section]), encoding="utf-8")
    typer.echo(f"Wrote {page}", err=True)


def _show(result: SearchResult, *, explain: bool, as_json: bool) -> None:
    import json

    from rich.console import Console

    from fourtower_search import display

    if as_json:
        typer.echo(json.dumps(display.to_dict(result), indent=2, ensure_ascii=False, allow_nan=False))
        return
    console = Console()
    console.print(result if result.hits else "Nothing relevant was found.")
    for hit in result if explain else ():
        console.print(f"\n{display.printable(hit.product_id)}", style="bold", markup=False, highlight=False)
        if hit.explanation is not None:
            console.print(display.tree(hit.explanation))
    for facet in result.facets.values():
        console.print(display.facet_line(facet), markup=False, highlight=False)
