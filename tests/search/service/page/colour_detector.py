"""A detector that needs no model: it proposes boxes around what is more colourful than its surroundings."""

from __future__ import annotations

import numpy as np

from fourtower_search.service.detectors import Box

SIDE = 64
LEAST = 0.45
"""Saturation that counts as colourful."""


class Colourful:
    """Finds the colourful regions of a picture."""

    def __call__(self, image):
        """One box per region that hangs together, the largest surest."""
        small = np.asarray(image.convert("HSV").resize((SIDE, SIDE)), dtype=np.float32) / 255
        vivid = small[..., 1] > LEAST
        boxes = []
        while vivid.any():
            region = _region(vivid)
            vivid &= ~region
            rows, columns = np.nonzero(region)
            if len(rows) > SIDE:
                boxes.append(_box(rows, columns, image.size))
        return boxes


def _region(vivid):
    """All pixels that hang together with the first one."""
    region = np.zeros_like(vivid)
    region[tuple(np.argwhere(vivid)[0])] = True
    while True:
        grown = region.copy()
        grown[1:] |= region[:-1]
        grown[:-1] |= region[1:]
        grown[:, 1:] |= region[:, :-1]
        grown[:, :-1] |= region[:, 1:]
        grown &= vivid
        if (grown == region).all():
            return region
        region = grown


def _box(rows, columns, size):
    wide, high = size[0] / SIDE, size[1] / SIDE
    left, top, right, bottom = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    share = len(rows) / SIDE**2
    edges = (float(left * wide), float(top * high), float(right * wide), float(bottom * high))
    return Box(*edges, score=float(share**0.25), label="something colourful")
