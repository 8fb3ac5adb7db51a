"""Draws training batches: P products with K photos each, confusable ones together, lightly augmented.

Every draw is a pure function of (seed, step), so a resumed run sees exactly the batches of an
uninterrupted one, and several processes agree on the joint batch without talking.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor

from fourtower_encoders.config import Frozen
from fourtower_encoders.errors import InvalidConfig
from fourtower_encoders.training_data import Ints, TrainingData


class SamplingConfig(Frozen):
    """How a batch is put together and augmented."""

    batch_size: int = Field(default=128, ge=2)
    photos_per_product: int = Field(default=1, ge=1)
    hard_share: float = Field(default=0.0, ge=0, le=0.9)
    """Share of a batch that is drawn from products confused with the others, once they are known."""
    min_crop: float = Field(default=0.75, gt=0, le=1)
    """Smallest side of a random crop, relative to the picture."""
    flip: float = Field(default=0.5, ge=0, le=1)
    colour_jitter: float = Field(default=0.15, ge=0, le=1)

    @model_validator(mode="after")
    def _two_products(self) -> SamplingConfig:
        if 2 * self.photos_per_product > self.batch_size:
            raise InvalidConfig(
                f"A batch of {self.batch_size} has no room for two products with {self.photos_per_product} photos "
                f"each. Raise --batch-size or lower --photos."
            )
        return self


class Batch(NamedTuple):
    """Aligned rows, ready for the towers (see `objective.masks` for the numbers)."""

    query_image: Tensor  # uint8 [B, S, S, 3]
    product_image: Tensor  # uint8 [B, S, S, 3]
    query_text: Tensor  # int64 [B, T]
    product_text: Tensor  # int64 [B, T]
    product: Tensor  # int64 [B]
    group: Tensor  # int64 [B]
    text: Tensor  # int64 [B]
    query: Tensor  # int64 [B]
    answered: Tensor  # int64 [B, Q]

    def to(self, device: torch.device) -> Batch:
        """Move every tensor; asynchronous where the memory is pinned."""
        return Batch(*(tensor.to(device, non_blocking=True) for tensor in self))


@dataclass
class Sampler:
    """Draws the batches of one process out of `world_size`."""

    data: TrainingData
    config: SamplingConfig
    size: int
    """Side of the pictures that the towers see."""
    seed: int
    rank: int = 0
    world_size: int = 1
    confused: Ints | None = None
    """For each product the products that it is mistaken for, [N, M]; -1 where there are fewer."""

    def __post_init__(self) -> None:
        self._pairs, self._views = _Lists(self.data.pairs_of), _Lists(self.data.views)
        self._usable = np.flatnonzero(self._pairs.lengths > 0)

    def draw(self, step: int) -> Batch:
        """This process's share of the joint batch of a step."""
        rng = np.random.default_rng([self.seed, step])
        pairs = self._draw_pairs(step, rng)
        owners = self.data.pair_product[pairs]
        views = self._views.draw(owners, 1, rng)
        query = self._queries(owners, rng)
        mine = self._share(len(pairs))
        photos = self._pixels(self.data.pair_photo[pairs], mine, rng)
        products = self._pixels(views, mine, rng)
        arrays = (
            self.data.queries[query],
            self.data.titles[owners],
            owners,
            self.data.group[owners],
            self.data.text[owners],
            query,
            self.data.answered[owners],
        )
        return Batch(*(torch.from_numpy(array) for array in (photos, products, *(a[mine] for a in arrays))))

    def _share(self, rows: int) -> slice:
        """This process's rows; all get equally many, for they are joined again, so that some may be left over."""
        each = rows // self.world_size
        if each == 0:
            raise InvalidConfig(f"A batch of {rows} rows can't be shared by {self.world_size} processes. Start fewer.")
        return slice(self.rank * each, (self.rank + 1) * each)

    def _draw_pairs(self, step: int, rng: np.random.Generator) -> Ints:
        """K photos of each of P products, the same product never drawn twice."""
        per_product = self.config.photos_per_product
        count = min(self.config.batch_size // per_product, len(self._usable))
        return self._pairs.draw(self._products(step, count, rng), per_product, rng)

    def _products(self, step: int, count: int, rng: np.random.Generator) -> Ints:
        """Walk through a fresh permutation each epoch; replace a share by what the others are mistaken for."""
        per_epoch = max(1, len(self._usable) // count)
        epoch, position = divmod(step, per_epoch)
        order = np.random.default_rng([self.seed, 1 << 40, epoch]).permutation(self._usable)
        walk = order[position * count : (position + 1) * count]
        if self.confused is None or self.config.hard_share == 0:
            return walk
        seeds = walk[: count - int(count * self.config.hard_share)]
        rivals = rng.permutation(self.confused[seeds].ravel())
        rivals = rivals[np.isin(rivals, self._usable)]
        # First come, first served: seeds, then their rivals, then the rest of the walk.
        return np.array(list(dict.fromkeys(np.concatenate([seeds, rivals, walk]).tolist()))[:count])

    def _queries(self, owners: Ints, rng: np.random.Generator) -> Ints:
        """One of the short queries that each product answers; -1, the empty last row, where it has none."""
        answered = self.data.answered[owners]
        known = (answered >= 0).sum(axis=1)
        pick = (rng.random(len(owners)) * known).astype(np.int64)
        return np.where(known > 0, answered[np.arange(len(owners)), pick], -1)

    def _pixels(self, pictures: Ints, mine: slice, rng: np.random.Generator) -> NDArray[np.uint8]:
        """Random crop, flip and colour gain of this process's share b of pictures [B] -> [b, S, S, 3].

        The luck of the whole batch is drawn, so that it does not depend on the number of processes.
        """
        count, stored = len(pictures), self.data.pixels.shape[1]
        scale = rng.uniform(self.config.min_crop, 1.0, count)
        rows = _sample_points(self.size, stored, scale, rng)
        columns = _sample_points(self.size, stored, scale, rng)
        flipped = rng.random(count) < self.config.flip
        columns[flipped] = columns[flipped, ::-1]
        points = (pictures[:, None] * stored + rows)[:, :, None] * stored + columns[:, None, :]  # [B, S, S]
        # One three-byte item per pixel makes this a single gather.
        cropped = self.data.pixels.view("V3").reshape(-1).take(points[mine]).view(np.uint8)
        strength = self.config.colour_jitter
        gain = rng.uniform(1 - strength, 1 + strength, (count, 1, 3)).astype(np.float32)[mine]
        # Whole rows are multiplied, by NumPy: threads of torch would disturb those that train.
        pixels = cropped.reshape(-1, self.size, self.size * 3) * np.tile(gain, self.size)  # [b, S, 3 S]
        lit: NDArray[np.uint8] = np.clip(pixels, 0, 255, out=pixels).astype(np.uint8)
        return lit.reshape(-1, self.size, self.size, 3)


class _Lists:
    """Lists of unequal lengths end to end, so that one call draws from many."""

    def __init__(self, lists: list[Ints]) -> None:
        self.lengths = np.array([len(items) for items in lists], dtype=np.int64)
        self._items = np.concatenate(lists)
        self._starts = np.cumsum(self.lengths) - self.lengths

    def draw(self, rows: Ints, count: int, rng: np.random.Generator) -> Ints:
        """`count` items of each of these lists [R], none twice before all of it were drawn: [R * count]."""
        lengths = self.lengths[rows][:, None]
        if count == 1:
            place = (rng.random((len(rows), 1)) * lengths).astype(np.int64)
        else:  # the first places of a random order of each list; columns past its end sort last
            luck = rng.random((len(rows), int(lengths.max())))
            luck[np.arange(luck.shape[1]) >= lengths] = 1.0
            place = np.take_along_axis(luck.argsort(axis=1), np.arange(count) % lengths, axis=1)
        drawn: Ints = self._items[self._starts[rows][:, None] + place].ravel()
        return drawn


def _sample_points(size: int, stored: int, scale: NDArray[np.float64], rng: np.random.Generator) -> Ints:
    """Where a crop of relative size `scale` [B] reads along one axis, [B, size]."""
    start = rng.uniform(0.0, 1.0 - scale)
    steps = (np.arange(size) + 0.5) / size
    return ((start[:, None] + steps * scale[:, None]) * stored).astype(np.int64)
