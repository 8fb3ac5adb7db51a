"""A shop's day as events: new products, changed prices, deletes, and everything that goes wrong with them, seeded.

Most events change a price. Some come twice, some in the wrong order, and about three of a hundred break the contract
or can't be indexed. What must become of them is not said here, but worked out by `oracle` from the log alone.
"""

from __future__ import annotations

import base64
import io
import json
import random
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

CATALOG = """
[attributes.category]
type = "string"
required = true
searchable = true

[attributes.price]
type = "float"
sortable = true

[attributes.stock]
type = "int"

[attributes.tags]
type = "strings"
"""
KINDS = ("mug", "lamp", "bag", "chair", "clock", "vase", "hat", "shoe", "pillow", "umbrella")
COLOURS = ("red", "green", "blue", "black", "pink", "teal", "yellow", "white", "purple", "orange")
PICTURES = 120
BAD_SHARE = 0.03


@dataclass(frozen=True)
class Message:
    """What is published."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()
    plain: bool = True
    """Whether `fourtower produce` would publish it; the rest only another client does."""


@dataclass
class Script:
    """A product's events: groups that stay together, in the order in which they are published."""

    product_id: str
    random: random.Random
    groups: list[list[Message]] = field(default_factory=list)
    version: int = 0

    def add(self, op: str, product: dict | None = None) -> Message:
        self.version += self.random.choice((1, 1, 1, 5))
        message = event(op, self.product_id, self.version, product)
        self.groups.append([message])
        return message


def draw_pictures(folder: Path) -> None:
    """The pictures that paths in events refer to."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for number in range(PICTURES):
        (folder / "images" / f"{number}.png").write_bytes(png(number, side=48))
    (folder / "images" / "broken.png").write_bytes(b"no picture at all")


def messages(count: int = 5_000, *, seed: int = 0) -> list[Message]:
    """So many events, in the order of publication."""
    chance = random.Random(seed)
    bad = bad_groups(chance, round(count * BAD_SHARE))
    good: list[list[Message]] = []
    scripts: list[Script] = []
    while sum(map(len, good)) < count - sum(map(len, bad)):
        scripts.append(script(f"p{len(scripts):04d}", chance))
        good = [group for each in scripts for group in each.groups]
    shuffled = interleaved([each.groups for each in scripts], chance)
    total = count - sum(map(len, bad))
    flat = [message for group in shuffled for message in group][:total]
    return [message for group in mixed(flat, bad, chance) for message in group]


def script(product_id: str, chance: random.Random) -> Script:
    """The life of one product."""
    own = Script(product_id, chance)
    product = new_product(chance)
    own.add("upsert", product)
    for _ in range(chance.randint(3, 18)):
        _step(own, product, chance)
    _disturb(own, chance)
    return own


def _step(own: Script, product: dict, chance: random.Random) -> None:
    kind = chance.choices(("price", "upsert", "text", "picture", "return"), (60, 20, 6, 6, 5))[0]
    attributes = product["attributes"]
    if kind == "price":
        attributes["price"] = round(chance.uniform(1, 200), 2)
        own.add("patch", {"attributes": {"price": attributes["price"]}})
    elif kind == "upsert":
        attributes["stock"] = chance.randrange(100)
        own.add("upsert", product)
    elif kind == "text":
        product["title"] = f"{chance.choice(COLOURS)} {product['title']}"[:80]
        tags = chance.choice((None, ["sale"], ["new", "sale"]))
        product["attributes"] = {**attributes, "tags": tags}
        own.add("patch", {"title": product["title"], "attributes": {"tags": tags}})
    elif kind == "picture":
        product["images"] = some_images(chance)
        own.add("patch", {"images": product["images"]})
    else:
        own.add("delete")
        if chance.random() < 0.3:
            own.groups[-1] = [null_delete(own.product_id, own.version)]
        own.add("upsert", product)
        if chance.random() < 0.4:  # a patch that overtakes the product that it changes
            own.add("patch", {"attributes": {"stock": chance.randrange(100)}})
            late, early = own.groups.pop(), own.groups.pop()
            own.groups.append([*late, *early])


def _disturb(own: Script, chance: random.Random) -> None:
    """Let events come twice, and in the wrong order where that leaves every patch something to change."""
    for position in range(len(own.groups) - 1, 0, -1):
        if chance.random() < 0.06:
            own.groups.insert(chance.randint(position, len(own.groups)), list(own.groups[position]))
    for position in range(1, len(own.groups) - 2):
        if chance.random() < 0.1 and not any(_ends(group) for group in own.groups[position : position + 3]):
            own.groups[position + 1 : position + 3] = reversed(own.groups[position + 1 : position + 3])
    if chance.random() < 0.08:
        own.add("delete")


def _ends(group: list[Message]) -> bool:
    return len(group) > 1 or any(each.value is None or b'"delete"' in each.value for each in group)


def new_product(chance: random.Random) -> dict:
    kind, colour = chance.choice(KINDS), chance.choice(COLOURS)
    attributes = {"category": kind, "price": round(chance.uniform(1, 200), 2), "stock": 3, "maker": "Finch"}
    return {"title": f"{colour} {kind}", "images": some_images(chance), "attributes": attributes}


def some_images(chance: random.Random) -> list[dict]:
    if chance.random() < 0.1:
        return [{"url": data_url(chance.randrange(20))}]
    if chance.random() < 0.04:
        return [{"url": chance.choice(("images/broken.png", "images/missing.png"))}]
    count = chance.choices((0, 1, 2, 3), (10, 60, 20, 10))[0]
    return [{"url": f"images/{number}.png"} for number in chance.sample(range(PICTURES), count)]


def bad_groups(chance: random.Random, count: int) -> list[list[Message]]:
    """Records that end as dead letters, some of them after a good one of the same product."""
    groups: list[list[Message]] = []
    while sum(map(len, groups)) < count:
        number = len(groups)
        groups.append(BAD[number % len(BAD)](f"bad{number:04d}", chance))
    return groups


def _garbage(value: bytes):
    return lambda product_id, chance: [Message(product_id.encode(), value, plain=False)]


def _changed(**changes):
    """An upsert with some of its fields exchanged."""

    def made(product_id: str, chance: random.Random) -> list[Message]:
        fields = {"op": "upsert", "product_id": product_id, "version": 1, "product": new_product(chance)} | changes
        kept = {name: value for name, value in fields.items() if value is not ...}
        return [Message(product_id.encode(), json.dumps(kept).encode(), plain=False)]

    return made


def _product(plain=False, **changes):
    """An upsert of a product with some of its fields exchanged."""

    def made(product_id: str, chance: random.Random) -> list[Message]:
        value = event("upsert", product_id, 1, new_product(chance) | changes)
        return [Message(value.key, value.value, plain=plain)]

    return made


def _orphan(product_id: str, chance: random.Random) -> list[Message]:
    return [event("patch", product_id, 3, {"attributes": {"price": 5.0}})]


def _bad_patch(product_id: str, chance: random.Random) -> list[Message]:
    """Good, then a patch that does not fit the catalog: folded or not, only the patch may die."""
    first = event("upsert", product_id, 1, new_product(chance))
    return [first, event("patch", product_id, 2, {"attributes": {"price": "cheap"}})]


def _bad_successor(product_id: str, chance: random.Random) -> list[Message]:
    first = event("upsert", product_id, 1, new_product(chance))
    return [first, event("upsert", product_id, 2, {"title": "no category"})]


def _other_key(product_id: str, chance: random.Random) -> list[Message]:
    value = event("upsert", product_id, 1, new_product(chance)).value
    return [Message(b"somebody-else", value, plain=False)]


def _no_key(product_id: str, chance: random.Random) -> list[Message]:
    return [Message(None, event("upsert", product_id, 1, new_product(chance)).value, plain=False)]


BAD = (
    _garbage(b"{]"),
    _garbage(b'{"op": "upsert", "product_id": "\xff\xfe"}'),
    _garbage(b'"just text"'),
    _garbage(b"[" * 3000),
    _garbage(b'\xef\xbb\xbf{"op": "delete"}'),
    _changed(version=...),
    _changed(version="7"),
    _changed(version=True),
    _changed(version=2**63),
    _changed(op="insert"),
    _changed(colour="red"),
    _changed(product=[]),
    _product(price=3),
    _product(title=7),
    _product(images=[{"url": "../secret.png"}]),
    _product(images=[{"url": "ftp://host/a.png"}]),
    _product(attributes={"category": "mug", "price": float("nan")}),
    _product(attributes={"category": "mug", "size": {"w": 1}}),
    _other_key,
    _no_key,
    lambda product_id, chance: [Message(product_id.encode(), None, plain=False)],
    _product(plain=True, attributes={"category": "mug", "price": "cheap"}),
    _product(plain=True, title="", images=[]),
    _orphan,
    _bad_patch,
    _bad_successor,
)


def event(op: str, product_id: str, version: int, product: dict | None = None) -> Message:
    fields = {"op": op, "product_id": product_id, "version": version}
    value = json.dumps(fields if product is None else fields | {"product": product})
    return Message(product_id.encode(), value.encode())


def null_delete(product_id: str, version: int) -> Message:
    """A delete as brokers know it."""
    return Message(product_id.encode(), None, (("x-version", str(version).encode()),), plain=False)


def interleaved(streams: list[list], chance: random.Random) -> list:
    """All streams as one, each in its own order."""
    left = [iter(stream) for stream in streams]
    turns = [number for number, stream in enumerate(streams) for _ in stream]
    chance.shuffle(turns)
    return [next(left[turn]) for turn in turns]


def mixed(flat: list[Message], groups: list[list[Message]], chance: random.Random) -> list[list[Message]]:
    """Groups thrown in among single messages."""
    return interleaved([[[message] for message in flat], *([group] for group in groups)], chance)


def data_url(seed: int) -> str:
    return "data:image/png;base64," + base64.b64encode(png(1000 + seed, side=16)).decode()


def png(seed: int, *, side: int) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).resize((side, side), Image.Resampling.BICUBIC).save(buffer, "PNG")
    return buffer.getvalue()
