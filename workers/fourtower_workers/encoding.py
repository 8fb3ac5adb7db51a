"""Encodes what a batch of plans lacks: all texts in one call, pictures as they are decoded, each different one once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from fourtower_encoders.embedder import Embedder
from fourtower_encoders.errors import ImageError, ImageRejected, OutOfMemory
from fourtower_encoders.preprocess import Pixels
from fourtower_ingest.events import Image
from fourtower_ingest.values import is_kept_url, is_path
from fourtower_search.index.rows import Vector
from fourtower_workers.halves import Plan

Pictures = Mapping[tuple[str, str], Vector | ImageError]
"""By hash and URL: what an event says about a picture is believed for that URL only."""
Turn = Callable[[Literal["images", "texts"], int], AbstractContextManager[object]]
"""Gives what is held while the network runs over so many pictures or texts."""
_Several = TypeVar("_Several", Pixels, list[str])


def no_turn(what: Literal["images", "texts"], count: int) -> AbstractContextManager[object]:
    """For a process that has its device to itself."""
    return nullcontext()


@dataclass(frozen=True)
class Encoder:
    """The towers of one process, and how it uses them.

    Args:
        embedder: the towers.
        image_root: folder that relative picture paths refer to; without it they are refused.
        threads: how many pictures are fetched and decoded at once; None is one per core.
        batch: pictures per run of the network.
        turn: see `Turn`.
        on_halved: called with the size of each batch that the device had no room for.
    """

    embedder: Embedder
    image_root: Path | None = None
    threads: int | None = None
    batch: int = 64
    turn: Turn = no_turn
    on_halved: Callable[[int], None] = lambda _: None


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


def encode(plans: Sequence[Plan], stored: Mapping[str, Vector], encoder: Encoder) -> Halves:
    """Have every half that is not stored; a picture that fails fails alone.

    Raises:
        OutOfMemory: the device has no room even for one.
    """
    texts = {plan.text_hash: plan.text for plan in plans if plan.text and plan.stored_text not in stored}
    pictures = {
        (view.hash, view.image.url): view.image
        for plan in plans
        for view in plan.views
        if view.image is not None and (view.encode or view.stored not in stored)
    }
    return Halves(_texts(texts, encoder), _pictures(pictures, encoder), stored)


def _texts(texts: Mapping[str, str], encoder: Encoder) -> dict[str, Vector]:
    if not texts:
        return {}

    def embed(some: list[str]) -> NDArray[np.float32]:
        return encoder.embedder.embed_texts(some, role="product_text", turn=lambda: encoder.turn("texts", len(some)))

    return dict(zip(texts, _fitting(embed, list(texts.values()), encoder), strict=True))


def _pictures(images: Mapping[tuple[str, str], Image], encoder: Encoder) -> Pictures:
    root = encoder.image_root
    found: dict[tuple[str, str], Vector | ImageError] = {
        key: error for key, image in images.items() if (error := _refusal(image.url, root)) is not None
    }
    wanted = [key for key in images if key not in found]
    if not wanted:
        return found

    def embed(pixels: Pixels) -> NDArray[np.float32]:
        return encoder.embedder.embed_pixels(
            pixels, role="product_image", batch_size=len(pixels), turn=lambda: encoder.turn("images", len(pixels))
        )

    # While one process encodes, the others fetch and decode ahead, so the turn is taken only for what is ready.
    sources = [images[key].url for key in wanted]
    decoding = encoder.embedder.decoded(sources, root=root, batch_size=encoder.batch, threads=encoder.threads)
    with closing(decoding) as batches:
        for batch in batches:
            usable = [row for row in range(len(batch.pixels)) if batch.start + row not in batch.failures]
            vectors = _fitting(embed, batch.pixels[usable], encoder) if usable else ()
            found |= {wanted[batch.start + row]: vector for row, vector in zip(usable, vectors, strict=True)}
            found |= {wanted[position]: error for position, error in batch.failures.items()}
    return found


def _fitting(
    embed: Callable[[_Several], NDArray[np.float32]], several: _Several, encoder: Encoder
) -> NDArray[np.float32]:
    """Embed a batch; one that the device has no room for is halved, as often as it takes."""
    try:
        return embed(several)
    except OutOfMemory:
        if len(several) == 1:
            raise
    # Only now is the failed attempt's memory free: the error referred to it.
    encoder.on_halved(len(several))
    half = len(several) // 2
    return np.concatenate([_fitting(embed, several[:half], encoder), _fitting(embed, several[half:], encoder)])


def _refusal(url: str, root: Path | None) -> ImageRejected | None:
    """Why an address is not even tried."""
    if is_kept_url(url):
        return ImageRejected("The picture came inside an earlier event and was not kept; send it again.")
    if root is None and is_path(url):
        return ImageRejected(f"{url!r:.80} is a path, but no image root is set; set one, or send a URL.")
    return None
