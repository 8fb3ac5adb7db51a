"""A split of a data folder as arrays in memory: pixels, tokens and what belongs together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fourtower_encoders.config import Preprocess
from fourtower_encoders.errors import ImageError, ManifestError
from fourtower_encoders.images import load_image
from fourtower_encoders.manifest import Dataset, OnBad, Product
from fourtower_encoders.preprocess import shortest_side, to_pixels
from fourtower_encoders.tokens import Tokenizer

Ints = NDArray[np.int64]
Progress = Callable[[int, int], None]
"""Called with (done, total)."""

MARGIN = 9 / 8
"""Pictures are kept this much larger than the towers' input, so that a random crop has room."""


@dataclass(frozen=True)
class TrainingData:
    """P pairs of photo and product, N products, I pictures, U distinct short queries."""

    pixels: NDArray[np.uint8]
    """[I, S, S, 3]"""
    pair_photo: Ints
    """The picture of each pair, [P]."""
    pair_product: Ints
    """The product of each pair, [P]."""
    views: list[Ints]
    """The pictures of each product, best view first; empty where it has none."""
    titles: Ints
    """Tokens of each product's text, [N, T]."""
    queries: Ints
    """Tokens of each distinct short query, [U + 1, T]; the last row is the empty query."""
    answered: Ints
    """The short queries that each product answers, [N, Q], padded with -2."""
    group: Ints
    """[N]; -1 where a product has no group."""
    text: Ints
    """[N]; equal for products with the very same text."""
    category: Ints
    """[N]; -1 where it is unknown."""
    bad: dict[str, str]
    """One sentence for each picture that was left out, by its path."""

    @property
    def pairs_of(self) -> list[Ints]:
        """The pairs of each product."""
        order = np.argsort(self.pair_product, kind="stable")
        bounds = np.searchsorted(self.pair_product[order], np.arange(1, len(self.views)))
        return list(np.split(order, bounds))


def load_training_data(
    dataset: Dataset,
    tokenizer: Tokenizer,
    preprocess: Preprocess,
    *,
    on_bad: OnBad = "fail",
    threads: int = 4,
    progress: Progress | None = None,
) -> TrainingData:
    """Decode every picture and tokenize every text of a split.

    Raises:
        ManifestError: a picture can't be read and `on_bad` is "fail", or no pair is left.
    """
    products = dataset.products
    index = {product.product_id: number for number, product in enumerate(products)}
    wanted = _wanted(dataset)
    pixels, bad = _decode(wanted, dataset.root, preprocess, on_bad=on_bad, threads=threads, progress=progress)
    slots = _slots(len(wanted), bad)  # picture number of each wanted path, -1 where it is bad
    photos = slots[: len(dataset.pairs)]
    owner = np.array([index[pair.product_id] for pair in dataset.pairs], dtype=np.int64)
    views = _views(products, slots[len(dataset.pairs) :])
    usable = (photos >= 0) & np.array([len(views[number]) > 0 for number in owner])
    if not usable.any():
        raise ManifestError(f"{dataset.root}: no pair is left whose photo and product image can both be read.")
    titles, queries, answered = _texts(products, tokenizer)
    return TrainingData(
        pixels=pixels,
        pair_photo=photos[usable],
        pair_product=owner[usable],
        views=views,
        titles=titles,
        queries=queries,
        answered=answered,
        group=_codes([product.group for product in products]),
        text=_codes([product.text for product in products]),
        category=_codes([product.category for product in products]),
        bad=_by_path(wanted, bad),
    )


def _wanted(dataset: Dataset) -> list[tuple[str, str]]:
    """Every picture and the line that names it: the pairs' photos, then the products' views."""
    wanted = [(pair.query_image, pair.where) for pair in dataset.pairs]
    return wanted + [(path, product.where) for product in dataset.products for path in product.images]


def _decode(
    wanted: Sequence[tuple[str, str]],
    root: Path,
    preprocess: Preprocess,
    *,
    on_bad: OnBad,
    threads: int,
    progress: Progress | None,
) -> tuple[NDArray[np.uint8], dict[int, str]]:
    """Decode (path, where) pairs into [I, S, S, 3]; bad ones end it or are described by position."""
    room = preprocess.model_copy(update={"size": round(preprocess.size * MARGIN), "crop_pct": 1.0})

    def decode(item: tuple[str, str]) -> NDArray[np.uint8] | str:
        path, where = item
        try:
            return to_pixels(load_image(path, root=root, at_least=shortest_side(room)), room)
        except ImageError as error:
            return f"{where}: {path}: {error}"

    bad: dict[int, str] = {}
    pixels = np.empty((len(wanted), room.size, room.size, 3), dtype=np.uint8)
    pool = ThreadPoolExecutor(threads)
    try:
        for number, result in enumerate(pool.map(decode, wanted)):
            if not isinstance(result, str):
                pixels[number - len(bad)] = result
            elif on_bad == "fail":
                raise ManifestError(f"{result} Mend it, or pass --on-bad skip.")
            else:
                bad[number] = result
            if progress:
                progress(number + 1, len(wanted))
    finally:
        pool.shutdown(cancel_futures=True)
    return pixels[: len(wanted) - len(bad)], bad


def _by_path(wanted: Sequence[tuple[str, str]], bad: dict[int, str]) -> dict[str, str]:
    """What is said first of each bad picture."""
    return {wanted[number][0]: sentence for number, sentence in reversed(bad.items())}


def readable(dataset: Dataset, *, on_bad: OnBad = "fail", threads: int = 4) -> Dataset:
    """The same split without pictures that can't be read and what needs them.

    Raises:
        ManifestError: a picture can't be read and `on_bad` is "fail", or no pair is left.
    """
    wanted = _wanted(dataset) + [(task.query_image, task.where) for task in dataset.tasks if task.query_image]
    _, bad = _decode(wanted, dataset.root, Preprocess(size=16), on_bad=on_bad, threads=threads, progress=None)
    return without_pictures(dataset, _by_path(wanted, bad))


def without_pictures(dataset: Dataset, bad: Mapping[str, str]) -> Dataset:
    """The same split without some pictures, given with a sentence each, and the pairs and tasks that need them.

    Raises:
        ManifestError: no pair is left.
    """
    products = [
        product.model_copy(update={"images": tuple(path for path in product.images if path not in bad)})
        for product in dataset.products
    ]
    pairs = [pair for pair in dataset.pairs if pair.query_image not in bad]
    if not pairs:
        raise ManifestError(f"{dataset.root}: no pair is left whose photo can be read ({next(iter(bad.values()))}).")
    tasks = [task for task in dataset.tasks if task.query_image not in bad]
    return Dataset(dataset.root, products, pairs, tasks, [*dataset.bad, *bad.values()])


def _slots(count: int, bad: dict[int, str]) -> Ints:
    good = np.array([number not in bad for number in range(count)], dtype=bool)
    return np.where(good, np.cumsum(good) - 1, -1).astype(np.int64)


def _views(products: Sequence[Product], slots: Ints) -> list[Ints]:
    bounds = np.cumsum([len(product.images) for product in products])
    return [views[views >= 0] for views in np.split(slots, bounds[:-1])]


def _texts(products: Sequence[Product], tokenizer: Tokenizer) -> tuple[Ints, Ints, Ints]:
    """Tokens of titles and of the distinct short queries, all padded to one length, and who answers what."""
    normal = [[_normal(query) for query in product.queries] for product in products]
    distinct = sorted({query for queries in normal for query in queries})
    number = {query: position for position, query in enumerate(distinct)}
    width = max([1, *map(len, normal)])
    answered = np.full((len(products), width), -2, dtype=np.int64)
    for row, queries in enumerate(normal):
        answered[row, : len(queries)] = [number[query] for query in queries]
    tokens = tokenizer([product.text for product in products] + distinct + [""])
    return tokens[: len(products)], tokens[len(products) :], answered


def _normal(query: str) -> str:
    """Queries that differ in case or spaces only are one query."""
    return " ".join(query.casefold().split())


def _codes(values: Sequence[str | None]) -> Ints:
    """Number the distinct values; -1 for None."""
    number = {value: code for code, value in enumerate(dict.fromkeys(v for v in values if v is not None))}
    return np.array([-1 if value is None else number[value] for value in values], dtype=np.int64)
