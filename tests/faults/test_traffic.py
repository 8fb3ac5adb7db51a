"""Traffic is what it says, and nothing in it is illegal."""

from __future__ import annotations

import json
import random
from collections import Counter
from itertools import pairwise

import pytest
from tests.faults.traffic import from_host, hot, new_products, poison, storm
from tests.stream.generator import Message
from tests.stream.oracle import judge


def judged(events: list[Message]):
    return judge((("t", 0, number), each.key, each.value, each.headers) for number, each in enumerate(events))


def versions(events: list[Message], name: bytes) -> list[int]:
    return [json.loads(each.value)["version"] for each in events if each.key == name and each.value is not None]


@pytest.mark.parametrize(
    "draw",
    [storm, hot, lambda count, seed: new_products(count, seed=seed)],
    ids=["storm", "hot", "new products"],
)
def test_traffic_is_seeded_and_legal(draw):
    events = draw(400, seed=3)
    assert len(events) == 400
    assert events == draw(400, seed=3)
    assert events != draw(400, seed=4)
    states, dead = judged(events)
    assert dead == set()
    assert states


def test_a_storm_holds_every_kind_of_disorder():
    events = storm(3_000, seed=1)
    states, _ = judged(events)
    repeated = sum(count - 1 for count in Counter(events).values())
    assert repeated > 300
    own = [versions(events, name) for name in {each.key for each in events}]
    late = sum(after < before for numbers in own for before, after in pairwise(numbers))
    assert late > 500
    deletes = sum(each.value is None or json.loads(each.value)["op"] == "delete" for each in events)
    assert 500 < deletes < 1_500
    assert 20 < sum(product is None for _, product in states.values()) < len(states) / 2


def test_one_product_has_its_share():
    events = hot(400, seed=1, share=0.5)
    assert sum(each.key == b"hot" for each in events) == 200
    assert versions(events, b"hot") == list(range(1, 201))


def test_every_address_is_another_one():
    images = from_host(["http://host/1.png", "http://host/2.png"])
    chance = random.Random(1)
    drawn = [images(chance)[0]["url"] for _ in range(200)]
    assert len(set(drawn)) == 200
    assert {url.partition("?")[0] for url in drawn} == {"http://host/1.png", "http://host/2.png"}


def test_a_poison_is_legal_for_all_but_the_encoder_that_dies_of_it():
    states, dead = judged([poison("p", title="deadly")])
    assert (dead, states["p"][0], states["p"][1]["title"]) == (set(), 1, "deadly")
