"""Puts embeddings together that a service made in several answers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fourtower_search.answering import Embeddings
from fourtower_search.errors import IndexUnavailable
from fourtower_search.wire.reading import as_integer, as_list, as_number, as_object, as_text, unfit

LARGEST = 1_000_000
"""Length of an embedding that is believed."""


class Making:
    """Embeddings of texts and pictures, while answers come in."""

    def __init__(self) -> None:
        self._rows: dict[str, list[NDArray[np.float32]]] = {"texts": [], "images": []}
        self._model_id, self._generation, self._dim = "", "", 0

    @property
    def begun(self) -> bool:
        """There was an answer, which said whose the embeddings are."""
        return bool(self._model_id)

    def add(self, name: str, answer: Any, count: int) -> None:
        """Take the texts' or images' embeddings of an answer, of which there must be so many.

        Raises:
            IndexMismatch: it has others.
            IndexUnavailable: it is of another model than the answers before.
        """
        form = as_object(answer, "the answer")
        model_id, dim = as_text(form.get("model_id"), "model_id"), as_integer(form.get("dim"), "dim")
        if self.begun and model_id != self._model_id:
            raise IndexUnavailable(
                "The service changed to another model while it embedded these, and embeddings of two models can't be "
                "compared; ask again.",
                retry_after_s=0.0,
            )
        if not model_id or not 0 < dim <= LARGEST:
            raise unfit("dim", f"from 1 to {LARGEST:,}")
        self._model_id, self._dim = model_id, dim
        self._generation = as_text(form.get("generation"), "generation")
        rows = as_list(form.get(name), name)
        if len(rows) != count:
            raise unfit(name, "as long as what was asked")
        self._rows[name] += [self._row(row) for row in rows]

    def made(self) -> Embeddings:
        """All of them."""
        texts, images = (self._matrix(name) for name in ("texts", "images"))
        return Embeddings(texts, images, self._model_id, self._generation)

    def _row(self, row: Any) -> NDArray[np.float32]:
        if len(as_list(row, "an embedding")) != self._dim:
            raise unfit("an embedding", f"of length {self._dim}")
        return np.array([as_number(each, "an embedding") for each in row], np.float32)

    def _matrix(self, name: str) -> NDArray[np.float32]:
        rows = self._rows[name]
        return np.stack(rows) if rows else np.zeros((0, self._dim), np.float32)
