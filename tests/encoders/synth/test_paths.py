from __future__ import annotations

import math

import numpy as np
import pytest

from fourtower_encoders.synth.paths import fill, mirror, trace


@pytest.mark.parametrize(
    ("path", "area"),
    [
        ("M 20 20 L 80 20 L 80 60 L 20 60 Z", 60 * 40),
        ("O 50 50 30 20", math.pi * 30 * 20),
        ("R 10 10 90 90 10", 80 * 80 - (4 - math.pi) * 100),
        ("M0 100 Q50 0 100 100 Z", 2 / 3 * 100 * 50),  # a parabola's segment
    ],
)
def test_filled_paths_cover_their_area(path: str, area: float) -> None:
    assert fill(path, 100).sum() == pytest.approx(area, rel=0.02)


def test_a_stroke_covers_length_times_width_and_its_round_ends() -> None:
    cover = fill("M20 50 L80 50", 100, stroke=6)
    assert cover.sum() == pytest.approx(60 * 6 + math.pi * 9, rel=0.08)


def test_curves_pass_through_their_ends() -> None:
    (outline,) = trace("M10 20 C30 0 60 0 70 40 Q80 60 90 20")
    assert outline[0] == (10, 20)
    assert (70.0, 40.0) in outline
    assert outline[-1] == pytest.approx((90, 20))


def test_a_mirrored_path_is_the_mirrored_picture() -> None:
    path = "M12 14 L40 20 Q60 50 30 80 Z"
    np.testing.assert_allclose(fill(mirror(path), 64), fill(path, 64)[:, ::-1], atol=0.3)
    assert trace(mirror(mirror(path))) == trace(path)


def test_edges_are_soft() -> None:
    cover = fill("O 50 50 30 30", 64)
    assert np.count_nonzero((cover > 0.05) & (cover < 0.95)) > 60
