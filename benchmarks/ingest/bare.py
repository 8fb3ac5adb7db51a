"""What our processes are compared with, each in a process that does nothing else: `python -m benchmarks.ingest.bare`.

It reads one request per line, does it, and answers with the seconds that it took: whatever is made ready before the
clock starts is not counted.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.cores import REST, WORKER, pin

if TYPE_CHECKING:
    from fourtower_encoders.embedder import Embedder

THREADS = 8
"""That write at once: as many as a `ProductIndex` has."""
TIMEOUT_S = 60.0
_embedders: dict[str, Embedder] = {}


def embed(model: str, files: list[str], batch: int) -> float:
    """Embed files with the bare Embedder, on the worker's core."""
    from fourtower_encoders.embedder import Embedder

    pin(WORKER)
    if model not in _embedders:
        _embedders[model] = Embedder.load(model, device="cpu")
        _embedders[model].embed_images(files[:batch], role="product_image", batch_size=batch)
    began = time.perf_counter()
    _embedders[model].embed_images([Path(file) for file in files], role="product_image", batch_size=batch)
    return time.perf_counter() - began


def upsert(
    *, address: str, alias: str, pictures: str, products: int, first_version: int, versions: int, batch: int
) -> float:
    """Upsert the rows of price events with plain pymilvus, on the worker's core; the entities lie ready."""
    from pymilvus import MilvusClient

    from benchmarks.ingest.events import Shop, vectors
    from fourtower_search.index.milvus.entities import entity_of
    from fourtower_search.index.opening import open_index

    pin(WORKER)
    shop = Shop(pictures)
    with open_index(address, alias=alias, timeout_s=TIMEOUT_S) as index:
        assert index.record is not None, "indexes on a server are recorded"
        collection = index.record.collection
        drawn = vectors(products, index.dim // 2)
        writes = (
            shop.write(event, index.schema, index.model_id, drawn[place % products], "raw")
            for place, event in enumerate(shop.prices(products, range(first_version, first_version + versions)))
        )
        lexical = index.capabilities.lexical
        rows = [entity_of(write.rows[0], index.schema, index.dim, "float32", lexical=lexical) for write in writes]
    client = MilvusClient(uri=address.replace("milvus://", "http://"), timeout=TIMEOUT_S)

    def send(start: int) -> None:
        client.upsert(collection, rows[start : start + batch], timeout=TIMEOUT_S)

    with ThreadPoolExecutor(THREADS) as pool:
        pool.submit(client.get_load_state, collection).result()
        began = time.perf_counter()
        for done in [pool.submit(send, start) for start in range(0, len(rows), batch)]:
            done.result()
        took = time.perf_counter() - began
    client.close()
    return took


def poll(bootstrap: str, topic: str, starts: dict[str, int], count: int) -> float:
    """Read as many records as there are with a bare loop, where the ingester runs."""
    from kafka import KafkaConsumer, TopicPartition

    pin(REST)
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    partitions = {TopicPartition(topic, int(number)): offset for number, offset in starts.items()}
    consumer.partitions_for_topic(topic)  # by now it is connected; fetching begins as soon as anything is assigned
    seen, began = 0, time.perf_counter()
    consumer.assign(list(partitions))
    for partition, offset in partitions.items():
        consumer.seek(partition, offset)
    while seen < count:
        seen += sum(map(len, consumer.poll(timeout_ms=50, max_records=500).values()))
    took = time.perf_counter() - began
    consumer.close()
    return took


WORK: dict[str, Callable[..., float]] = {"embed": embed, "upsert": upsert, "poll": poll}


def main() -> None:
    """Answer requests until there are no more."""
    for line in sys.stdin:
        request: dict[str, Any] = json.loads(line)
        seconds = WORK[request.pop("work")](**request)
        print(json.dumps({"seconds": seconds}), flush=True)


if __name__ == "__main__":
    main()
