"""Events for one kind of trouble each: storms, hot products, pictures from a host, more than anybody can take.

The ordinary day is `tests.stream.generator.messages`. All of these are seeded, and legal unless they say otherwise.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

from tests.stream.generator import COLOURS, KINDS, Message, event, interleaved, new_product, null_delete

SHARE = 0.2
"""Of a storm's events, for each kind of disorder."""
STRIDE = 10
"""Between a product's versions; those that come too late lie in between."""


def storm(count: int, *, seed: int) -> list[Message]:
    """So many events, a fifth of them repeated, moved, too late, deletes, and deletes that race with an upsert."""
    chance = random.Random(seed)
    lives: list[list[Message]] = []
    while sum(map(len, lives)) < count:
        lives.append(_stormy_life(f"storm{len(lives):04d}", chance))
    return interleaved(lives, chance)[:count]


def _stormy_life(product_id: str, chance: random.Random) -> list[Message]:
    life: list[Message] = []
    for number in range(1, chance.randint(5, 20)):
        life += _stormy_step(product_id, number * STRIDE, chance)
    for message in chance.sample(life, round(SHARE * len(life))):
        life.insert(chance.randint(life.index(message) + 1, len(life)), message)
    for _ in range(round(SHARE * len(life))):
        life.insert(chance.randrange(len(life)), life.pop(chance.randrange(len(life))))
    return life


def _stormy_step(product_id: str, version: int, chance: random.Random) -> list[Message]:
    """One change, which may be a delete, race with one, or be followed by what was true before it."""
    upsert = event("upsert", product_id, version, _plain(chance))
    delete = chance.choice((null_delete(product_id, version), event("delete", product_id, version)))
    if chance.random() < SHARE:
        return [delete]
    if chance.random() < SHARE:
        return chance.sample([upsert, delete], 2)
    if chance.random() < SHARE:
        return [upsert, event("upsert", product_id, version - chance.randint(1, STRIDE - 1), _plain(chance))]
    return [upsert]


def hot(count: int, *, seed: int, share: float = 0.5) -> list[Message]:
    """So many events, of which one product, `hot`, has a share all to itself."""
    chance = random.Random(seed)
    own = round(count * share)
    hot_ones = [event("upsert", "hot", version, _plain(chance)) for version in range(1, own + 1)]
    return interleaved([hot_ones, new_products(count - own, seed=seed, name="cool")], chance)


def new_products(
    count: int,
    *,
    seed: int,
    name: str = "new",
    version: int = 1,
    title: Callable[[str], str] = lambda title: title,
    images: Callable[[random.Random], list[dict[str, str]]] | None = None,
) -> list[Message]:
    """So many products that nobody has seen before: each must be encoded.

    Args:
        count: how many.
        seed: of everything that is drawn.
        name: what their ids begin with; those of two calls are the same if their names are.
        version: of each.
        title: makes a title of another one.
        images: draws a product's pictures; by default, paths and data as `generator` draws them, all to be had.
    """
    chance = random.Random(f"{seed} {name}")
    made = []
    for number in range(count):
        product = _plain(chance)
        product["title"] = title(f"{product['title']} number {number}")
        if images is not None:
            product["images"] = images(chance)
        made.append(event("upsert", f"{name}{number:05d}", version, product))
    return made


def from_host(addresses: Iterable[str]) -> Callable[[random.Random], list[dict[str, str]]]:
    """Draws one picture of those addresses for each product, each time under another one, so that none is known."""
    known = list(addresses)

    def images(chance: random.Random) -> list[dict[str, str]]:
        return [{"url": f"{chance.choice(known)}?{chance.getrandbits(32):08x}"}]

    return images


def poison(name: str, *, title: str, version: int = 1) -> Message:
    """A legal product whose title an encoder of the tests dies of."""
    return event("upsert", name, version, {"title": title, "attributes": {"category": KINDS[0], "price": 1.0}})


def _plain(chance: random.Random) -> dict:
    """A product all of whose pictures are to be had."""
    product = new_product(chance)
    product["title"] = f"{chance.choice(COLOURS)} {product['title']}"
    if any(image["url"] in ("images/broken.png", "images/missing.png") for image in product["images"]):
        product["images"] = []
    return product
