"""From embedded parts to one query vector, with the numbers that explain every score exactly.

A negative part may only push away from what the positive parts do not ask for: "shoes, not leather shoes" must not
push shoes away. Embeddings of all four roles live in one space, so the positive embeddings of both modalities span
one subspace, and every negative embedding loses its projection onto it. Whatever half of a product lies in that
subspace then aligns with a negative part to exactly zero, with any weights; projecting out the positive parts' sum
alone would not give that as soon as two weights differ. A negative part that is a positive one vanishes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fourtower_encoders.joint import Array, Modality, Part, QueryKind, Weights, query_vector
from fourtower_search.errors import InvalidQuery
from fourtower_search.index.rows import Row
from fourtower_search.query.parts import Product, QueryPart, Vector

Reals = NDArray[np.float64]
VANISHED = 1e-3
"""A negative embedding with no more than this left counts as nothing: it would be rounding errors alone."""


@dataclass(frozen=True, slots=True, eq=False)
class Term:
    """One embedding of the query with its signed amount."""

    label: str
    modality: Modality
    embedding: Array
    """[D]; of a negative term, once built in, only the part that no positive term shares."""
    amount: float


@dataclass(frozen=True, eq=False)
class QueryVector:
    """A query as the index sees it."""

    terms: tuple[Term, ...]
    weights: Weights
    vector: Array
    """[2 D], for the approximate search."""

    @property
    def kind(self) -> QueryKind:
        """Which calibration applies."""
        return kind_of(self.terms)

    @cached_property
    def text_share(self) -> float:
        """How much of what is asked for is said in words, 0..1."""
        positive = [term for term in self.terms if term.amount > 0]
        words = sum(term.amount for term in positive if term.modality == "text")
        return words / sum(term.amount for term in positive)

    @cached_property
    def coefficients(self) -> Reals:
        """[K, 2]: what each term's alignment with a product's (image, text) counts in the score."""
        positive = sum(term.amount for term in self.terms if term.amount > 0)
        shares = np.array([term.amount / positive for term in self.terms])
        pairs = np.array([self.weights.of(term.modality) for term in self.terms])
        counted: Reals = shares[:, None] * pairs
        return counted

    def alignments(self, vectors: Array) -> Reals:
        """Rows [N, 2 D] -> [N, K, 2]: every term against both halves."""
        halves = vectors.reshape(len(vectors), 2, -1).astype(np.float64)
        aligned: Reals = np.moveaxis(halves @ self._embeddings.T, 1, 2)
        return aligned

    def scores(self, vectors: Array) -> Reals:
        """Rows [N, 2 D] -> [N], in double precision: a score equals the sum of its explanation."""
        exact = (self.coefficients.T @ self._embeddings).reshape(-1)  # [2 D]
        found: Reals = vectors.astype(np.float64) @ exact
        return found

    @cached_property
    def _embeddings(self) -> Reals:
        return np.stack([term.embedding for term in self.terms]).astype(np.float64)  # [K, D]


def kind_of(terms: Iterable[Term | Part]) -> QueryKind:
    """What a query looks like to the calibration: only its positive terms count."""
    modalities = {term.modality for term in terms if term.amount > 0}
    if len(modalities) == 2:
        return "mixed"
    return modalities.pop() if modalities else "text"


def terms_of(part: QueryPart, *, image: Array | None = None, text: Array | None = None) -> tuple[Term, ...]:
    """What a part adds to the query, given its embeddings [D].

    A product with both halves shares its weight equally between them. A vector part brings its own embedding.
    """
    if isinstance(part, Vector):
        return (Term(str(part), part.modality, part.values, part.weight),)
    halves: list[tuple[Modality, Array]] = []
    if image is not None:
        halves.append(("image", image))
    if text is not None:
        halves.append(("text", text))
    if not halves:
        raise InvalidQuery(f"Nothing is known of {part}, so it can't be searched with.")
    named = isinstance(part, Product)
    return tuple(
        Term(f"{part} ({modality})" if named else str(part), modality, embedding, part.weight / len(halves))
        for modality, embedding in halves
    )


def product_halves(rows: Sequence[Row]) -> tuple[Array | None, Array | None]:
    """A product's own (image, text) embedding from all rows of its current version; imputed halves are left out.

    The image half is the direction of its views' mean.
    """
    stored = [(row, row.vector.reshape(2, -1)) for row in rows if row.vector is not None]
    images = [halves[0] for row, halves in stored if row.imputed != "image"]
    texts = [halves[1] for row, halves in stored if row.imputed != "text"]
    return _direction(images), _direction(texts)


def build(terms: Sequence[Term], weights: Weights, *, dim: int, image_amount: float | None = None) -> QueryVector:
    """Combine terms into a query.

    Args:
        terms: all parts' terms.
        weights: of the four alignments.
        dim: length of an embedding.
        image_amount: the share, 0..1, of the pictures in a query that has pictures and words; None: as weighted.

    Raises:
        InvalidQuery: nothing positive, or an embedding of another length.
    """
    _check(terms, dim)
    shared = _share(terms, image_amount)
    if not any(term.amount > 0 for term in shared):
        raise InvalidQuery("The query has nothing positive; give at least one part a positive weight.")
    final = _orthogonal(shared)
    parts = [Part(term.modality, term.embedding, term.amount) for term in final]
    return QueryVector(final, weights, query_vector(parts, weights))


def _check(terms: Sequence[Term], dim: int) -> None:
    for term in terms:
        if term.embedding.shape != (dim,):
            raise InvalidQuery(
                f"The embedding of {term.label} has the shape {term.embedding.shape}; this index needs ({dim},)."
            )


def _share(terms: Sequence[Term], image_amount: float | None) -> tuple[Term, ...]:
    """Scale each modality's terms, negative ones along, so that its positive ones add up to its share."""
    if image_amount is None or kind_of(terms) != "mixed":
        return tuple(terms)
    share: dict[Modality, float] = {"image": image_amount, "text": 1 - image_amount}
    total = {name: sum(term.amount for term in terms if term.modality == name and term.amount > 0) for name in share}
    scaled = (replace(term, amount=term.amount * share[term.modality] / total[term.modality]) for term in terms)
    return tuple(term for term in scaled if term.amount)


def _orthogonal(terms: Sequence[Term]) -> tuple[Term, ...]:
    """Take from each negative embedding what the positive ones span."""
    if all(term.amount > 0 for term in terms):
        return tuple(terms)
    positive = np.stack([term.embedding for term in terms if term.amount > 0]).astype(np.float64)
    _, sizes, directions = np.linalg.svd(positive, full_matrices=False)
    basis = directions[sizes > 1e-6 * sizes[0]]  # [rank, D]; nearly equal parts span no plane
    return tuple(term if term.amount > 0 else replace(term, embedding=_rest(term.embedding, basis)) for term in terms)


def _rest(embedding: Array, basis: Reals) -> Array:
    exact = embedding.astype(np.float64)
    rest = exact - basis.T @ (basis @ exact)
    if np.linalg.norm(rest) <= VANISHED * np.linalg.norm(exact):
        return np.zeros_like(embedding)
    return rest.astype(np.float32)


def _direction(embeddings: Sequence[Array]) -> Array | None:
    if not embeddings:
        return None
    total = np.sum(embeddings, axis=0, dtype=np.float64)
    length = float(np.linalg.norm(total))
    return np.asarray(total / length, dtype=np.float32) if length > 1e-6 else embeddings[0]
