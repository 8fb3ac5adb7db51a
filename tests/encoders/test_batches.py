"""Batches: a pure function of seed and step, whatever the number of processes."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fourtower_encoders.batches import Sampler, SamplingConfig, _Lists
from fourtower_encoders.errors import InvalidConfig

SIZE = 16


@pytest.fixture(scope="session")
def arrays(make_arrays):
    return make_arrays(12, photos=3, size=SIZE)


def equal(first, second):
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_draws_depend_on_seed_and_step_alone(arrays):
    config = SamplingConfig(batch_size=6)
    one, other = Sampler(arrays, config, SIZE, 5), Sampler(arrays, config, SIZE, 5)
    other.draw(0), other.draw(9)
    assert equal(one.draw(3), other.draw(3))
    assert not equal(one.draw(3), one.draw(4))
    assert not equal(one.draw(3), Sampler(arrays, config, SIZE, 6).draw(3))


@settings(max_examples=25, deadline=None)
@given(
    batch_size=st.integers(4, 20),
    photos=st.integers(1, 2),
    processes=st.integers(1, 4),
    step=st.integers(0, 50),
    hard=st.booleans(),
)
def test_shares_join_to_the_batch_of_one_process(arrays, batch_size, photos, processes, step, hard):
    config = SamplingConfig(batch_size=batch_size, photos_per_product=photos, hard_share=0.5 if hard else 0)
    confused = np.array([[(n + 1) % 12, (n + 5) % 12, -1] for n in range(12)]) if hard else None
    whole = Sampler(arrays, config, SIZE, 1, confused=confused).draw(step)
    shares = [Sampler(arrays, config, SIZE, 1, rank, processes, confused).draw(step) for rank in range(processes)]
    assert len({len(share.product) for share in shares}) == 1, "rows can only be joined if all have equally many"
    each = len(whole.product) // processes
    for index, tensor in enumerate(whole):
        assert torch.equal(torch.cat([share[index] for share in shares]), tensor[: each * processes])


def test_every_step_has_luck_of_its_own(arrays):
    """One batch is the whole catalog here, so that two steps differ in photos, crops and queries alone."""
    sampler = Sampler(arrays, SamplingConfig(batch_size=12), SIZE, 0)
    first, second = (batch._replace(product=batch.product.argsort()) for batch in map(sampler.draw, (4, 5)))
    pictures = [batch.product_image[batch.product] for batch in (first, second)]
    assert all(not torch.equal(a, b) for a, b in zip(*pictures, strict=True)), "another crop of the same view"
    assert not torch.equal(*(batch.query[batch.product] for batch in (first, second)))


def test_shapes_and_alignment(arrays):
    batch = Sampler(arrays, SamplingConfig(batch_size=6), SIZE, 0).draw(0)
    assert batch.query_image.shape == batch.product_image.shape == (6, SIZE, SIZE, 3)
    assert batch.query_image.dtype == torch.uint8
    owners = batch.product.numpy()
    assert np.array_equal(batch.product_text, arrays.titles[owners])
    assert np.array_equal(batch.query_text, arrays.queries[batch.query])
    assert (batch.answered == batch.query[:, None]).any(dim=1).all(), "a drawn query is one that the product answers"


def test_k_photos_of_p_products(arrays):
    sampler = Sampler(arrays, SamplingConfig(batch_size=9, photos_per_product=3, min_crop=1, flip=0), SIZE, 0)
    batch = sampler.draw(2)
    assert [len(set(batch.product[i : i + 3].tolist())) for i in (0, 3, 6)] == [1, 1, 1]
    assert len(set(batch.product.tolist())) == 3
    assert not torch.equal(batch.query_image[0], batch.query_image[1]), "three different photos, as there are three"


def test_an_epoch_shows_every_product_once(arrays):
    sampler = Sampler(arrays, SamplingConfig(batch_size=4), SIZE, 0)
    epochs = [np.concatenate([sampler.draw(step).product for step in range(e, e + 3)]) for e in (0, 3)]
    for epoch in epochs:
        assert sorted(epoch) == list(range(12))
    assert not np.array_equal(*epochs), "each in an order of its own"


def test_a_small_catalog_gives_small_batches(arrays):
    batch = Sampler(arrays, SamplingConfig(batch_size=128), SIZE, 0).draw(7)
    assert sorted(batch.product.tolist()) == list(range(12))


def test_hard_negatives_come_from_what_is_confused(arrays):
    """Products 0-5 are mistaken for 6-11 and the other way round, each for one rival, and one for nobody."""
    rival = np.array([[(n + 6) % 12, -1] for n in range(12)])
    rival[3] = -1
    plain = Sampler(arrays, SamplingConfig(batch_size=6), SIZE, 0)
    hard = Sampler(arrays, SamplingConfig(batch_size=6, hard_share=0.5), SIZE, 0, confused=rival)
    for step in range(20):
        walk, chosen = plain.draw(step).product.tolist(), hard.draw(step).product.tolist()
        assert len(set(chosen)) == 6, "the same product never twice"
        seeds = walk[:3]
        assert chosen[:3] == seeds
        rivals = {int(rival[n, 0]) for n in seeds} - {-1, *seeds}
        assert rivals <= set(chosen)
        assert set(chosen) <= rivals | set(walk), "what is still free is filled from the walk"


def test_rivals_without_photos_are_left_out(make_arrays):
    from dataclasses import replace

    arrays = make_arrays(6, photos=1)
    arrays = replace(arrays, pair_photo=np.arange(4), pair_product=np.arange(4))
    everyone = np.tile(np.array([4, 5, 0, 1]), (6, 1))
    sampler = Sampler(arrays, SamplingConfig(batch_size=4, hard_share=0.5), SIZE, 0, confused=everyone)
    assert {n for step in range(9) for n in sampler.draw(step).product.tolist()} == {0, 1, 2, 3}


def test_a_product_without_queries_gets_the_empty_one(arrays):
    from dataclasses import replace

    silent = replace(arrays, answered=np.full_like(arrays.answered, -2))
    batch = Sampler(silent, SamplingConfig(batch_size=6), SIZE, 0).draw(0)
    assert (batch.query == -1).all()
    assert (batch.query_text == 0).all()


def test_augmentation_stays_in_the_picture(arrays):
    """With every colour of the pictures between 30 and 250, a crop and a gain can only give these."""
    config = SamplingConfig(batch_size=12, min_crop=0.5, flip=0.5, colour_jitter=0.1)
    sampler = Sampler(arrays, config, SIZE, 0)
    seen = torch.cat([sampler.draw(step).query_image for step in range(10)]).numpy()
    assert seen.shape == (120, SIZE, SIZE, 3)
    assert seen.min() >= int(30 * 0.9)
    assert seen.max() <= int(250 * 1.1)
    strong = Sampler(arrays, config.model_copy(update={"colour_jitter": 1.0}), SIZE, 0).draw(0).query_image
    assert strong.max() == 255, "too bright is white, and doesn't wrap around to black"


def test_without_luck_a_picture_is_only_resized(arrays):
    config = SamplingConfig(batch_size=4, min_crop=1, flip=0, colour_jitter=0)
    batch = Sampler(arrays, config, SIZE, 0).draw(0)
    stored = arrays.pixels[[int(arrays.views[number][0]) for number in batch.product]]
    picked = ((np.arange(SIZE) + 0.5) / SIZE * stored.shape[1]).astype(int)
    assert np.array_equal(batch.product_image, stored[:, picked][:, :, picked])
    flipped = Sampler(arrays, config.model_copy(update={"flip": 1.0}), SIZE, 0).draw(0)
    assert torch.equal(flipped.product_image, batch.product_image.flip(2))


def test_impossible_batches_are_refused(arrays):
    with pytest.raises(InvalidConfig, match=r"A batch of 4 has no room for two products with 3 photos each"):
        SamplingConfig(batch_size=4, photos_per_product=3)
    with pytest.raises(InvalidConfig, match=r"2 rows can't be shared by 3 processes"):
        Sampler(arrays, SamplingConfig(batch_size=2), SIZE, 0, rank=1, world_size=3).draw(0)


@given(data=st.data(), count=st.integers(1, 5))
def test_draws_from_lists_are_even(data, count):
    lists = data.draw(st.lists(st.lists(st.integers(0, 99), min_size=1, max_size=6, unique=True), min_size=1))
    rows = np.array(data.draw(st.lists(st.integers(0, len(lists) - 1), min_size=1, max_size=8)))
    drawn = _Lists([np.array(items) for items in lists]).draw(rows, count, np.random.default_rng(0))
    for row, items in zip(rows, drawn.reshape(len(rows), count).tolist(), strict=True):
        times = [items.count(item) for item in lists[row]]
        assert sum(times) == count, "only items of this list"
        assert max(times) - min(times) <= 1, "none twice before all were drawn"


def test_every_item_of_a_list_is_drawn_as_often():
    lists = _Lists([np.array([7]), np.array([0, 1, 2]), np.array([5, 6])])
    for count in (1, 2):
        drawn = lists.draw(np.full(6000, 1), count, np.random.default_rng(1))
        assert np.bincount(drawn, minlength=3) == pytest.approx([2000 * count] * 3, rel=0.1)
