"""A dataset as the four towers see it: what they have to embed, and the arrays that come back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fourtower_encoders.config import ROLES
from fourtower_encoders.errors import CheckpointError, InvalidConfig
from fourtower_encoders.joint import Array, QueryParams, product_rows
from fourtower_encoders.manifest import Dataset
from fourtower_encoders.metrics import Indices


@dataclass(frozen=True)
class Inputs:
    """Everything that a dataset asks the towers to embed, in a stated order; queries only once each."""

    query_image: list[str]
    """[F] distinct photos of pairs and tasks."""
    product_image: list[str]
    """[V] pictures, in the order of the products."""
    query_text: list[str]
    """[W] distinct words of tasks, wanted and unwanted."""
    product_text: list[str]
    """[P] texts, one per product."""

    @classmethod
    def of(cls, dataset: Dataset) -> Inputs:
        """Collect them."""
        photos = [pair.query_image for pair in dataset.pairs]
        photos += [task.query_image for task in dataset.tasks if task.query_image]
        words = [words for task in dataset.tasks for words in (task.text, task.minus) if words]
        return cls(
            query_image=list(dict.fromkeys(photos)),
            product_image=[path for product in dataset.products for path in product.images],
            query_text=list(dict.fromkeys(words)),
            product_text=[product.text for product in dataset.products],
        )


@dataclass(frozen=True)
class EmbeddedDataset:
    """A dataset and what the towers made of its `Inputs`; scoring it needs no network any more."""

    dataset: Dataset
    query_image: Array
    """[F, D]"""
    product_image: Array
    """[V, D]"""
    query_text: Array
    """[W, D]"""
    product_text: Array
    """[P, D]"""
    model_id: str

    def __post_init__(self) -> None:
        for role in ROLES:
            found: Array = getattr(self, role)
            wanted = (len(getattr(self.inputs, role)), self.product_text.shape[-1])
            if found.shape != wanted:
                raise InvalidConfig(f"{role} has shape {found.shape}, but the dataset's inputs need {wanted}.")
            if not np.isfinite(found).all():
                raise CheckpointError(
                    f"The {role} tower of model {self.model_id} gives NaN or infinity, which can't be ranked; "
                    "use an earlier checkpoint."
                )

    @cached_property
    def inputs(self) -> Inputs:
        """What the arrays are the embeddings of."""
        return Inputs.of(self.dataset)

    @cached_property
    def owner(self) -> Indices:
        """The product of each row [N]: a row per view, and one for a product without any."""
        counts = [max(1, len(product.images)) for product in self.dataset.products]
        return np.repeat(np.arange(len(counts)), counts)

    @cached_property
    def targets(self) -> Indices:
        """The product that each pair's photo shows, shape [Q]."""
        place = {product.product_id: index for index, product in enumerate(self.dataset.products)}
        return np.array([place[pair.product_id] for pair in self.dataset.pairs], dtype=np.int64)

    def rows(self, params: QueryParams) -> Array:
        """What an index would store: joint vectors [N, 2 D]."""
        products = self.dataset.products
        has_image = np.array([bool(product.images) for product in products])[self.owner]
        has_text = np.array([bool(product.text.strip()) for product in products])[self.owner]
        image = np.zeros((len(self.owner), self.product_text.shape[1]), dtype=np.float32)
        image[has_image] = self.product_image
        return product_rows(image, self.product_text[self.owner], params, has_image=has_image, has_text=has_text)

    def photos(self, paths: Sequence[str]) -> Array:
        """Embeddings [N, D] of query photos."""
        return self.query_image[[self._photo_place[path] for path in paths]]

    def words(self, texts: Sequence[str]) -> Array:
        """Embeddings [N, D] of query words."""
        return self.query_text[[self._words_place[text] for text in texts]]

    @cached_property
    def _photo_place(self) -> dict[str, int]:
        return {path: index for index, path in enumerate(self.inputs.query_image)}

    @cached_property
    def _words_place(self) -> dict[str, int]:
        return {text: index for index, text in enumerate(self.inputs.query_text)}
