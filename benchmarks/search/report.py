"""Shows the result in docs/benchmarks.md; all that it needs is in the result file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.pages import DOCUMENT, FIGURES, Result, Rows, figure_rows, origin, table_lines, write_part
from benchmarks.search.catalog import KINDS
from benchmarks.search.measure import AT_MOST

BEGIN, END = "<!-- search: begin -->", "<!-- search: end -->"
PICTURE = "pictures/bench-search.png"


def write_docs(result: Result, document: Path = DOCUMENT) -> None:
    """Replace what stands between the markers of the document."""
    write_part(document, BEGIN, END, _lines(result))


def sizes(result: Result) -> dict[int, Mapping[str, Any]]:
    """What was measured at each size, smallest first."""
    found = {int(name.removeprefix("rows_")): value for name, value in result["details"].items() if name[:5] == "rows_"}
    return dict(sorted(found.items()))


def _lines(result: Result) -> Iterator[str]:
    details = result["details"]
    yield origin(result)
    yield from ("", f"![Search, recall and writes]({PICTURE})")
    yield from table_lines(FIGURES, figure_rows(result, AT_MOST))
    yield from ("", "By the size of the index:")
    yield from table_lines(SIZE_HEADINGS, map(_size, sizes(result).values()))
    yield from ("", "Milliseconds of a search's stages at the largest size, median:")
    stages = list(sizes(result).values())[-1]["stages_ms"]
    yield from table_lines(("Stage", "ms"), ((name, f"{spent:.2f}") for name, spent in stages.items()))
    yield from ("", "Filters at the largest size, p50 in ms:")
    yield from table_lines(("Products left", "Client", "Raw"), _filters(details["filters"]))
    yield from ("", "Recall@10 against the exact answer:")
    yield from table_lines(("Rows", "Index", *KINDS), _recalls(result))
    yield from ("", "Recall that products keep which lost a half (right answers found with it, and without it):")
    yield from table_lines(("Lost", *KINDS), _kept(details["hidden"]))
    yield from ("", "Photo with words, one joint vector against two fields:")
    yield from table_lines(("Way", "nDCG@10"), ((way, f"{value:.3f}") for way, value in _ndcg(details["fields"])))
    yield from ("", "Writes:")
    yield from table_lines(WRITE_HEADINGS, _writes(details["writing"]))


SIZE_HEADINGS = (
    *("Rows", "Products", "Written in s", "Indexed in s", "Server MB", "Rows asked for"),
    *("Client p50 ms", "Raw p50 ms", "Raw, read, p50 ms", "Ratio"),
)
WRITE_HEADINGS = ("Products are", "Products/s", "Rows/s", "Raw rows/s", "Ratio")


def _size(found: Mapping[str, Any]) -> tuple[str, ...]:
    times = (f"{found[f'{side}_p50_ms']:.1f}" for side in ("sdk", "raw", "raw_read"))
    built = (f"{found[name]:,.0f}" for name in ("rows", "products", "write_s", "index_s", "full_mb", "asked_rows"))
    return (*built, *times, f"{found['ratio']:.2f}")


def _filters(filters: Mapping[str, Mapping[str, float]]) -> Rows:
    return ((share, f"{each['sdk_p50_ms']:.1f}", f"{each['raw_p50_ms']:.1f}") for share, each in filters.items())


def _recalls(result: Result) -> Rows:
    for size in sizes(result):
        for index, recall in result["details"][f"recall_{size}"].items():
            yield (f"{size:,}", index, *(f"{recall[kind]:.4f}" for kind in KINDS))


def _kept(hidden: Mapping[str, Any]) -> Rows:
    for half, shares in hidden["kept"].items():
        before, after = (hidden["found"][name][half] for name in ("complete", "hidden"))
        cells = (f"{shares[kind]:.2f} ({before.get(kind, 0)}, {after.get(kind, 0)})" for kind in KINDS)
        yield ("pictures" if half == "image" else "text", *cells)


def _ndcg(fields: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    return iter(fields["ndcg_at_10"].items())


def _writes(writing: Mapping[str, Mapping[str, float]]) -> Rows:
    for kind, each in writing.items():
        speeds = (f"{each[name]:,.0f}" for name in ("products_per_s", "rows_per_s", "raw_rows_per_s"))
        yield ("priced anew" if kind == "price" else kind, *speeds, f"{each['ratio']:.2f}")
