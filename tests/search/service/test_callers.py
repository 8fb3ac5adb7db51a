"""Whoever leaves takes their place in the queue along, and overload is turned away at once."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.search.service.live import Held, error_of, posted, running, settings_of, stranger, until

from fourtower_search.client import SearchClient
from fourtower_search.service.app import create_app

SLOW = {"query": "mug", "rerank": "held"}
HALF = posted("/search", b" " * 100)[:-99]


class Busy:
    """A service with one thread, which a search holds."""

    def __init__(self, app, address, held):
        self.load, self.service, self.address, self.held = (
            app.state.service.admission.load,
            app.state.service,
            address,
            held,
        )
        host, port = address.removeprefix("http://").split(":")
        self.place = (host, int(port))

    def knock(self, body):
        """A connection that has asked and listens no more than it must."""
        data = json.dumps(body).encode()
        connection = socket.create_connection(self.place, timeout=30)
        connection.sendall(posted("/search", data))
        return connection


@pytest.fixture
def busy(shop, demo_embedder):
    held = Held()
    with SearchClient(shop, model=demo_embedder, rerankers={"held": held}) as client:
        app = create_app(settings_of(threads=1, waiting=4, batch=1, page=False), client=client)
        with running(app) as address:
            try:
                yield Busy(app, address, held)
            finally:
                held.go.set()


def test_a_caller_who_leaves_leaves_the_queue(busy):
    with busy.knock(SLOW):
        assert busy.held.entered.acquire(timeout=30)
        waiting = [busy.knock({"query": f"mug {n}"}) for n in range(3)]
        until(lambda: busy.load().waiting == 3)
        for connection in waiting[:2]:
            connection.close()
        until(lambda: busy.load().waiting == 1)
        assert busy.load().abandoned == 2
        busy.held.go.set()
        assert waiting[2].recv(100).startswith(b"HTTP/1.1 200")
        waiting[2].close()
        until(lambda: busy.load().running == 0)
        assert busy.load().batches == 2, "what was abandoned was never searched"


def test_those_for_whom_there_is_no_room_are_sent_away_at_once(busy):
    with busy.knock(SLOW), stranger(busy.address) as http, ThreadPoolExecutor(6) as pool:
        assert busy.held.entered.acquire(timeout=30)
        waiting = [pool.submit(http.post, "/search", json={"query": f"mug {n}"}) for n in range(4)]
        until(lambda: busy.load().waiting == 4)
        response = http.post("/search", json={"query": "one too many"})
        said = error_of(response, 503, "overloaded")
        assert int(response.headers["retry-after"]) >= 1
        assert said["detail"]["retry_after_s"] > 0
        busy.held.go.set()
        assert {each.result().status_code for each in waiting} == {200}
    assert busy.load().turned_away == 1


def test_a_body_is_not_read_when_there_is_no_room(busy):
    with busy.knock(SLOW), stranger(busy.address) as http, ThreadPoolExecutor(6) as pool:
        assert busy.held.entered.acquire(timeout=30)
        waiting = [pool.submit(http.post, "/search", json={"query": f"mug {n}"}) for n in range(4)]
        until(lambda: busy.load().waiting == 4)
        with socket.create_connection(busy.place, timeout=10) as connection:
            connection.sendall(HALF)
            assert b" 503 " in connection.recv(100), "the rest is not waited for"
        busy.held.go.set()
        assert {each.result().status_code for each in waiting} == {200}


def test_a_caller_who_leaves_in_the_middle_of_a_body_harms_nobody(busy):
    with socket.create_connection(busy.place, timeout=30) as connection:
        connection.sendall(HALF)
    registry = busy.service.metrics.registry
    left = {"route": "/search", "status": "499"}
    until(lambda: registry.get_sample_value("fourtower_service_requests_total", left) == 1)
    with stranger(busy.address) as http:
        assert http.post("/search", json={"query": "mug"}).status_code == 200
