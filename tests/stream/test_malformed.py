"""Whatever is in the log, each record ends as it should, and none keeps another one from doing so."""

from __future__ import annotations

import re

import pytest
from kafka import KafkaProducer
from tests.ingest.broker.test_unreadable import batches, with_another_codec
from tests.stream.cluster import Cluster, wait_until
from tests.stream.corpus import APPLIED, records
from tests.stream.generator import event
from tests.stream.verdict import read_log

from fourtower_search.index.opening import open_index

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def publish(cluster: Cluster, sent) -> dict[tuple[str, int, int], object]:
    """Publish with a plain client, as compressed as a client may; what was sent, by place."""
    producer = KafkaProducer(
        bootstrap_servers=cluster.broker.bootstrap, compression_type="gzip", max_request_size=2**24, linger_ms=0
    )
    try:
        found = {}
        for each in sent:
            future = producer.send(cluster.topic, key=each.key, value=each.value, headers=list(each.headers))
            place = future.get(timeout=30)
            found[place.topic, place.partition, place.offset] = each
        return found
    finally:
        producer.close()


def test_each_odd_record_meets_its_fate_and_no_other_does(new_cluster):
    cluster = new_cluster(compacted=True)
    good = [event("upsert", f"good{n}", 1, {"title": "lamp", "attributes": {"category": "lamp"}}) for n in range(100)]
    cluster.start()
    odd = publish(cluster, records())
    cluster.kcat(good)
    cluster.wait_until_done()

    letters = [dict(letter.headers) | {"value": letter.value, "key": letter.key} for letter in dead(cluster)]
    codes = {place_of(letter): letter["x-dlq-code"].decode() for letter in letters}
    assert {odd[place].name: code for place, code in codes.items()} == {
        each.name: each.fate for each in odd.values() if each.fate != APPLIED
    }
    assert len(letters) == len(codes), "none comes twice"
    for letter in letters:
        sent = odd[place_of(letter)]
        assert letter["key"] == sent.key
        assert letter["value"] == sent.value or "x-dlq-size" in letter
        assert re.fullmatch(r"[\x20-\x7e]{15,500}", letter["x-dlq-message"].decode()), sent.name

    with open_index(cluster.index, alias=cluster.alias) as index:
        stored = dict(index.iterate_stored(consistency="strong"))
    applied = {each.key.decode() for each in odd.values() if each.fate == APPLIED}
    assert stored.keys() == applied | {each.key.decode() for each in good}
    assert all(held.complete is not None for held in stored.values())


def dead(cluster: Cluster):
    return read_log(cluster.broker.bootstrap, cluster.dead_letters)


def place_of(letter) -> tuple[str, int, int]:
    topic, number, offset = (letter[f"x-dlq-{name}"].decode() for name in ("topic", "partition", "offset"))
    return topic, int(number), int(offset)


def test_a_batch_of_an_unknown_codec_stops_its_partition_and_no_other(new_kafka, tmp_path):
    broker = new_kafka()
    cluster = Cluster(tmp_path / "cluster", broker, compacted=True, partitions=2)
    try:
        cluster.redis.start()
        cluster.milvus.start()
        cluster.prepare()
        product = {"title": "lamp", "attributes": {"category": "lamp"}}
        for n in range(5):
            cluster.kcat([event("upsert", f"left{n}", 1, product)], "-p", "0")
        cluster.kcat([event("upsert", f"right{n}", 1, product) for n in range(20)], "-p", "1")
        broker.stop()
        segment = broker.segments(cluster.topic, 0)[0]
        data = bytearray(segment.read_bytes())
        with_another_codec(data, list(batches(data))[2])
        segment.write_bytes(data)
        broker.start()
        cluster.worker.start()
        cluster.ingester.start()

        left, right = (cluster.topic, 0), (cluster.topic, 1)
        wait_until(lambda: cluster.committed().get(right) == 20, what="the other partition is done with")
        wait_until(lambda: cluster.committed().get(left) == 2, what="what lies before it is done with")
        wait_until(lambda: f"{cluster.topic}[0]" in cluster.ingester.log.read_text(), what="it is said")
        cluster.kcat([event("upsert", "right", 2, product)], "-p", "1")
        wait_until(lambda: cluster.committed().get(right) == 21, what="the other partition goes on")
        cluster.check_alive()
        assert cluster.committed().get(left) == 2
        assert dead(cluster) == []
        with open_index(cluster.index, alias=cluster.alias) as index:
            names = {product.product_id for product in index.iterate()}
        assert names == {"left0", "left1", "right", *(f"right{n}" for n in range(20))}
    finally:
        cluster.stop()
