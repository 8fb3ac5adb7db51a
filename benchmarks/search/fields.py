"""One joint vector beside two vector fields, searched apart and fused on the client: time and nDCG of mixed queries.

All collections are made and searched by plain pymilvus. The two fields lie in two collections, because Milvus 2.3 has
one vector per collection: pictures with a row per view, texts with a row per product.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from benchmarks.search.bench import Bench
from benchmarks.search.catalog import Asked, Catalog, spread_out
from benchmarks.search.enlarging import halves_of
from benchmarks.search.server import TIMEOUT_S, Server
from benchmarks.search.timing import Times, in_turns
from fourtower_encoders.joint import Array
from fourtower_search.evaluation.judgments import Judged, Judgments
from fourtower_search.evaluation.measure import evaluate
from fourtower_search.index.settings import IndexSettings

SETTINGS = IndexSettings()
RRF_K = 60
MESSAGE = 2000
"""Rows per insert."""
TWO_FIELD = ("halves, weighted", "halves, rrf", "own field, weighted", "own field, rrf")
"""What is asked of the two fields, and how the lists are fused."""

Scores = Mapping[str, float]
"""By product."""


class Found(NamedTuple):
    """A hit, as far as an evaluation looks at it."""

    product_id: str
    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class Fields:
    """Three collections of the same products: `joint`, `image` and `text`."""

    server: Server
    catalog: Catalog
    depth: int
    pool: ThreadPoolExecutor

    def joint(self, query: Asked) -> list[str]:
        """One search."""
        return ranked(self._search("joint", query.vector(self.catalog.params)))

    def two(self, query: Asked, how: str, *, parallel: bool = True) -> list[str]:
        """Two searches, fused."""
        asked, fusion = how.split(", ")
        vectors = self._halves(query) if asked == "halves" else self._own(query)
        run = self.pool.map if parallel else map
        image, text = run(self._search, ("image", "text"), vectors)
        return ranked(weighted(image, text) if fusion == "weighted" else rrf(image, text))

    def _halves(self, query: Asked) -> tuple[Array, Array]:
        """The joint vector cut in two: photo and words against pictures, and both against texts."""
        image, text = query.vector(self.catalog.params).reshape(2, -1)
        return image, text

    def _own(self, query: Asked) -> tuple[Array, Array]:
        """As is usual elsewhere: the photo against pictures, the words against texts, each with its fitted weight."""
        weights = self.catalog.params.weights
        of = {part.modality: part.values for part in query.parts}
        return weights.ii * of["image"], weights.tt * of["text"]

    def _search(self, name: str, vector: Array) -> Scores:
        """The best score of each product among the rows that are found."""
        found = self.server.raw.search(
            name,
            data=[vector],
            limit=self.depth,
            output_fields=["product"],
            search_params={"metric_type": "IP", "params": SETTINGS.search_params(self.depth)},
            timeout=TIMEOUT_S,
        )
        best: dict[str, float] = {}
        for hit in found[0]:
            best.setdefault(hit["entity"]["product"], hit["distance"])
        return best


def weighted(image: Scores, text: Scores) -> Scores:
    """The sum of both scores; who is missing from a list has at most its lowest score, and gets that."""
    lists = [scores for scores in (image, text) if scores]
    products = image.keys() | text.keys()
    return {product: sum(scores.get(product, min(scores.values())) for scores in lists) for product in products}


def rrf(*lists: Scores) -> Scores:
    """Reciprocal ranks."""
    fused: dict[str, float] = defaultdict(float)
    for scores in lists:
        for place, product in enumerate(ranked(scores), start=1):
            fused[product] += 1 / (RRF_K + place)
    return fused


def ranked(scores: Scores) -> list[str]:
    """Best first, equals by id."""
    return sorted(scores, key=lambda product: (-scores[product], product))


def compare_fields(bench: Bench) -> tuple[Times, dict[str, float]]:
    """Milliseconds of both sides, and nDCG@10 of every way."""
    catalog, settings = bench.catalog, bench.settings
    for name, rows in _rows(catalog).items():
        _create(bench.server, name, rows)
    with ThreadPoolExecutor(2) as pool:
        fields = Fields(bench.server, catalog, settings.depth, pool)
        queries = spread_out(catalog.of_kind("mixed"), settings.recall_queries)
        sides: dict[str, Callable[[Asked], object]] = {
            "joint": fields.joint,
            "two_parallel": lambda query: fields.two(query, TWO_FIELD[0]),
            "two_serial": lambda query: fields.two(query, TWO_FIELD[0], parallel=False),
        }
        times = in_turns(sides, queries, calls=settings.calls, warm_up=settings.warm_up)
        return times, _ndcg(fields, catalog)


def _ndcg(fields: Fields, catalog: Catalog) -> dict[str, float]:
    mixed = Judgments(tuple(query.judged for query in catalog.of_kind("mixed")), catalog.judgments.gains)
    figures = {"joint": _measured(fields.joint, catalog, mixed)}
    for how in TWO_FIELD:
        figures[how] = _measured(partial(fields.two, how=how), catalog, mixed)
    return figures


def _measured(search: Callable[[Asked], Sequence[str]], catalog: Catalog, judgments: Judgments) -> float:
    def ask(judged: Judged, limit: int) -> list[Found]:
        return [Found(product, {}) for product in search(catalog.by_id[judged.query_id])[:limit]]

    return float(np.nanmean(evaluate(ask, judgments).values["nDCG@10"]))


def _rows(catalog: Catalog) -> dict[str, list[dict[str, Any]]]:
    rows: dict[str, list[dict[str, Any]]] = {"joint": [], "image": [], "text": []}
    for write in catalog.writes:
        for row in write.rows:
            image, _ = halves_of(row)
            rows["joint"].append({"key": row.key, "product": row.product_id, "vector": row.vector})
            if row.imputed != "image":
                rows["image"].append({"key": row.key, "product": row.product_id, "vector": image})
        if write.rows[0].imputed != "text":
            text = halves_of(write.rows[0])[1]
            rows["text"].append({"key": write.rows[0].key, "product": write.product_id, "vector": text})
    return rows


def _create(server: Server, name: str, rows: Sequence[dict[str, Any]]) -> None:
    from pymilvus import DataType

    raw = server.raw
    schema = raw.create_schema(auto_id=False)
    schema.add_field("key", DataType.VARCHAR, is_primary=True, max_length=512)
    schema.add_field("product", DataType.VARCHAR, max_length=256)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=len(rows[0]["vector"]))
    index = raw.prepare_index_params()
    index.add_index("vector", index_name="vector", index_type="HNSW", metric_type="IP", params=SETTINGS.params)
    raw.create_collection(name, schema=schema, index_params=index, consistency_level="Bounded", timeout=TIMEOUT_S)
    for some in _slices(rows, MESSAGE):
        raw.insert(name, some, timeout=TIMEOUT_S)
    server.settle(name)


def _slices(rows: Sequence[dict[str, Any]], size: int) -> Iterator[list[dict[str, Any]]]:
    for start in range(0, len(rows), size):
        yield list(rows[start : start + size])
