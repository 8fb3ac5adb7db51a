from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fourtower_encoders.synth.patterns import PATTERNS, sample, tile


@pytest.mark.parametrize("pattern", PATTERNS)
def test_tiles_repeat_without_a_seam(pattern: str) -> None:
    """The step across the border is no larger than the steps inside the tile."""
    field = tile(pattern, 96)
    assert field.min() >= 0
    assert field.max() <= 1
    for axis in (0, 1):
        inside = np.abs(np.diff(field, axis=axis)).mean(axis=1 - axis).max()
        across = np.abs(np.take(field, 0, axis) - np.take(field, -1, axis)).mean()
        assert across <= inside + 1e-6


@pytest.mark.parametrize("pattern", sorted(set(PATTERNS) - {"plain"}))
def test_patterns_show_both_colours(pattern: str) -> None:
    assert 0.15 < tile(pattern, 96).mean() < 0.85
    assert tile(pattern, 96).std() > 0.2


def test_no_two_patterns_look_alike() -> None:
    """Compared by the strengths of their waves, which shifting a tile does not change."""
    waves = {name: np.abs(np.fft.rfft2(tile(name, 96) - tile(name, 96).mean())) for name in PATTERNS}
    for one, other in combinations(PATTERNS, 2):
        a, b = waves[one].ravel(), waves[other].ravel()
        assert a @ b < 0.8 * max(a @ a, b @ b), (one, other)


@given(row=st.integers(-500, 500), column=st.integers(-500, 500))
@settings(max_examples=50, deadline=None)
def test_sampling_at_grid_points_reads_the_tile(row: int, column: int) -> None:
    field = tile("leopard", 64)
    x, y = np.float32([column / 64]), np.float32([row / 64])
    assert sample(field, x, y)[0] == pytest.approx(field[row % 64, column % 64], abs=1e-3)


def test_sampling_between_grid_points_is_linear() -> None:
    field = np.float32([[0, 1], [2, 5]])
    assert sample(field, np.float32([0.25]), np.float32([0.25]))[0] == pytest.approx(2.0)
    assert sample(field, np.float32([0.75]), np.float32([0.0]))[0] == pytest.approx(0.5)  # wraps round
