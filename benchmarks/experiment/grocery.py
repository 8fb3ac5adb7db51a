"""Lays the Grocery Store Dataset out as three splits, holding out whole groups of look-alike photos for tuning."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fourtower_encoders.images import load_image

HELD_OUT = 0.15
"""Share of the training photos that the weights are fitted on."""
ALIKE = 0.16
"""Photos of one product whose thumbnails differ less than this are one capture session."""
THUMBNAIL = 12


def lay_out(source: Path, out: Path, *, seed: int = 0) -> Path:
    """Copy the photos to `out` and write its manifests; the dataset's own validation photos become the test split.

    A random split would put photos of one capture session on both sides; here a group of look-alikes
    stays together.
    """
    if (out / "queries.test.jsonl").exists():
        return out
    for folder in ("products", "queries"):
        shutil.copytree(source / folder, out / folder, dirs_exist_ok=True)
    products = _read(source / "products.jsonl")
    for product in products:
        product["queries"] = sorted({product["title"].casefold(), product["category"].casefold()})
        product["attributes"] = {"category": product["category"]}
    _write(out / "products.jsonl", products)
    train, val = _split(source, _read(source / "queries.train.jsonl"), seed)
    test = _read(source / "queries.val.jsonl")
    for name, pairs in (("train", train), ("val", val), ("test", test)):
        _write(out / f"queries.{name}.jsonl", pairs)
    category = {product["product_id"]: product["category"] for product in products}
    _write(out / "tasks.test.jsonl", [_task(pair, category[pair["product_id"]]) for pair in test])
    return out


def _task(pair: dict[str, Any], category: str) -> dict[str, Any]:
    """A photo with the true coarse name, as a shopper would type it."""
    return {
        "task": "coarse_name",
        "query_image": pair["image"],
        "text": category.casefold(),
        "relevant": [pair["product_id"]],
        "filter": {"category": category},
    }


def _split(source: Path, pairs: list[dict[str, Any]], seed: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Hold out whole groups, until they have the wanted share of each product's photos."""
    rng = np.random.default_rng(seed)
    held: set[int] = set()
    products = np.array([pair["product_id"] for pair in pairs])
    for product in np.unique(products):
        rows = np.flatnonzero(products == product)
        thumbnails = np.stack([_thumbnail(source / pairs[row]["image"]) for row in rows])
        group = groups(thumbnails, ALIKE)
        for name in rng.permutation(np.unique(group)):
            members = rows[group == name]
            already = sum(int(row) in held for row in rows)
            if already + len(members) <= HELD_OUT * len(rows) * 1.5 and already < HELD_OUT * len(rows):
                held.update(int(row) for row in members)
    train = [pair for row, pair in enumerate(pairs) if row not in held]
    return train, [pair for row, pair in enumerate(pairs) if row in held]


def groups(thumbnails: NDArray[np.float64], threshold: float) -> NDArray[np.int64]:
    """Number the connected groups of thumbnails [N, F] that differ less than `threshold` from a neighbour."""
    distance = np.sqrt(((thumbnails[:, None] - thumbnails[None]) ** 2).mean(axis=2))  # [N, N]
    number = np.arange(len(thumbnails), dtype=np.int64)
    for first, second in zip(*np.nonzero(distance < threshold), strict=True):
        number[number == number[second]] = number[first]
    return number


def _thumbnail(path: Path) -> NDArray[np.float64]:
    picture = load_image(path, at_least=THUMBNAIL).resize((THUMBNAIL, THUMBNAIL))
    return np.asarray(picture, dtype=np.float64).ravel() / 255


def _read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def _write(path: Path, records: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
