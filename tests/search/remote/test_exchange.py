"""Servers that break, hang, lie or are somebody else: each call ends in time, with a sentence that says what to do."""

import gzip
import re
import socket
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.search.remote.stand import SCHEMA, problem, raw, reply

from fourtower_search import SearchClient
from fourtower_search.errors import (
    AccessDenied,
    IndexMismatch,
    IndexUnavailable,
    InvalidQuery,
    Overloaded,
    SearchError,
    UnknownProduct,
)

COUNTED = reply({"count": 7, "generation": "shop_g1"})


def reset(connection):
    """Break the connection off, so that the other side hears of it as of an error."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def hang_up(connection):
    """End the connection without a word."""


def begin_and_stop(connection):
    """Promise more than is sent."""
    connection.sendall(COUNTED[:-5])


def slowly(data, stand):
    """Send a byte now and then, until the client has had enough."""

    def send(connection):
        for byte in data:
            if stand._closing.wait(0.05):
                return
            connection.sendall(bytes([byte]))

    return send


def without_end(connection):
    """A body that never ends."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[")
    while True:
        connection.sendall(b"1," * 50_000)


@pytest.mark.parametrize("fault", [reset, hang_up, begin_and_stop], ids=lambda fault: fault.__name__)
def test_what_breaks_is_tried_again_under_the_same_id(stand, client, fault):
    stand.answers(fault, fault, COUNTED)
    assert client.count() == 7
    assert len(stand.asked) == 3
    assert len({asked.headers["x-request-id"] for asked in stand.asked}) == 1


@pytest.mark.parametrize("fault", [reset, hang_up, begin_and_stop], ids=lambda fault: fault.__name__)
def test_what_breaks_every_time_is_given_up(stand, client, fault):
    stand.answers(fault)
    with pytest.raises(IndexUnavailable, match=r"broke off its answer \(.*try again later. \(Request [0-9a-f]{32}\.\)"):
        client.count()
    assert len(stand.asked) == 4


@pytest.mark.parametrize("kind", ["nothing", "a slow body", "slow headers", "after half a body"])
def test_a_server_that_hangs_is_given_up_in_time(stand, client, kind):
    stand.answers(
        {
            "nothing": lambda _: stand.wait(),
            "a slow body": slowly(COUNTED, stand),
            "slow headers": slowly(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 1000, stand),
            "after half a body": lambda connection: (connection.sendall(COUNTED[:-5]), stand.wait()),
        }[kind]
    )
    start = time.monotonic()
    with pytest.raises(IndexUnavailable, match="did not answer in time") as raised:
        client.count(timeout_s=0.6)
    assert time.monotonic() - start < 3
    assert raised.value.retry_after_s > 0


def test_the_service_is_told_how_long_the_caller_waits(stand, client):
    stand.answers(reset, COUNTED)
    client.count(timeout_s=5)
    first, second = (float(asked.headers["x-timeout-s"]) for asked in stand.asked)
    assert 4 < second < first <= 5


def test_who_is_told_to_wait_waits(stand, client):
    stand.answers(problem("overloaded", 503, retry_after="1"), COUNTED)
    start = time.monotonic()
    assert client.count() == 7
    assert time.monotonic() - start >= 1


@pytest.mark.parametrize("status", [429, 503])
def test_who_has_no_time_to_wait_is_told_at_once(stand, client, status):
    code = {429: "rate_limited", 503: "overloaded"}[status]
    stand.answers(problem(code, status, retry_after="60", detail={"retry_after_s": 59.5}))
    start = time.monotonic()
    with pytest.raises(Overloaded, match="A sentence") as raised:
        client.count()
    assert time.monotonic() - start < 5
    assert raised.value.retry_after_s == 59.5
    assert len(stand.asked) == 1


@pytest.mark.parametrize(
    "answer",
    [
        problem("index_mismatch", 503, "Pass model=."),
        problem("internal", 500, "The log says what."),
        problem("unknown_product", 404),
        problem("invalid_query", 422),
        problem("unauthenticated", 401),
        problem("too_large", 413),
    ],
    ids=lambda answer: re.search(rb'"code": "(\w+)"', answer)[1].decode(),
)
def test_what_stays_as_it_is_is_not_asked_again(stand, client, answer):
    stand.answers(answer)
    with pytest.raises(SearchError):
        client.count()
    assert len(stand.asked) == 1


def test_errors_arrive_with_the_id_that_the_log_knows_but_for_wrong_queries(stand, client):
    stand.answers(problem("internal", 500, "The log says what."))
    with pytest.raises(SearchError, match=r"^The log says what. \(Request ([0-9a-f]{32})\.\)$") as raised:
        client.count()
    assert stand.asked[0].headers["x-request-id"] in str(raised.value)
    stand.answers(problem("invalid_query", 422, "Say what to look for."))
    with pytest.raises(InvalidQuery, match=r"^Say what to look for\.$"):
        client.count()
    stand.answers(problem("unknown_product", 404, "There is none."))
    with pytest.raises(UnknownProduct, match="There is none"):
        client.count()


FOREIGN = {
    "a page": (raw(b"<html>Welcome</html>", content_type="text/html"), IndexMismatch, "no Fourtower service"),
    "a missing page": (raw(b"<h1>404</h1>", 404, content_type="text/html"), IndexMismatch, "it answers 404"),
    "another api": (reply({"message": "no Route matched"}, 404), IndexMismatch, "it answers 404"),
    "a redirect": (raw(b"", 302, location="http://127.0.0.1:9/x\x1b[31m"), IndexMismatch, r"redirects to http://127"),
    "a permanent one": (raw(b"", 308, location="https://x.test/"), IndexMismatch, "give the address there"),
    "a login": (raw(b"<html>", 401, content_type="text/html"), AccessDenied, r"denies access \(401\)"),
    "a proxy": (raw(b"<html>Bad Gateway", 502, content_type="text/html"), IndexUnavailable, "answers 502"),
    "no content": (raw(b"", 204), IndexMismatch, "it answers 204"),
    "half JSON": (raw(b'{"count": ', content_type="application/json"), IndexMismatch, "no valid JSON"),
    "no numbers": (raw(b'{"count": NaN}', content_type="application/json"), IndexMismatch, "no valid JSON"),
    "half characters": (raw(b'{"a": "\\ud800"}', content_type="application/json"), IndexMismatch, "no valid JSON"),
    "no UTF-8": (raw(b'{"a": "\xff"}', content_type="application/json"), IndexMismatch, "no valid JSON"),
    "depths": (raw(b"[" * 200_000, content_type="application/json"), IndexMismatch, "no valid JSON"),
    "a huge number": (raw(b"1" * 9000, content_type="application/json"), IndexMismatch, "no valid JSON"),
    "a list": (reply([1, 2]), IndexMismatch, "the answer is not an object"),
    "no count": (reply({"count": "7"}), IndexMismatch, "count is not a whole number"),
    "packed oddly": (raw(b"x", content_encoding="br", content_type="application/json"), IndexMismatch, "'br'"),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_what_is_no_service_of_ours_is_recognised(stand, client, case):
    answer, kind, sentence = FOREIGN[case]
    stand.answers(answer)
    with pytest.raises(kind, match=sentence) as raised:
        client.count(timeout_s=3)
    assert type(raised.value) is kind
    if "is not" not in sentence:  # what was read and does not fit is another matter than what came
        assert stand.asked[-1].headers["x-request-id"] in str(raised.value)
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("case", ["a page", "a redirect", "a proxy", "half JSON"])
def test_it_is_recognised_when_a_client_is_made(stand, case):
    answer, kind, sentence = FOREIGN[case]
    stand.schema(answer)
    with pytest.raises(kind, match=sentence):
        SearchClient(stand.address, timeout_s=2)


def test_no_sentence_of_a_stranger_takes_over_the_terminal(stand, client):
    stand.answers(problem("invalid_query", 422, "\x1b[31m" + "x" * 100_000))
    with pytest.raises(InvalidQuery) as raised:
        client.count()
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) <= 2000


def test_an_answer_without_end_is_cut(stand, client):
    stand.answers(without_end)
    with pytest.raises(IndexMismatch, match="more than 64,000,000 bytes; ask for fewer"):
        client.count()


def test_a_small_packet_that_grows_without_end_is_cut(stand, client):
    stand.answers(raw(gzip.compress(bytes(70_000_000), 1), content_encoding="gzip", content_type="application/json"))
    with pytest.raises(IndexMismatch, match="more than 64,000,000 bytes"):
        client.count()


def test_packed_answers_are_read_and_cut_ones_asked_again(stand, client):
    body = gzip.compress(b'{"count": 7, "generation": "g"}')
    headers = {"content_encoding": "gzip", "content_type": "application/json"}
    stand.answers(raw(body[:-9], **headers), raw(body, **headers))
    assert client.count() == 7


def test_nobody_there_is_said_soon_and_with_the_remedy(stand):
    stand.close()
    start = time.monotonic()
    with pytest.raises(
        IndexUnavailable, match=r"can't be reached \(.*Connection refused\).*`fourtower serve` starts one"
    ):
        SearchClient(stand.address)
    assert time.monotonic() - start < 5


def test_a_connection_is_used_again_and_replaced_when_it_ended(stand, client):
    stand.answers(COUNTED)
    for _ in range(5):
        client.count()
    assert stand.connections == 1
    stand.answers(reset, COUNTED)
    client.count()
    assert stand.connections == 2


def test_threads_share_a_client(stand, client):
    stand.answers(COUNTED)
    with ThreadPoolExecutor(16) as threads:
        assert list(threads.map(lambda _: client.count(), range(200))) == [7] * 200
    assert stand.connections <= 17
    assert len({asked.headers["x-request-id"] for asked in stand.asked}) == 200


def test_a_closed_client_says_so_and_what_runs_ends(stand):
    client = SearchClient(stand.address)
    begun, go = threading.Event(), threading.Event()

    def later(connection):
        begun.set()
        assert go.wait(10)
        connection.sendall(COUNTED)

    stand.answers(later)
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(client.count)
        assert begun.wait(10)
        client.close()
        client.close()
        go.set()
        assert running.result() == 7
    for ask in (client.count, lambda: client.search("mug"), lambda: client.generation, client.refresh):
        with pytest.raises(SearchError, match="was closed; make another one"):
            ask()


def test_the_environments_proxies_are_ignored(stand, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    SearchClient(stand.address).close()
    assert stand.asked[0].headers["host"] == f"127.0.0.1:{stand.port}"


def test_a_service_below_a_path_is_asked_there(stand):
    stand.answers(reply(SCHEMA))
    SearchClient(f"{stand.address}/shop/").close()
    assert [asked.path for asked in stand.asked] == ["/shop/schema"]
