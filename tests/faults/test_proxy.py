"""The proxy between a client and a small server on this machine."""

import socket
import socketserver
import threading
import time

import pytest
from tests.faults.proxy import Proxy

PATIENCE_S = 5


class Echo(socketserver.ThreadingTCPServer):
    """Says everything again, and remembers what it heard."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answering)
        self.heard = []
        self.accepted = 0


class Answering(socketserver.BaseRequestHandler):
    def handle(self):
        self.server.accepted += 1
        try:
            while data := self.request.recv(65_536):
                self.server.heard.append(data)
                self.request.sendall(data)
        except OSError:
            pass


@pytest.fixture
def server():
    with Echo() as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def proxy(server):
    proxy = Proxy(server.server_address[1])
    yield proxy
    proxy.close()


@pytest.fixture
def connect(proxy):
    opened = []

    def connected():
        opened.append(socket.create_connection(("127.0.0.1", proxy.port), timeout=PATIENCE_S))
        return opened[-1]

    yield connected
    for client in opened:
        client.close()


def said(client, words):
    """Say something and read as much."""
    client.sendall(words)
    return read(client, len(words))


def read(client, count):
    found = b""
    while len(found) < count and (data := client.recv(count - len(found))):
        found += data
    return found


def is_quiet(client, seconds=0.2):
    client.settimeout(seconds)
    try:
        client.recv(1)
    except TimeoutError:
        return True
    finally:
        client.settimeout(PATIENCE_S)
    return False


def until(condition):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_bytes_pass_both_ways_and_ends_are_passed_on(proxy, connect):
    client = connect()
    words = bytes(range(256)) * 4_000
    sending = threading.Thread(target=client.sendall, args=(words,))
    sending.start()
    assert read(client, len(words)) == words
    sending.join()
    client.shutdown(socket.SHUT_WR)
    assert client.recv(1) == b""
    until(lambda: proxy.connections == 0)


def test_answers_are_late_by_the_latency(proxy, connect):
    client = connect()
    assert said(client, b"a") == b"a"
    proxy.behave(latency_s=0.3)
    began = time.monotonic()
    assert said(client, b"b") == b"b"
    assert time.monotonic() - began >= 0.3


def test_a_latency_that_is_taken_back_holds_nothing_any_longer(proxy, connect):
    client = connect()
    proxy.behave(latency_s=60)
    client.sendall(b"a")
    assert is_quiet(client)
    proxy.heal()
    assert read(client, 1) == b"a"


def test_few_bytes_per_second_pass_where_few_may(proxy, connect):
    client = connect()
    proxy.behave(bytes_per_s=100)
    began = time.monotonic()
    assert said(client, b"x" * 30) == b"x" * 30
    assert time.monotonic() - began >= 0.19


def test_what_was_frozen_arrives_afterwards(server, proxy, connect):
    client = connect()
    assert said(client, b"a") == b"a"
    proxy.behave(frozen=True)
    client.sendall(b"b")
    assert is_quiet(client)
    assert server.heard == [b"a"]
    proxy.heal()
    assert read(client, 1) == b"b"


def test_a_black_hole_swallows_what_is_said_on_old_and_new_connections(server, proxy, connect):
    old = connect()
    assert said(old, b"a") == b"a"
    proxy.behave(silent=True)
    new = connect()
    for client in (old, new):
        client.sendall(b"lost")
        assert is_quiet(client)
    proxy.heal()
    for client in (old, new):
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    assert (server.heard, server.accepted) == ([b"a"], 1)
    assert said(connect(), b"b") == b"b"


def test_a_mute_server_hears_and_its_answers_are_lost(server, proxy, connect):
    client = connect()
    proxy.behave(mute=True)
    client.sendall(b"a")
    until(lambda: server.heard == [b"a"])
    assert is_quiet(client)
    proxy.heal()
    with pytest.raises(ConnectionResetError):
        client.recv(1)


def test_one_answer_is_dropped_and_its_connection_breaks(server, proxy, connect):
    victim, other = connect(), connect()
    assert said(other, b"a") == b"a"
    proxy.drop_next_answer()
    victim.sendall(b"b")
    with pytest.raises(ConnectionResetError):
        victim.recv(1)
    assert b"b" in server.heard
    assert said(other, b"c") == b"c"
    assert said(connect(), b"d") == b"d"


def test_a_reset_breaks_what_is_open_and_nothing_else(proxy, connect):
    client = connect()
    assert said(client, b"a") == b"a"
    proxy.reset()
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    assert said(connect(), b"b") == b"b"


def test_who_is_refused_is_reset_and_the_server_never_hears_of_it(server, proxy, connect):
    proxy.behave(refuse=True)
    with pytest.raises(ConnectionResetError):
        connect().recv(1)
    assert server.accepted == 0


def test_a_server_that_is_not_there_is_a_broken_connection():
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    proxy = Proxy(port)
    try:
        with socket.socket() as client, pytest.raises(ConnectionResetError):
            _first_byte(client, proxy.port)
    finally:
        proxy.close()


def _first_byte(client, port):
    """Either may hear of a refusal first: the call that connects, or the one that reads."""
    client.settimeout(PATIENCE_S)
    client.connect(("127.0.0.1", port))
    return client.recv(1)


@pytest.mark.parametrize("manners", [{"frozen": True}, {"silent": True}, {"latency_s": 60}, {"bytes_per_s": 1}])
def test_closing_ends_connections_that_hang(proxy, connect, manners):
    client = connect()
    assert said(client, b"a") == b"a"
    proxy.behave(**manners)
    connect().sendall(b"x" * 100)
    client.sendall(b"x" * 100)
    began = time.monotonic()
    proxy.close()
    assert time.monotonic() - began < PATIENCE_S
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", proxy.port), timeout=1)
