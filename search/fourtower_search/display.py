"""Shows results to people: a table in a terminal, cards in a notebook, a contact sheet in a browser, a data frame."""

from __future__ import annotations

import base64
import html
import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fourtower_encoders.errors import ImageError, ImageRejected
from fourtower_encoders.images import load_image
from fourtower_search.errors import Unsupported
from fourtower_search.results import shown

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table
    from rich.tree import Tree

    from fourtower_search.ranking.explain import Node
    from fourtower_search.ranking.facets import Facet
    from fourtower_search.results import ProductHit, SearchResult

THUMBNAIL = 160
"""Side of the pictures on a page, in pixels."""
_PAGE_STYLE = """
:root { color-scheme: light dark; font-family: system-ui, sans-serif; }
body { max-width: 76rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .6rem; }
"""
_STYLE = """
.fourtower .note { opacity: .7; margin: .2rem 0 .8rem; }
.fourtower .row { display: flex; flex-wrap: wrap; gap: .8rem; align-items: flex-start; }
.fourtower .query { border-right: 2px solid #8886; padding-right: .8rem; margin-right: .2rem; }
.fourtower figure { width: 10rem; margin: 0; }
.fourtower img, .fourtower .none { width: 10rem; height: 10rem; object-fit: contain; background: #fff;
  border: 1px solid #8884; border-radius: .5rem; }
.fourtower .none { display: grid; place-items: center; color: #777; }
.fourtower .right img { outline: 3px solid #1a9c5b; }
.fourtower figcaption { font-size: .8rem; line-height: 1.3; margin-top: .3rem; overflow-wrap: anywhere; }
.fourtower .score { opacity: .7; font-variant-numeric: tabular-nums; }
.fourtower details { font-size: .75rem; } .fourtower pre { overflow-x: auto; max-width: 10rem; }
"""
"""Of cards; under a class of its own, because a notebook shows them among other things."""
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""What moves a terminal's cursor, changes its colours, or turns the direction of the text around it."""


@dataclass(frozen=True)
class Section:
    """One query of a contact sheet."""

    title: str
    result: SearchResult
    note: str = ""
    pictures: tuple[Path, ...] = ()
    """The photos that were searched with."""
    right: frozenset[str] = frozenset()
    """Products that are known to be right answers, outlined."""


def table(result: SearchResult) -> Table:
    """Hits as a table that fits a terminal of 80 columns."""
    from rich.markup import escape
    from rich.table import Table

    lines = Table(caption=_caption(result), caption_justify="left", expand=True)
    lines.add_column("", justify="right", width=2)
    longest = max((len(hit.product_id) for hit in result), default=0)
    lines.add_column("product", no_wrap=True, overflow="ellipsis", width=min(max(longest, 7), 24))
    lines.add_column("title", no_wrap=True, overflow="ellipsis", ratio=3)
    lines.add_column("attributes", no_wrap=True, overflow="ellipsis", ratio=2)
    lines.add_column("relevance", justify="right", width=9)
    lines.add_column("score", justify="right", width=6)
    for place, hit in enumerate(result, start=1):
        figures = (f"{hit.relevance:.2f}", f"{hit.score:.3f}")
        texts = (escape(printable(text)) for text in (hit.product_id, hit.title, _facts(hit)))
        lines.add_row(str(place), *texts, *figures)
    return lines


def tree(node: Node, *, deepest: int = 6) -> Tree:
    """An explanation as a tree."""
    from rich.markup import escape
    from rich.tree import Tree

    def grow(branch: Tree, of: Node, depth: int) -> None:
        for child in of.children if depth < deepest else ():
            grow(branch.add(escape(_line(child))), child, depth + 1)

    root = Tree(escape(_line(node)))
    grow(root, node, 0)
    return root


def facet_line(facet: Facet) -> str:
    """A facet as one line of text."""
    counted = [f"{_plain(each.value)} {each.count}" for each in facet.values]
    bounds = [(_bound(each.lo, facet.type), _bound(each.hi, facet.type), each.count) for each in facet.ranges]
    counted += [f"{low} to {high}: {count}" for low, high, count in bounds]
    return printable(f"{facet.attribute}: {', '.join(counted) or 'nothing'}")


def printable(text: str) -> str:
    """Text of a catalog, for a terminal: what could take control of it is shown as a blank box."""
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text)


def to_dict(result: SearchResult) -> dict[str, Any]:
    """A result as JSON has it."""
    plain = asdict(replace(result, image_root=None))
    del plain["image_root"]
    for hit in plain["hits"]:
        hit["attributes"] = {name: _json(value) for name, value in hit["attributes"].items()}
    return plain


def frame(result: SearchResult) -> pd.DataFrame:
    """One line per hit, one column per attribute."""
    try:
        import pandas as pd
    except ImportError as error:
        raise Unsupported("A data frame needs pandas; install it with pip install pandas.") from error

    fixed = ("product_id", "title", "score", "relevance", "group_id", "version", "image")
    lines = [_columns(hit, fixed) for hit in result]
    return pd.DataFrame(lines, columns=None if lines else list(fixed))


def _columns(hit: ProductHit, fixed: Iterable[str]) -> dict[str, Any]:
    own = {name: getattr(hit, name) for name in fixed}
    return {**own, **{name: value for name, value in hit.attributes.items() if name not in own}}


def html_cards(result: SearchResult) -> str:
    """Hits as a row of cards with thumbnails, for a notebook."""
    cards = "".join(_card(hit, result.image_root, frozenset()) for hit in result)
    caption = f"<p class='note'>{html.escape(_caption(result))}</p>"
    return f"<style>{_STYLE}</style><div class='fourtower'><div class='row'>{cards}</div>{caption}</div>"


def contact_sheet(title: str, sections: Iterable[Section], *, note: str = "") -> str:
    """A page that shows queries and what they found, pictures included, so that it can be sent as one file."""
    body = "".join(_section(section) for section in sections)
    return (
        f"<!doctype html><html lang='en'><meta charset='utf-8'>"
        f"<meta name='viewport' content='width=device-width'><title>{html.escape(title)}</title>"
        f"<style>{_PAGE_STYLE}{_STYLE}</style><body class='fourtower'><h1>{html.escape(title)}</h1>"
        f"<p class='note'>{html.escape(note)}</p>{body}</body></html>\n"
    )


def _section(section: Section) -> str:
    photos = "".join(f"<figure>{_picture(path, None)}</figure>" for path in section.pictures)
    asked = f"<div class='row query'>{photos}</div>" if photos else ""
    cards = "".join(_card(hit, section.result.image_root, section.right) for hit in section.result)
    return (
        f"<h2>{html.escape(section.title)}</h2><p class='note'>{html.escape(section.note)}</p>"
        f"<div class='row'>{asked}{cards}</div>"
    )


def _card(hit: ProductHit, root: Path | None, right: frozenset[str]) -> str:
    picture = _picture(hit.image, root) if hit.image else "<div class='none'>no picture</div>"
    why = ""
    if hit.explanation is not None:
        lines = "\n".join(_indented(hit.explanation))
        why = f"<details><summary>why</summary><pre>{html.escape(lines)}</pre></details>"
    mark = " class='right'" if hit.product_id in right else ""
    return (
        f"<figure{mark}>{picture}<figcaption>{html.escape(hit.title)}<br>{html.escape(_facts(hit))}"
        f"<br><span class='score'>relevance {hit.relevance:.2f}, score {hit.score:.3f}</span>"
        f"{why}</figcaption></figure>"
    )


def _picture(source: str | Path, root: Path | None) -> str:
    """An image element that carries its thumbnail; a picture of the network is not fetched, only named.

    What a catalog names is a file beneath `root` or nothing: it must not show other files of this machine.
    """
    try:
        if root is None and isinstance(source, str) and source[:5].lower() != "data:":
            raise ImageRejected("No folder for the catalog's pictures was named.")
        image = load_image(source, root=None if isinstance(source, Path) else root, at_least=THUMBNAIL)
    except ImageError:
        return f"<div class='none' title='{html.escape(str(source)[:200])}'>not shown</div>"
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85)
    data = base64.b64encode(buffer.getvalue()).decode()
    return f"<img alt='' src='data:image/jpeg;base64,{data}'>"


def _bound(value: float | None, kind: str) -> str:
    if value is None:
        return "…"
    return f"{shown(value, kind):%Y-%m-%d %H:%M}" if kind == "time" else f"{value:g}"


def _json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _facts(hit: ProductHit) -> str:
    return " · ".join(_plain(value) for value in hit.attributes.values())


def _caption(result: SearchResult) -> str:
    more = " or more" if result.truncated else ""
    milliseconds = sum(result.timings_ms.values())
    return f"{len(result)} of {result.total}{more} products, {milliseconds:.0f} ms, {result.generation}"


def _plain(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_plain(item)}" for name, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_plain, value))
    return str(value)


def _line(node: Node) -> str:
    return printable(f"{node.label}  {node.value:.4f}" + (f"  ({node.op})" if node.children else ""))


def _indented(node: Node, depth: int = 0) -> Iterable[str]:
    yield "  " * depth + _line(node)
    for child in node.children:
        yield from _indented(child, depth + 1)
