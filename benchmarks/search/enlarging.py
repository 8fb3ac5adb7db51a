"""More rows than the catalog has: copies of its products with noise, so that clusters grow around real embeddings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import count

import numpy as np

from fourtower_encoders.joint import Array, QueryParams
from fourtower_search.index.rows import Half, Order, ProductWrite, Row, Vector


def enlarged(
    writes: Sequence[ProductWrite], rows: int, *, spread: float, params: QueryParams, seed: int = 0
) -> Iterator[ProductWrite]:
    """Products with about so many rows in all: the catalog itself first, then noisy copies of it, over and over.

    Args:
        writes: the catalog's.
        rows: how many; the last product may exceed it.
        spread: length of the noise on a half, which has length 1; it is brought back to that length.
        params: kappa, for halves that are imputed.
        seed: of the noise and the prices.
    """
    made = 0
    for copy in count():
        rng = np.random.default_rng((seed, copy))
        for write in writes:
            if made >= rows:
                return
            yield write if copy == 0 else _copied(write, copy, spread, params, rng)
            made += len(write.rows)


def without_halves(
    writes: Iterable[ProductWrite], share: float, params: QueryParams, *, seed: int = 0
) -> tuple[list[ProductWrite], frozenset[str]]:
    """The same products, a share of which has lost its pictures or its text in turns; and which ones these are."""
    rng = np.random.default_rng(seed)
    result: list[ProductWrite] = []
    hidden: list[str] = []
    for write in writes:
        if rng.random() < share and not write.rows[0].imputed:
            half: Half = "image" if len(hidden) % 2 == 0 else "text"
            result.append(hide(write, half, params))
            hidden.append(write.product_id)
        else:
            result.append(write)
    return result, frozenset(hidden)


def hide(write: ProductWrite, half: Half, params: QueryParams) -> ProductWrite:
    """A product as it would be without its pictures (which leaves it one row) or without its text."""
    kept = write.rows[:1] if half == "image" else write.rows
    return replace(write, rows=tuple(replace(_hidden(row, half, params), row_count=len(kept)) for row in kept))


def _hidden(row: Row, half: Half, params: QueryParams) -> Row:
    image, text = halves_of(row)
    if half == "image":
        return replace(row, vector=_joined(params.kappa_image * text, text), image_hash="", imputed="image")
    return replace(row, vector=_joined(image, params.kappa_text * image), text_hash="", imputed="text")


def _copied(
    write: ProductWrite, copy: int, spread: float, params: QueryParams, rng: np.random.Generator
) -> ProductWrite:
    """Another product near this one: each picture moves on its own, the text moves once, the price changes."""
    order = Order(write.order.version, False, f"{write.order.digest[:24]}{copy:x}")
    product_id = f"{write.product_id}-{copy}"
    text = _moved(halves_of(write.rows[0])[1], spread, rng)
    price = float(write.rows[0].attributes.get("price", 0.0)) * rng.uniform(0.5, 1.5)  # type: ignore[arg-type]
    rows = tuple(
        replace(
            row,
            product_id=product_id,
            order=order,
            vector=_vector(row, _moved(halves_of(row)[0], spread, rng), text, params),
            attributes={**row.attributes, "price": price},
        )
        for row in write.rows
    )
    return ProductWrite(product_id, order, rows)


def _vector(row: Row, image: Array, text: Array, params: QueryParams) -> Vector:
    if row.imputed == "image":
        return _joined(params.kappa_image * text, text)
    return _joined(image, params.kappa_text * image if row.imputed == "text" else text)


def _moved(half: Array, spread: float, rng: np.random.Generator) -> Array:
    noise = rng.standard_normal(len(half), dtype=np.float32) * (spread / np.sqrt(len(half)))
    moved = half + noise
    return np.asarray(moved / np.linalg.norm(moved), dtype=np.float32)


def halves_of(row: Row) -> tuple[Array, Array]:
    """The image half and the text half of a row, [D] each."""
    assert row.vector is not None, "only tombstones lack a vector"
    image, text = row.vector.reshape(2, -1)
    return image, text


def _joined(image: Array, text: Array) -> Vector:
    return np.concatenate([image, text]).astype(np.float32)
