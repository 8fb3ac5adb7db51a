"""Encodes what a batch of plans lacks: all texts in one call, all pictures in one, each different one once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fourtower_encoders.embedder import Embedder
from fourtower_encoders.errors import ImageError, ImageRejected
from fourtower_ingest.events import Image
from fourtower_ingest.values import is_kept_url, is_path
from fourtower_search.index.rows import Vector
from fourtower_workers.halves import Plan

Pictures = Mapping[tuple[str, str], Vector | ImageError]
"""By hash and URL: what an event says about a picture is believed for that URL only."""


@dataclass(frozen=True)
class Halves:
    """Every half that could be had, of unit norm."""

    texts: Mapping[str, Vector]
    """Encoded ones by text hash."""
    pictures: Pictures
    stored: Mapping[str, Vector]
    """Whole vectors by row key."""

    def text(self, plan: Plan) -> Vector | None:
        """A product's text half, [D]."""
        vector = self.stored.get(plan.stored_text or "")
        return self.texts.get(plan.text_hash) if vector is None else vector[len(vector) // 2 :]

    def image(self, plan: Plan, view: int) -> Vector | ImageError | None:
        """The image half of one view, [D]: encoded now, else stored; an error where neither worked."""
        wanted = plan.views[view]
        if wanted.image is None:
            return None
        found = self.pictures.get((wanted.hash, wanted.image.url))
        vector = self.stored.get(wanted.stored or "")
        return found if vector is None or isinstance(found, np.ndarray) else vector[: len(vector) // 2]


def encode(
    plans: Sequence[Plan],
    stored: Mapping[str, Vector],
    embedder: Embedder,
    *,
    image_root: Path | None,
    threads: int | None,
) -> Halves:
    """Have every half that is not stored; a picture that fails fails alone."""
    texts = {plan.text_hash: plan.text for plan in plans if plan.text and plan.stored_text not in stored}
    pictures = {
        (view.hash, view.image.url): view.image
        for plan in plans
        for view in plan.views
        if view.image is not None and (view.encode or view.stored not in stored)
    }
    return Halves(_texts(texts, embedder), _pictures(pictures, embedder, image_root, threads), stored)


def _texts(texts: Mapping[str, str], embedder: Embedder) -> dict[str, Vector]:
    if not texts:
        return {}
    return dict(zip(texts, embedder.embed_texts(list(texts.values()), role="product_text"), strict=True))


def _pictures(
    images: Mapping[tuple[str, str], Image], embedder: Embedder, root: Path | None, threads: int | None
) -> Pictures:
    refused = {key: error for key, image in images.items() if (error := _refusal(image.url, root)) is not None}
    wanted = [key for key in images if key not in refused]
    if not wanted:
        return refused
    errors: dict[int, ImageError] = {}
    sources = [images[key].url for key in wanted]
    vectors: NDArray[np.float32] = embedder.embed_images(
        sources, role="product_image", root=root, threads=threads, on_error=errors.__setitem__
    )
    return {**refused, **{key: errors.get(position, vectors[position]) for position, key in enumerate(wanted)}}


def _refusal(url: str, root: Path | None) -> ImageRejected | None:
    """Why an address is not even tried."""
    if is_kept_url(url):
        return ImageRejected("The picture came inside an earlier event and was not kept; send it again.")
    if root is None and is_path(url):
        return ImageRejected(f"{url!r:.80} is a path, but no image root is set; set one, or send a URL.")
    return None
