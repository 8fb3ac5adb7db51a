"""The one check in which every test of the stream ends: index, dead letters and offsets are what the oracle says.

The log and the dead letters are read with a plain client, so nothing of ours stands between them and the oracle.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from tests.stream.cluster import Cluster
from tests.stream.generator import KINDS
from tests.stream.oracle import judge

from fourtower_encoders.embedder import Embedder
from fourtower_encoders.errors import ImageError
from fourtower_encoders.joint import product_rows
from fourtower_search import F, Filter, SearchClient
from fourtower_search.index.opening import open_index
from fourtower_search.index.product_index import ProductIndex
from fourtower_search.query.request import MAX_DEPTH, MAX_PAGE

Place = tuple[str, int, int]


class Raw(NamedTuple):
    """A record, as the broker has it."""

    place: Place
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


def read_log(bootstrap: str, topic: str) -> list[Raw]:
    """All records of a topic; those of one partition in their order."""
    from kafka import KafkaConsumer, TopicPartition

    consumer = KafkaConsumer(bootstrap_servers=bootstrap, group_id=None, enable_auto_commit=False)
    try:
        partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]
        consumer.assign(partitions)
        consumer.seek_to_beginning()
        ends = consumer.end_offsets(partitions)
        found: list[Raw] = []
        while any(consumer.position(partition) < end for partition, end in ends.items()):
            for records in consumer.poll(timeout_ms=1000).values():
                found += [Raw((r.topic, r.partition, r.offset), r.key, r.value, tuple(r.headers)) for r in records]
        return found
    finally:
        consumer.close()


def check_everything(cluster: Cluster, *, exactly_once_dead: bool = True) -> dict[str, int]:
    """Compare all there is with what the oracle makes of the log.

    Args:
        cluster: where all records are done with.
        exactly_once_dead: no dead letter may come twice; after a crash it may.

    Returns:
        how much was compared.
    """
    log = read_log(cluster.broker.bootstrap, cluster.topic)
    states, dead = judge(log)
    letters = [origin(letter) for letter in read_log(cluster.broker.bootstrap, cluster.dead_letters)]
    assert set(letters) == dead, _difference(log, cluster, dead)
    assert not exactly_once_dead or len(letters) == len(dead)
    committed, ends = cluster.committed(), cluster.ends()
    assert {partition: offset for partition, offset in committed.items() if partition in ends} == ends
    rows = _check_index(cluster, states)
    live = [name for name, (_, product) in states.items() if product is not None]
    _check_searches(cluster, set(live))
    return {"events": len(log), "products": len(live), "rows": rows, "dead": len(dead)}


def _check_index(cluster: Cluster, states: dict) -> int:
    with open_index(cluster.index, alias=cluster.alias) as index, Embedder.load("demo", runtime="onnx") as towers:
        return check_rows(index, states, towers, cluster.folder)


def check_rows(index: ProductIndex, states: dict, towers: Embedder, root: Path) -> int:
    """Compare all that a collection holds with what the oracle says, and count the rows."""
    stored = dict(index.iterate_stored(consistency="strong"))
    assert {name: (held.complete.version, held.complete.deleted) for name, held in stored.items()} == {
        name: (version, product is None) for name, (version, product) in states.items()
    }
    leftovers = {name for name, held in stored.items() if len(held.rows) != len(held.current)}
    assert leftovers == set(), "rows of older versions are left"
    live = {name: product for name, (_, product) in states.items() if product is not None}
    found = index.get(list(live), vectors=True, consistency="strong")
    for name, product in live.items():
        _check_rows(name, found[name].rows, product, towers, root)
    assert index.stats().rows == sum(len(held.rows) for held in stored.values())
    return sum(len(each.rows) for each in found.values())


def _check_rows(name: str, rows, product: dict, towers: Embedder, root: Path) -> None:
    assert len(rows) == max(1, len(product.get("images", ()))), name
    kept = rows[0]
    attributes = {**kept.attributes, **kept.payload.get("attributes", {})}
    assert kept.title == product.get("title", ""), name
    assert {key: list(value) if isinstance(value, tuple) else value for key, value in attributes.items()} == {
        key: value for key, value in product["attributes"].items() if value != []
    }, name
    vectors = np.stack([row.vector for row in rows])
    np.testing.assert_allclose(vectors, vectors_of(product, towers, root), atol=2e-4, err_msg=name)


def vectors_of(product: dict, towers: Embedder, root: Path):
    """The rows that a product's title and pictures come to."""
    missing: dict[int, ImageError] = {}
    sources = [image["url"] for image in product.get("images", ())]
    count, half = max(1, len(sources)), towers.dim
    images = np.zeros((count, half), dtype=np.float32)
    if sources:
        images = towers.embed_images(sources, role="product_image", root=root, on_error=missing.__setitem__)
    has_image = np.array([bool(sources) and view not in missing for view in range(count)])
    title = product.get("title", "")
    text = towers.embed_texts([title or "-"], role="product_text").repeat(count, axis=0)
    return product_rows(images, text, towers.params, has_image=has_image, has_text=np.array([bool(title)] * count))


def _check_searches(cluster: Cluster, live: set[str]) -> None:
    """Every product is found through the SDK, and nothing else is."""
    listed, found = find_all(cluster)
    assert listed == live
    assert found == live


def find_all(cluster: Cluster) -> tuple[set[str], set[str]]:
    """The products that the SDK lists, and those that searches for all kinds find."""
    with SearchClient(cluster.index, alias=cluster.alias) as client:
        kinds = {product.product_id: product.attributes.get("category") for product in client.products()}
        found: set[str] = set()
        for kind in KINDS:
            first = _search(client, kind)
            found |= first
            if len(first) >= MAX_DEPTH:  # no search shows more; so some at a time are searched among
                own = [name for name, category in kinds.items() if category == kind]
                for start in range(0, len(own), MAX_DEPTH):
                    found |= _search(client, kind, F.product_id.isin(own[start : start + MAX_DEPTH]))
        return set(kinds), found


def _search(client: SearchClient, kind: str, among: Filter | None = None) -> set[str]:
    """All that a search for a kind shows, page by page."""
    ours = F.category == kind
    options = {"where": ours if among is None else ours & among, "limit": MAX_PAGE, "depth": MAX_DEPTH}
    result = client.search(kind, **options)
    found = {hit.product_id for hit in result}
    while result.next_cursor:
        result = client.search(kind, **options, cursor=result.next_cursor)
        found |= {hit.product_id for hit in result}
    return found


def origin(letter: Raw) -> Place:
    """The place of the record that a dead letter is about."""
    context = dict(letter.headers)
    topic, number, offset = (context[f"x-dlq-{name}"].decode() for name in ("topic", "partition", "offset"))
    return topic, int(number), int(offset)


def _difference(log: list[Raw], cluster: Cluster, dead: set[Place]) -> str:
    """What is wrong with the dead letters, for whoever has to find out why."""
    letters = {origin(each): each for each in read_log(cluster.broker.bootstrap, cluster.dead_letters)}
    values = {record.place: (record.key, record.value) for record in log}
    surplus = [
        (values[place], dict(letters[place].headers)["x-dlq-code"], dict(letters[place].headers)["x-dlq-message"])
        for place in letters.keys() - dead
    ]
    lacking = [values[place] for place in dead - letters.keys()]
    return f"{len(surplus)} too many: {surplus[:5]}; {len(lacking)} too few: {lacking[:5]}"
