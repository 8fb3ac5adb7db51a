"""Hard negatives, compared with a search that looks at every pair of products."""

from dataclasses import replace

import numpy as np
import torch

from fourtower_encoders.mining import NEIGHBOURS, confused_products

CPU = torch.device("cpu")


def by_hand(towers, data):
    """The nearest rivals of each product, nearest first."""
    embeddings = []
    with torch.no_grad():
        for views in data.views:
            picture = data.pixels[views[:1], 1:17, 1:17]
            embeddings.append(towers.eval().encode_image(torch.from_numpy(picture), "product_image")[0].numpy())
    scores = np.stack(embeddings) @ np.stack(embeddings).T
    found = []
    for a in range(len(scores)):
        rivals = [
            b
            for b in range(len(scores))
            if (data.category[a] != data.category[b] or data.category[a] < 0)
            and (data.group[a] != data.group[b] or data.group[a] < 0)
            and data.text[a] != data.text[b]
        ]
        found.append(sorted(rivals, key=lambda b: -scores[a, b])[:NEIGHBOURS])
    return found


def test_the_nearest_of_other_categories(make_arrays, make_towers):
    data, towers = make_arrays(20), make_towers()
    expected = by_hand(towers, data)
    for chunk in (7, 256):
        assert confused_products(towers, data, CPU, chunk=chunk).tolist() == expected


def test_variants_twins_and_unknown_categories(make_arrays, make_towers):
    data = make_arrays(20)
    data = replace(data, category=np.full(20, -1), text=np.repeat(np.arange(10), 2), group=np.repeat(np.arange(5), 4))
    found = confused_products(make_towers(), data, CPU)
    assert found.tolist() == by_hand(make_towers(), data)
    for product, rivals in enumerate(found):
        assert not set(rivals) & set(range(product // 4 * 4, product // 4 * 4 + 4)), "its own group"


def test_few_rivals_are_padded_and_pictureless_ones_left_out(make_arrays, make_towers):
    data = make_arrays(6)
    data = replace(data, category=np.array([0, 0, 0, 0, 1, 1]), views=[*data.views[:5], np.array([], dtype=np.int64)])
    found = confused_products(make_towers(), data, CPU)
    assert found.shape == (6, NEIGHBOURS)
    assert found[0].tolist() == [4, *[-1] * 7], "product 5 has no picture to be mistaken for"
    assert sorted(found[4]) == [-1, -1, -1, -1, 0, 1, 2, 3]


def test_training_goes_on_as_it_was(make_arrays, make_towers):
    towers = make_towers()
    before = {name: value.clone() for name, value in towers.state_dict().items()}
    for mode in (True, False):
        confused_products(towers.train(mode), make_arrays(6), CPU)
        assert towers.training is mode
    assert all(torch.equal(value, before[name]) for name, value in towers.state_dict().items()), "no running means"
