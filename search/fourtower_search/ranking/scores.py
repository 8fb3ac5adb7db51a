"""Scores: the vector score calibrated, the lexical score saturated, and the two fused.

Found words are evidence: they add to the log-odds that the vector score gives. Adding them to the calibrated score
would let them decide alone wherever that score is near 0 or 1, as it mostly is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from fourtower_encoders.joint import Calibration, QueryKind, QueryParams
from fourtower_search.query.vector import QueryVector, Reals
from fourtower_search.ranking.candidates import Candidate, Match, stacked
from fourtower_search.ranking.curves import logistic, reciprocal_ranks, saturated
from fourtower_search.ranking.explain import Node, leaf, node

Fusion = Literal["blend", "rrf"]


@dataclass(frozen=True, slots=True)
class LexicalParams:
    """How BM25 scores count beside vector scores.

    The defaults were the best of a grid (pivot 3 and 8, weight 0 to 4) for the demo towers on judged queries of a drawn
    catalog: nDCG@10 0.715, where weight 0 gives 0.703 and 4 gives 0.705.
    """

    pivot: float = 8.0
    """The BM25 score that is worth one half; a fixed one, so that a score doesn't depend on the other results."""
    weight: float = 2.0
    """What a perfect lexical score adds to the log-odds of relevance, in a query of words alone; beside pictures
    words count less, by their share."""
    rrf_k: float = 60.0

    def __call__(self, lexical: float | None) -> float:
        """A BM25 score in 0..1; 0 where the words were not found."""
        return saturated(lexical or 0.0, self.pivot)


def calibration_of(params: QueryParams, kind: QueryKind) -> Calibration:
    """The curve for a kind of query; unfitted parameters have a plain logistic curve."""
    return params.calibration.get(kind, Calibration())


def score(
    matches: Sequence[Match],
    query: QueryVector | None,
    calibration: Calibration,
    lexical: LexicalParams,
    *,
    fusion: Fusion = "blend",
    with_words: bool = False,
) -> list[Candidate]:
    """Make candidates of matches: give every one its relevance and score.

    Args:
        matches: what was found of each product.
        query: None in a purely lexical search.
        calibration: for the query's kind.
        lexical: how BM25 scores count.
        fusion: of the two, where there are two.
        with_words: words were looked up, so that their absence counts against a product.
    """
    if query is None:
        relevant = [lexical(words) for _, _, words in matches]
    else:
        counted = lexical.weight * query.text_share if with_words else 0.0
        relevant = _relevant(matches, calibration, counted, lexical)
    scored = [
        Candidate(hit, raw, words, relevance, relevance)
        for (hit, raw, words), relevance in zip(matches, relevant, strict=True)
    ]
    if query is None or fusion == "blend" or not with_words:
        return scored
    return [each._replace(score=fused) for each, fused in zip(scored, _fused(scored, lexical), strict=True)]


def explain(
    candidates: Sequence[Candidate],
    query: QueryVector | None,
    calibration: Calibration,
    lexical: LexicalParams,
    *,
    fusion: Fusion = "blend",
    with_words: bool = False,
) -> list[Candidate]:
    """Add to scored candidates how their scores came about."""
    if query is None:
        trails = [_words(each, lexical) for each in candidates]
        return [each._replace(trail=why, relevance_trail=why) for each, why in zip(candidates, trails, strict=True)]
    if not candidates:
        return []
    aligned = query.alignments(stacked([each.row for each in candidates]))
    ranks = _ranks(candidates) if with_words and fusion == "rrf" else {}
    return [
        _explained(
            each, _evidence(each, query, alignments, calibration, lexical, with_words=with_words), lexical, ranks
        )
        for each, alignments in zip(candidates, aligned, strict=True)
    ]


def _relevant(
    matches: Sequence[Match], calibration: Calibration, counted: float, lexical: LexicalParams
) -> list[float]:
    """Relevance by the vector score and, where `counted` says that they count, by words; of what has a score."""
    slope, intercept = calibration.slope, calibration.intercept
    scored = [(raw, words) for _, raw, words in matches if raw is not None]
    if not counted:
        return [logistic(raw, slope, intercept) for raw, _ in scored]
    return [logistic(raw, slope, intercept + counted * lexical(words)) for raw, words in scored]


def _fused(candidates: Sequence[Candidate], lexical: LexicalParams) -> list[float]:
    ranks = _ranks(candidates)
    return [reciprocal_ranks(lexical.rrf_k, 2, *ranks[each.product_id].values()) for each in candidates]


def _ranks(candidates: Sequence[Candidate]) -> dict[str, dict[str, int]]:
    """Each product's place, from 1, by vector score and, if its words were found, by lexical score."""
    ranks: dict[str, dict[str, int]] = {each.product_id: {} for each in candidates}
    by_vector = [(-(each.raw or 0.0), each.product_id) for each in candidates]
    by_words = [(-each.lexical, each.product_id) for each in candidates if each.lexical is not None]
    for name, places in (("vector", by_vector), ("words", by_words)):
        for rank, (_, product_id) in enumerate(sorted(places), start=1):
            ranks[product_id][name] = rank
    return ranks


def _explained(
    candidate: Candidate, relevance: Node, lexical: LexicalParams, ranks: Mapping[str, Mapping[str, int]]
) -> Candidate:
    trail = relevance
    if ranks:
        places = [leaf(f"rank by {name}", rank) for name, rank in ranks[candidate.product_id].items()]
        trail = node("rrf", "fused ranks", leaf("k", lexical.rrf_k), leaf("lists", 2), *places)
    return candidate._replace(trail=trail, relevance_trail=relevance)


def _words(candidate: Candidate, lexical: LexicalParams) -> Node:
    found = leaf("BM25" if candidate.lexical is not None else "BM25 (words not found)", candidate.lexical or 0.0)
    return node("saturation", "lexical score", found, leaf("pivot", lexical.pivot))


def _evidence(
    candidate: Candidate,
    query: QueryVector,
    alignments: Reals,
    calibration: Calibration,
    lexical: LexicalParams,
    *,
    with_words: bool,
) -> Node:
    """The vector score, and found words where they were looked up, as a probability."""
    terms = [
        node("sum", term.label, *_alignment_nodes(candidate, term.modality, counted, aligned))
        for term, counted, aligned in zip(query.terms, query.coefficients, alignments, strict=True)
    ]
    raw = node("sum", "vector score", *terms)
    curve = (leaf("slope", calibration.slope), leaf("intercept", calibration.intercept))
    if not with_words:
        return node("calibration", f"relevance ({query.kind} query)", raw, *curve)
    weights = (leaf("weight", lexical.weight), leaf("share of words", query.text_share))
    words = node("product", "words", *weights, _words(candidate, lexical))
    return node("evidence", f"relevance ({query.kind} query, and words)", raw, *curve, words)


def _alignment_nodes(candidate: Candidate, modality: str, counted: Reals, aligned: Reals) -> list[Node]:
    """One term against both halves of a product [2]."""
    return [
        node(
            "product",
            f"query_{modality} · product_{half}" + (" (imputed)" if candidate.row.imputed == half else ""),
            leaf("weight", weight),
            leaf("cosine", cosine),
        )
        for half, weight, cosine in zip(("image", "text"), counted, aligned, strict=True)
    ]
