"""What a learned re-ranker knows of a candidate: its alignments with the query, its words, and the shop's signals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fourtower_encoders.config import Frozen
from fourtower_search.index.columns import words_of
from fourtower_search.query.parts import Text
from fourtower_search.query.vector import QueryVector
from fourtower_search.ranking.candidates import Candidate, stacked
from fourtower_search.ranking.curves import saturated
from fourtower_search.ranking.rerank import RerankQuery
from fourtower_search.schema import CatalogSchema

Reals = NDArray[np.float64]

ALIGNMENTS = ("image_image", "image_text", "text_image", "text_text")
"""The query's half, then the product's."""
SCORES = ("raw", "relevance", "lexical")
WORDS = ("title_words", "attribute_words", "unwanted_words")
IMPUTED = ("imputed_image", "imputed_text")


class Features(Frozen):
    """Which features there are; it belongs to one catalog."""

    signals: tuple[str, ...] = ()
    """Numeric attributes; each is a feature, and that it is missing is another."""
    searchable: tuple[str, ...] = ()
    """Attributes whose words are compared with the query's."""
    lexical_pivot: float = Field(default=8.0, gt=0)
    """The BM25 score that is worth one half."""

    @classmethod
    def of(cls, schema: CatalogSchema) -> Features:
        """All that a catalog offers; the signals are what it declares boostable."""
        declared = schema.attributes.items()
        return cls(
            signals=tuple(name for name, attribute in declared if attribute.boostable),
            searchable=tuple(name for name, attribute in declared if attribute.searchable),
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The columns, in their order."""
        missing = (f"{name} missing" for name in self.signals)
        return (*ALIGNMENTS, *SCORES, *WORDS, *IMPUTED, *self.signals, *missing)

    def unfit(self, schema: CatalogSchema) -> list[str]:
        """Attributes that a catalog does not declare in the way that is needed here."""
        declared = schema.attributes
        numeric = {name for name in declared if declared[name].type not in ("string", "strings")}
        wordy = {name for name in declared if declared[name].type in ("string", "strings")}
        return sorted({*self.signals} - numeric | {*self.searchable} - wordy)

    def table(self, query: RerankQuery, candidates: Sequence[Candidate]) -> Reals:
        """One row per candidate [N, F]; NaN where a signal is missing."""
        signals = np.array([[each.number(name) for name in self.signals] for each in candidates], dtype=np.float64)
        signals = signals.reshape(len(candidates), len(self.signals))
        columns = [
            _alignments(query.vector, candidates),
            np.array([self._scores(each) for each in candidates]),
            self._words(query, candidates),
            np.array([[each.row.imputed == half for half in ("image", "text")] for each in candidates]),
            signals,
            np.isnan(signals),
        ]
        return np.concatenate([np.asarray(each, dtype=np.float64) for each in columns], axis=1)

    def _scores(self, candidate: Candidate) -> tuple[float, float, float]:
        lexical = saturated(candidate.lexical or 0.0, self.lexical_pivot)
        return candidate.raw or 0.0, candidate.relevance, lexical

    def _words(self, query: RerankQuery, candidates: Sequence[Candidate]) -> list[tuple[float, float, float]]:
        wanted = set(words_of(query.request.words))
        texts = (part for part in query.request.parts if isinstance(part, Text))
        unwanted = set(words_of(*(part.text for part in texts if part.weight < 0)))
        if not wanted | unwanted:
            return [(0.0, 0.0, 0.0)] * len(candidates)
        found = []
        for candidate in candidates:
            title = set(words_of(candidate.row.title))
            others = set(words_of(*self._attribute_texts(candidate)))
            found.append((_share(wanted, title), _share(wanted, others), _share(unwanted, title | others)))
        return found

    def _attribute_texts(self, candidate: Candidate) -> Iterable[str]:
        for name in self.searchable:
            value = candidate.value(name)
            yield from (value,) if isinstance(value, str) else value if isinstance(value, tuple) else ()


def _alignments(vector: QueryVector | None, candidates: Sequence[Candidate]) -> Reals:
    """The four alignments [N, 4] as they stand in the score before their weights: signed, by the parts' amounts."""
    if vector is None:
        return np.zeros((len(candidates), len(ALIGNMENTS)))
    aligned = vector.alignments(stacked([each.row for each in candidates]))  # [N, K, 2]
    positive = sum(term.amount for term in vector.terms if term.amount > 0)
    shares = np.array(
        [[term.amount / positive * (term.modality == half) for term in vector.terms] for half in ("image", "text")]
    )  # [2, K]
    summed: Reals = np.einsum("mk,nkh->nmh", shares, aligned)
    return summed.reshape(len(candidates), len(ALIGNMENTS))


def _share(wanted: set[str], found: set[str]) -> float:
    return len(wanted & found) / len(wanted) if wanted else 0.0
