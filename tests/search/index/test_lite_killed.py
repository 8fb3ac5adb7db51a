"""Milvus Lite's server as tests and `make stack` start it: what it has acknowledged survives its being killed."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor

from pymilvus import DataType, MilvusClient
from tests.services.milvus import start_lite
from tests.services.processes import free_port

WRITERS, BATCHES, ROWS = 8, 30, 64


def test_writes_that_came_together_are_there_after_a_kill(tmp_path):
    port = free_port()
    server = start_lite(tmp_path, port=port)
    _create(port)
    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(lambda writer: _write(port, writer), range(WRITERS)))
    server.signal(signal.SIGKILL)
    server.process.wait(timeout=10)
    server = start_lite(tmp_path, port=port)
    try:
        assert _count(port) == WRITERS * BATCHES * ROWS
    finally:
        server.stop()


def _client(port):
    return MilvusClient(uri=f"http://127.0.0.1:{port}", timeout=120)  # this is about what survives, not about how fast


def _create(port):
    client = _client(port)
    schema = client.create_schema()
    schema.add_field("key", DataType.VARCHAR, is_primary=True, max_length=64)
    schema.add_field("text", DataType.VARCHAR, max_length=4096)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=128)
    index = client.prepare_index_params()
    index.add_index("vector", index_type="FLAT", metric_type="IP")
    client.create_collection("rows", schema=schema, index_params=index)
    client.close()


def _write(port, writer):
    client = _client(port)
    for batch in range(BATCHES):
        keys = [f"{writer}-{batch}-{number}" for number in range(ROWS)]
        client.upsert("rows", [{"key": key, "text": key * 400, "vector": [0.5] * 128} for key in keys])
    client.close()


def _count(port):
    client = _client(port)
    client.load_collection("rows")
    found = client.query("rows", filter='key != ""', output_fields=["count(*)"], consistency_level="Strong")
    client.close()
    return found[0]["count(*)"]
