"""Finds hard negatives: products of another category that the towers place near each other."""

from __future__ import annotations

import numpy as np
import torch

from fourtower_encoders.model import FourTower
from fourtower_encoders.training_data import Ints, TrainingData

NEIGHBOURS = 8


@torch.no_grad()
def confused_products(model: FourTower, data: TrainingData, device: torch.device, *, chunk: int = 256) -> Ints:
    """For each product its nearest images with another category, group and text, [N, NEIGHBOURS]; -1 pads.

    Where no category is known, another product is rival enough.
    """
    was_training = model.training
    model.eval()
    embeddings = _embed_first_views(model, data, device, chunk)  # [N, D], zero without an image
    model.train(was_training)
    with_image = np.array([len(views) > 0 for views in data.views])
    confused = np.full((len(data.views), NEIGHBOURS), -1, dtype=np.int64)
    for start in range(0, len(confused), chunk):
        rows = slice(start, start + chunk)
        similarity = (embeddings[rows] @ embeddings.T).cpu().numpy()  # [chunk, N]
        similarity[~_rivals(data, rows) | ~with_image] = -np.inf
        best = np.argsort(-similarity, axis=1)[:, :NEIGHBOURS]
        found = np.take_along_axis(similarity, best, axis=1) > -np.inf
        confused[rows, : best.shape[1]] = np.where(found, best, -1)
    return confused


def _rivals(data: TrainingData, rows: slice) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """Which products may be a negative of which, [rows, N]."""
    other_category = (data.category[rows, None] != data.category) | (data.category[rows, None] < 0)
    other_group = (data.group[rows, None] != data.group) | (data.group[rows, None] < 0)
    other_text = data.text[rows, None] != data.text
    return np.asarray(other_category & other_group & other_text)


def _embed_first_views(model: FourTower, data: TrainingData, device: torch.device, chunk: int) -> torch.Tensor:
    size, stored = model.config.preprocess.size, data.pixels.shape[1]
    margin = (stored - size) // 2
    embeddings = torch.zeros(len(data.views), model.config.dim, device=device)
    owners = [number for number, views in enumerate(data.views) if len(views)]
    for start in range(0, len(owners), chunk):
        rows = owners[start : start + chunk]
        pictures = data.pixels[[int(data.views[row][0]) for row in rows]]
        centre = pictures[:, margin : margin + size, margin : margin + size]
        pixels = torch.from_numpy(np.ascontiguousarray(centre)).to(device)
        embeddings[rows] = model.encode_image(pixels, "product_image").float()
    return embeddings
