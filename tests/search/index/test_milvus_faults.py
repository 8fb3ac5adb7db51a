"""A Milvus that is dead, frozen or restarted: every call ends in time, and goes on when it is back."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

import numpy as np
import pytest
from tests.search.index.conftest import drop, new_name
from tests.search.index.relay import Relay
from tests.services.milvus import start_lite
from tests.services.processes import free_port

from fourtower_search.errors import IndexMismatch, IndexUnavailable
from fourtower_search.index.conditions import Every
from fourtower_search.index.deadline import Deadline
from fourtower_search.index.milvus.address import parse_address
from fourtower_search.index.milvus.connection import CHANNEL, Connection
from fourtower_search.index.milvus.layout import Shape
from fourtower_search.index.milvus.rows import MilvusRows
from fourtower_search.index.rows import Order, Row
from fourtower_search.index.settings import IndexSettings
from fourtower_search.schema import CatalogSchema

DIM = 4
SHAPE = Shape(CatalogSchema(), DIM, IndexSettings())
ROW = Row("p1", Order(1, False, "d"), 0, 1, vector=np.ones(DIM, dtype=np.float32), title="shoe")
QUERY = np.ones((1, DIM), dtype=np.float32)
ALL = Every(())
GRACE_S = 3.0
CALLS = {
    "upsert": lambda store, s: store.upsert([ROW], timeout_s=s),
    "delete": lambda store, s: store.delete(["nothing"], timeout_s=s),
    "states": lambda store, s: store.states(["p1"], consistency="strong", timeout_s=s),
    "rows": lambda store, s: store.rows(ALL, vectors=True, timeout_s=s),
    "keys": lambda store, s: store.keys(ALL, consistency="bounded", timeout_s=s),
    "search": lambda store, s: store.search(QUERY, ALL, limit=1, timeout_s=s),
    "count": lambda store, s: store.count(ALL, timeout_s=s),
}


def connect(port, timeout_s=20):
    return Connection(parse_address(f"milvus://127.0.0.1:{port}"), timeout_s=timeout_s)


@contextmanager
def fails_in(seconds):
    """The block raises IndexUnavailable within this time."""
    started = time.monotonic()
    with pytest.raises(IndexUnavailable) as caught:
        yield
    assert time.monotonic() - started < seconds + GRACE_S
    assert caught.value.retry_after_s > 0


@pytest.fixture
def lite(tmp_path):
    """A server that this test may stop."""
    service = start_lite(tmp_path / "lite")
    yield service
    service.stop()


@pytest.fixture
def relay(engine, address):
    relay = Relay(urlsplit(address).port)
    yield relay
    relay.close()


@pytest.fixture
def store(relay):
    connection = connect(relay.port)
    store = MilvusRows.create(connection, new_name(), SHAPE, timeout_s=60)
    store.upsert([ROW], timeout_s=20)
    yield store
    drop(connection, store.collection)
    store.close()


@pytest.mark.parametrize("engine", ["lite_server", "milvus"])
def test_a_silent_server_is_reported_in_time_and_used_again_when_it_speaks(store, relay):
    relay.freeze()
    try:
        for call in CALLS.values():
            with fails_in(0.4):
                call(store, 0.4)
    finally:
        relay.thaw()
    assert [state.key for state in store.states(["p1"], consistency="strong", timeout_s=20)] == [ROW.key]


@pytest.mark.parametrize("engine", ["lite_server", "milvus"])
def test_a_broken_connection_is_made_again_within_the_same_call(store, relay):
    for call in CALLS.values():
        relay.cut()
        call(store, 20)
    assert store.count(ALL, consistency="strong", timeout_s=20) == 1


@pytest.mark.parametrize("engine", ["lite_server"])
def test_a_lite_server_does_not_hang_up_on_a_client_that_has_nothing_to_ask(relay, monkeypatch):
    often = {"grpc.keepalive_time_ms": 1000, "grpc.http2.max_pings_without_data": 0}  # gRPC allows no more
    for option, value in often.items():
        monkeypatch.setitem(CHANNEL, option, value)
    with closing(connect(relay.port)) as connection:
        accepted = relay.accepted
        time.sleep(5)  # the third ping would be one too many
        connection.call("list_collections", "list its collections", Deadline(20))
    assert relay.accepted == accepted


def test_a_stopped_process_is_reported_in_time(lite):
    with closing(connect(lite.port)) as connection:
        store = MilvusRows.create(connection, new_name(), SHAPE, timeout_s=20)
        lite.signal(signal.SIGSTOP)
        try:
            with fails_in(0.5):
                store.search(QUERY, ALL, limit=1, timeout_s=0.5)
            with fails_in(0.5):
                connect(lite.port, timeout_s=0.5)
        finally:
            lite.signal(signal.SIGCONT)
        store.upsert([ROW], timeout_s=20)


def test_a_dead_server_is_reported_in_time_and_used_again_after_its_restart(lite, tmp_path):
    with closing(connect(lite.port)) as connection:
        store = MilvusRows.create(connection, new_name(), SHAPE, timeout_s=20)
        store.upsert([ROW], timeout_s=20)
        lite.signal(signal.SIGKILL)
        lite.process.wait()
        for call in CALLS.values():
            with fails_in(0.3):
                call(store, 0.3)

        answers = []
        waiting = threading.Thread(target=lambda: answers.append(store.count(ALL, timeout_s=60)))
        waiting.start()
        again = start_lite(tmp_path / "lite", port=lite.port)
        try:
            # The restarted server has loaded nothing (code 101): the call that waited for it sees to that.
            waiting.join()
            assert answers == [1]
            assert store.search(QUERY, ALL, limit=1, timeout_s=20)[0][0].row.product_id == "p1"
        finally:
            again.stop()


def test_nobody_there_is_reported_in_time():
    with fails_in(0.5):
        connect(free_port(), timeout_s=0.5)


@pytest.mark.parametrize("engine", ["lite_server"])
def test_a_forked_child_is_told_to_open_the_index_itself(store):
    store._connection._pid = os.getpid() + 1  # as a child of this process would see it
    try:
        with pytest.raises(IndexMismatch, match="forked"):
            store.count(ALL, timeout_s=5)
    finally:
        store._connection._pid = os.getpid()


@pytest.mark.parametrize("engine", ["lite_server"])
def test_a_closed_store_says_so(store):
    store.close()
    with pytest.raises(IndexUnavailable, match="closed"):
        store.count(ALL, timeout_s=5)


@pytest.mark.parametrize("engine", ["lite_file"])
def test_writers_of_one_file_take_turns_and_none_waits_forever(address):
    with closing(Connection(parse_address(address), timeout_s=20)) as connection:
        store = MilvusRows.create(connection, "rows", SHAPE, timeout_s=20)
        other = MilvusRows.open(connection, "rows", SHAPE, timeout_s=20)
        with store._turn(Deadline(5)), fails_in(0.2):
            other.upsert([ROW], timeout_s=0.2)
        other.upsert([ROW], timeout_s=5)
