"""Collects judged candidate lists from a live index, through the hook that re-rankers use."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from fourtower_search.evaluation.judgments import Judged, Judgments
from fourtower_search.evaluation.live import Searching, asking
from fourtower_search.ranking.candidates import Candidate
from fourtower_search.ranking.rerank import RerankQuery
from fourtower_search.reranking.features import Features
from fourtower_search.reranking.lists import DEPTH, JudgedList

MOST_QUERIES = 5_000
"""More would teach a model of some dozen numbers nothing."""


class Recorder:
    """A re-ranker that changes nothing and remembers what it was last given; for one thread."""

    name = "recorder"

    def __init__(self) -> None:
        self._seen: tuple[RerankQuery, tuple[Candidate, ...]] | None = None

    def __call__(self, query: RerankQuery, candidates: Sequence[Candidate]) -> list[float]:
        """The scores that the candidates have."""
        self._seen = query, tuple(candidates)
        return [each.score for each in candidates]

    def taken(self) -> tuple[RerankQuery, tuple[Candidate, ...]] | None:
        """What was given since this was last asked; None where a search found no candidates to re-rank."""
        seen, self._seen = self._seen, None
        return seen


def collect(
    search: Searching,
    recorder: Recorder,
    judgments: Judgments,
    features: Features,
    *,
    progress: Callable[[int], None] | None = None,
) -> list[JudgedList]:
    """The graded candidates of every query, those without candidates left out.

    Args:
        search: `SearchClient.search` of a client that knows the recorder as a re-ranker.
        recorder: that recorder.
        judgments: the queries; of very many, some drawn by lot.
        features: what to note of each candidate.
        progress: told how many queries are done.
    """
    ask = asking(search, rerank=recorder.name)
    lists = []
    for done, query in enumerate(_drawn(judgments.queries), start=1):
        ask(query, DEPTH)
        if seen := recorder.taken():
            lists.append(_judged(query, judgments, features, *seen))
        if progress:
            progress(done)
    return lists


def _drawn(queries: Sequence[Judged]) -> list[Judged]:
    places = np.random.default_rng(0).permutation(len(queries))[:MOST_QUERIES]
    return [queries[place] for place in sorted(places.tolist())]


def _judged(
    query: Judged, judgments: Judgments, features: Features, asked: RerankQuery, candidates: Sequence[Candidate]
) -> JudgedList:
    worth = {product_id: judgments.gain(grade) for product_id, grade in query.grades.items()}
    return JudgedList(
        query_id=query.query_id,
        source=str(query.image or query.text),
        product_ids=tuple(each.product_id for each in candidates),
        plain=np.array([each.score for each in candidates]),
        table=features.table(asked, candidates),
        gains=np.array([worth.get(each.product_id, 0.0) for each in candidates]),
        ideal=np.array(sorted(worth.values(), reverse=True)[:DEPTH]),
    )
