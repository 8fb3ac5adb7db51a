"""Loads a catalog once and keeps its pixels, so that dozens of runs need not decode them again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from fourtower_encoders.config import ImageRole, Preprocess, TextRole, TowerConfig
from fourtower_encoders.images import ImageSource, load_image
from fourtower_encoders.joint import Array, QueryParams
from fourtower_encoders.manifest import Dataset, load_dataset
from fourtower_encoders.model import FourTower
from fourtower_encoders.preprocess import to_pixels
from fourtower_encoders.tokens import Tokenizer, build_tokenizer
from fourtower_encoders.training_data import TrainingData, load_training_data


@dataclass(frozen=True)
class Splits:
    """The three splits of a catalog; pixels of validation and test pictures are kept by path."""

    train: Dataset
    val: Dataset
    test: Dataset
    arrays: TrainingData
    pixels: PixelCache

    @property
    def strings(self) -> list[str]:
        """All texts: first the training titles, then the training queries, as `arrays` numbers them."""
        queries = {" ".join(q.casefold().split()) for product in self.train.products for q in product.queries}
        ordered = [product.text for product in self.train.products] + sorted(queries) + [""]
        for split in (self.val, self.test):
            for product in split.products:
                ordered += [product.text, *product.queries]
            ordered += [words for task in split.tasks for words in (task.text, task.minus)]
        return ordered


class PixelCache:
    """Decoded pictures at the towers' own size."""

    def __init__(self, preprocess: Preprocess) -> None:
        self._preprocess = preprocess
        self._known: dict[tuple[Path | None, ImageSource], NDArray[np.uint8]] = {}

    def __call__(self, sources: Sequence[ImageSource], root: Path | None) -> NDArray[np.uint8]:
        """Pixels [N, S, S, 3]."""
        for source in sources:
            if (root, source) not in self._known:
                self._known[root, source] = to_pixels(load_image(source, root=root), self._preprocess)
        return np.stack([self._known[root, source] for source in sources])


class CachedEmbedder:
    """Towers in training seen as an embedder, over cached pixels."""

    model_id = "in training"
    params = QueryParams()

    def __init__(self, model: FourTower, tokenizer: Tokenizer, pixels: PixelCache) -> None:
        self._model, self._tokenizer, self._pixels = model, tokenizer, pixels
        self.dim = model.config.dim

    @torch.no_grad()
    def embed_images(self, sources: Sequence[ImageSource], *, role: ImageRole, root: Path | None) -> Array:
        """Embed pictures [N, D]."""
        parts = [np.zeros((0, self.dim), dtype=np.float32)]
        for start in range(0, len(sources), 256):
            pixels = torch.from_numpy(self._pixels(sources[start : start + 256], root))
            parts.append(self._model.embed_image(pixels, role).numpy())
        return np.concatenate(parts)

    @torch.no_grad()
    def embed_texts(self, texts: Sequence[str], *, role: TextRole) -> Array:
        """Embed texts [N, D]."""
        if not texts:
            return np.zeros((0, self.dim), dtype=np.float32)
        return np.asarray(self._model.embed_text(torch.from_numpy(self._tokenizer(texts)), role).numpy())


def load_splits(root: Path, towers: TowerConfig, *, names: tuple[str, str, str] = ("train", "val", "test")) -> Splits:
    """Read a data folder and decode its training split."""
    train, val, test = (load_dataset(root, name) for name in names)
    arrays = load_training_data(train, build_tokenizer(towers.text), towers.preprocess)
    return Splits(train, val, test, arrays, PixelCache(towers.preprocess))
