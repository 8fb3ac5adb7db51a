from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from fourtower_encoders.synth import StreetStyle, SynthConfig, make_products, render_catalog, render_street
from fourtower_encoders.synth.artwork import artwork, soften
from fourtower_encoders.synth.palette import COLOURS
from fourtower_encoders.synth.patterns import PATTERNS
from fourtower_encoders.synth.photo import cutout
from fourtower_encoders.synth.silhouettes import CATEGORIES, SHAPES

SIZE = 48
ALL_SHAPES = [(category, variant) for category in CATEGORIES for variant in range(len(SHAPES[category]))]
PRODUCTS = make_products(SynthConfig(products=12))


@pytest.mark.parametrize(("category", "variant"), ALL_SHAPES)
def test_every_silhouette_shows_fabric_and_fits_the_picture(category: str, variant: int) -> None:
    art = artwork(category, variant, SIZE)
    assert art.fabric.sum() > 0.25 * art.alpha.sum()
    assert 0.08 < art.alpha.mean() < 0.75
    assert art.alpha[:, [0, -1]].max() < 0.6
    assert 0 < art.shadow.max() <= 0.6
    assert np.isfinite(art.details).all()


def test_silhouettes_differ_more_between_categories_than_a_shift_explains() -> None:
    masks = {shape: artwork(*shape, SIZE).alpha > 0.5 for shape in ALL_SHAPES}
    for one, other in combinations(ALL_SHAPES, 2):
        if one[0] != other[0]:
            a, b = masks[one], masks[other]
            overlap = max((np.roll(a, s, axis=0) & b).sum() / (np.roll(a, s, axis=0) | b).sum() for s in range(-4, 5))
            assert overlap < 0.92, (one, other)


def test_mean_masks_of_the_categories_differ() -> None:
    means = {
        category: np.mean([artwork(category, v, SIZE).alpha for v in range(len(SHAPES[category]))], axis=0)
        for category in CATEGORIES
    }
    for one, other in combinations(CATEGORIES, 2):
        assert np.abs(means[one] - means[other]).mean() > 0.04, (one, other)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_fabric_takes_the_pattern_and_the_colours_of_its_pair(pattern: str) -> None:
    look = replace(PRODUCTS[0].look, category="pillow", variant=0, pattern=pattern, colour="blue")
    art = artwork("pillow", 0, SIZE)
    pixels = np.frombuffer(cutout(look, art, shadow=0).tobytes(), np.uint8).reshape(-1, 4)
    blue = COLOURS["blue"]
    lit = pixels[art.pixels][art.fabric > 0.9][:, :3].astype(float)
    assert (lit[:, 2] >= lit[:, 0] - 1).all()  # any mix of navy and ice is bluish
    spread = lit[:, 0].max() - lit[:, 0].min()
    far = blue.light[0] - blue.strong[0]
    assert spread < 0.3 * far if pattern == "plain" else spread > 0.5 * far


def test_premultiplied_colour_never_exceeds_its_cover() -> None:
    for product in PRODUCTS:
        art = artwork(product.look.category, product.look.variant, SIZE)
        sheet = np.frombuffer(cutout(product.look, art, shadow=0.5).tobytes(), np.uint8).reshape(SIZE, SIZE, 4)
        assert (sheet[..., :3] <= sheet[..., 3:]).all()


def test_catalog_pictures_stand_on_white() -> None:
    for product in PRODUCTS:
        picture = render_catalog(product, 0, SIZE)
        assert picture.shape == (SIZE, SIZE, 3)
        assert picture.dtype == np.uint8
        assert picture[:2, :4].min() >= 240
        assert picture.min() < 160


def test_views_are_alike_but_not_the_same() -> None:
    product = PRODUCTS[1]
    views = [render_catalog(product, view, SIZE).astype(float) for view in range(3)]
    for one, other in combinations(views, 2):
        assert 2 < np.abs(one - other).mean() < 90


def test_colour_variants_share_their_outline() -> None:
    product = PRODUCTS[2]
    other = replace(product, look=replace(product.look, colour="green" if product.look.colour != "green" else "red"))
    one, two = render_catalog(product, 0, SIZE), render_catalog(other, 0, SIZE)
    white = (one.min(axis=2) > 235) == (two.min(axis=2) > 235)
    assert white.mean() > 0.7
    assert (one != two).any()


def test_street_photos_differ_from_each_other_and_hide_their_background() -> None:
    product = PRODUCTS[3]
    one, two = (render_street(product, k, SIZE, StreetStyle()) for k in range(2))
    assert np.abs(one.astype(float) - two).mean() > 8
    assert (one.min(axis=2) > 245).mean() < 0.2


@pytest.mark.parametrize(
    ("calm", "wild"),
    [
        (StreetStyle(clutter=0), StreetStyle(clutter=12)),
        (StreetStyle(textured=0.0), StreetStyle(textured=1.0)),
        (StreetStyle(noise=0.0), StreetStyle(noise=30.0)),
        (StreetStyle(blur=4.0, noise=0), StreetStyle(blur=0.0, noise=0)),
    ],
)
def test_the_knobs_disturb(calm: StreetStyle, wild: StreetStyle) -> None:
    """Each knob adds edges: the mean step between neighbouring pixels grows."""

    def edges(style: StreetStyle) -> float:
        photos = (render_street(product, 0, 64, style).astype(float) for product in PRODUCTS)
        return float(np.mean([np.abs(np.diff(photo, axis=1)).mean() for photo in photos]))

    assert edges(wild) > 1.1 * edges(calm)


def test_occlusion_hides_part_of_the_product() -> None:
    bare = StreetStyle(clutter=0, blur=0, noise=0, occlusion=0)
    covered = bare.model_copy(update={"occlusion": 1.0})
    changed = []
    for product in PRODUCTS:
        one, two = (render_street(product, 0, 64, style).astype(int) for style in (bare, covered))
        changed.append((np.abs(one - two).max(axis=2) > 60).mean())
    assert 0.01 < np.mean(changed) < 0.5


def test_softening_keeps_the_amount_and_spreads_it() -> None:
    spot = np.zeros((41, 41), np.float32)
    spot[20, 20] = 1
    blurred = soften(spot, 2)
    assert blurred.sum() == pytest.approx(1, abs=1e-4)
    assert blurred[20, 20] < 0.1
    np.testing.assert_allclose(blurred, blurred.T, atol=1e-6)
