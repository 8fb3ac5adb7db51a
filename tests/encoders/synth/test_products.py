from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fourtower_encoders.errors import InvalidConfig
from fourtower_encoders.synth import SynthConfig, make_products
from fourtower_encoders.synth.config import StreetStyle
from fourtower_encoders.synth.palette import COLOURS
from fourtower_encoders.synth.patterns import PATTERNS
from fourtower_encoders.synth.products import SPLITS, held_out_cells, make_product
from fourtower_encoders.synth.silhouettes import CATEGORIES, SHAPES

MANY = make_products(SynthConfig(products=3000))

FINGERPRINT = """
import hashlib
from fourtower_encoders.synth import StreetStyle, SynthConfig, make_products, render_catalog, render_street
for seed in (7, 8):
    digest = hashlib.sha256()
    for product in make_products(SynthConfig(products=4, seed=seed)):
        digest.update(repr(product).encode())
        digest.update(render_catalog(product, 0, 48).tobytes() + render_catalog(product, 2, 48).tobytes())
        digest.update(render_street(product, 1, 48, StreetStyle()).tobytes())
    print(digest.hexdigest())
"""


def fingerprints(hash_seed: str) -> list[str]:
    path = ":".join(entry for entry in sys.path if entry)
    environment = {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, "-c", FINGERPRINT], env=environment, capture_output=True, text=True, check=True
    )
    return run.stdout.split()


def test_words_and_pixels_depend_on_the_seed_alone() -> None:
    first, second = fingerprints("1"), fingerprints("2")
    assert first == second
    assert first[0] != first[1]


def test_a_product_does_not_depend_on_the_size_of_the_catalog() -> None:
    assert make_products(SynthConfig(products=45)) == MANY[:45]
    assert make_product(SynthConfig(products=100_000), 2999) == MANY[2999]


def test_ids_are_unique_and_name_the_seed() -> None:
    assert len({product.product_id for product in MANY}) == len(MANY)
    assert MANY[123].product_id == "p7-000123"


def test_shares_of_the_splits_are_as_configured() -> None:
    share = {split: count / len(MANY) for split, count in Counter(p.split for p in MANY).items()}
    assert share["train"] == pytest.approx(0.80, abs=0.04)
    assert share["val"] == pytest.approx(0.05, abs=0.02)
    assert share["test"] == pytest.approx(0.15, abs=0.03)


def test_training_shows_every_cell_but_the_held_out_ones() -> None:
    hidden = held_out_cells(7, 0.15)
    seen = {split: {(p.look.category, p.look.pattern) for p in MANY if p.split == split} for split in SPLITS}
    assert seen["train"] == {(c, p) for c in CATEGORIES for p in PATTERNS} - hidden
    assert not seen["val"] & hidden
    assert len(seen["test"] & hidden) > 0.8 * len(hidden)


@given(seed=st.integers(0, 2**31 - 1), share=st.floats(0, 0.5))
@settings(max_examples=60, deadline=None)
def test_held_out_cells_spread_evenly(seed: int, share: float) -> None:
    cells = held_out_cells(seed, share)
    assert len(cells) == round(share * len(CATEGORIES) * len(PATTERNS))
    for place, names in enumerate((CATEGORIES, PATTERNS)):
        counts = Counter(cell[place] for cell in cells)
        per_name = [counts[name] for name in names]
        assert max(per_name) - min(per_name) <= 1


def test_variants_differ_in_colour_alone_and_stay_together() -> None:
    groups: dict[str, list] = {}
    for product in MANY:
        if product.group:
            groups.setdefault(product.group, []).append(product)
    for members in groups.values():
        assert 2 <= len(members) <= 4
        assert len({m.look.colour for m in members}) == len(members)
        assert len({(m.split, m.look.category, m.look.variant, m.look.pattern, m.look.scale) for m in members}) == 1
    assert sum(map(len, groups.values())) / len(MANY) == pytest.approx(0.2, abs=0.03)


def test_every_shape_and_colour_is_used() -> None:
    assert {(p.look.category, p.look.variant) for p in MANY} == {
        (category, variant) for category in CATEGORIES for variant in range(len(SHAPES[category]))
    }
    assert {p.look.colour for p in MANY} == set(COLOURS)


def test_pattern_and_colour_say_nothing_about_the_category() -> None:
    """Mutual information, in bits, stays near what chance alone gives."""
    import numpy as np

    for attribute in ("colour", "pattern"):
        names = sorted({getattr(p.look, attribute) for p in MANY})
        table = np.zeros((len(CATEGORIES), len(names)))
        for p in MANY:
            table[CATEGORIES.index(p.look.category), names.index(getattr(p.look, attribute))] += 1
        share = table / table.sum()
        apart = share.sum(1, keepdims=True) * share.sum(0, keepdims=True)
        information = np.sum(share[share > 0] * np.log2(share[share > 0] / apart[share > 0]))
        assert information < (0.08 if attribute == "colour" else 0.25)  # held-out cells say a little


def test_shop_facts_are_plausible() -> None:
    for product in MANY:
        facts = product.attributes
        assert facts["in_stock"] == (facts["stock"] > 0)
        assert 1 <= facts["price"] <= 2000
        assert 1 <= facts["rating"] <= 5
    assert sum(p.views == 0 for p in MANY) / len(MANY) == pytest.approx(0.03, abs=0.015)
    assert {p.views for p in MANY} == {0, 1, 2, 3, 4}


def test_contradicting_settings_are_refused() -> None:
    with pytest.raises(InvalidConfig, match="nothing to train on"):
        SynthConfig(val_share=0.5, test_share=0.5)
    with pytest.raises(InvalidConfig, match="min_scale"):
        SynthConfig(street=StreetStyle(min_scale=0.9, max_scale=0.5))
