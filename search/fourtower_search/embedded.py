"""Answers from an index in this process, and follows it from generation to generation."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from fourtower_encoders.checkpoint import DEMO, read_checkpoint
from fourtower_encoders.errors import CheckpointError
from fourtower_search.answering import Count, Embeddings, IndexFacts, ProductPage
from fourtower_search.opening import Opening
from fourtower_search.query.request import SearchRequest
from fourtower_search.results import Product, SearchResult
from fourtower_search.searching.searcher import Searcher
from fourtower_search.serving import Serving

if TYPE_CHECKING:
    from fourtower_encoders.images import ImageSource
    from fourtower_search.encoding.cache import CacheStats


class Embedded:
    """An index that was opened here, with the model that built it."""

    def __init__(self, opening: Opening, *, refresh_s: float) -> None:
        """Open the live generation.

        Args:
            opening: says how; it is closed with this.
            refresh_s: how often, at most, to look whether another generation became current.
        """
        self._opening = opening
        try:
            self._serving: Serving[Searcher] = Serving(opening.current, opening.load, refresh_s=refresh_s)
        except BaseException:
            opening.close()  # a file of Milvus Lite would stay locked
            raise

    @property
    def generation(self) -> str:
        """The collection that answers now."""
        with self._serving.lend() as searcher:
            return searcher.generation

    def answer(self, requests: Sequence[SearchRequest], *, timeout_s: float) -> list[SearchResult]:
        """One result per request, all from one generation."""
        return self._serving.call(lambda searcher: searcher.answer(requests, timeout_s=timeout_s))

    def lookup(self, product_ids: Sequence[str], *, timeout_s: float) -> ProductPage:
        """Those of some products that exist, each once, in the order in which they were asked for."""

        def found(searcher: Searcher) -> ProductPage:
            known = searcher.products(product_ids, timeout_s=timeout_s)
            listed = tuple(known[each] for each in dict.fromkeys(product_ids) if each in known)
            return ProductPage(listed, searcher.generation, more=False)

        return self._serving.call(found)

    def iterate(self, where: Any, *, timeout_s: float) -> Generator[Product]:
        """Every product that fulfils a filter, by ascending id, all from one generation."""
        yield from self._serving.iterate(lambda searcher: searcher.iterate(where, timeout_s=timeout_s))

    def page(self, where: Any, *, after: str, limit: int, timeout_s: float) -> ProductPage:
        """The first products after an id that fulfil a filter."""
        return self._serving.call(lambda searcher: searcher.page(where, after=after, limit=limit, timeout_s=timeout_s))

    def count(self, where: Any, *, timeout_s: float) -> Count:
        """How many products fulfil a filter."""
        return self._serving.call(
            lambda searcher: Count(searcher.count(where, timeout_s=timeout_s), searcher.generation)
        )

    def embed(self, texts: Sequence[str], pictures: Sequence[ImageSource], *, timeout_s: float) -> Embeddings:
        """Embeddings; the model works until it is done, however long that takes."""
        with self._serving.lend() as searcher:
            encoder = searcher.encoder
            of_texts, of_images = (
                np.stack(rows) if rows else np.zeros((0, encoder.dim), np.float32)
                for rows in (encoder.texts(texts), encoder.images(pictures))
            )
            return Embeddings(of_texts, of_images, searcher.index.model_id, searcher.generation)

    def facts(self, *, timeout_s: float) -> IndexFacts:
        """What is known of the generation that answers now; nothing is asked of the engine."""
        with self._serving.lend() as searcher:
            index, record = searcher.index, searcher.index.record
            return IndexFacts(
                generation=searcher.generation,
                schema=index.schema,
                model_id=index.model_id,
                model=record.model if record else "",
                demo=index.model_id == _demo_id(),
                dim=searcher.encoder.dim,
                engine=index.capabilities.engine,
                lexical=index.capabilities.lexical,
                rerankers=tuple(sorted(searcher.rerankers)),
                image_root=searcher.image_root is not None,
            )

    def cache_stats(self) -> CacheStats:
        """How the memory of recent queries has done, since this generation answers."""
        with self._serving.lend() as searcher:
            return searcher.encoder.cache_stats()

    def refresh(self) -> None:
        """Look now whether another generation became current, and switch to it."""
        self._serving.refresh()

    def close(self) -> None:
        """Let go of connections and the model; calls that still run finish."""
        self._serving.close()
        self._opening.close()


@lru_cache(maxsize=1)
def _demo_id() -> str:
    """The id of the shipped model, wherever a copy of it lies; empty if it was not installed with the package."""
    try:
        return read_checkpoint(DEMO).model_id
    except CheckpointError:
        return ""
