"""Reports reach Redis in their order, wait for it for a while, and touch nothing that is not theirs."""

import threading
import time

import pytest
from tests.workers.stream.station import until

from fourtower_ingest.redis_client import connect
from fourtower_ingest.settings import RedisSettings
from fourtower_ingest.wire import MESSAGES, Done, EventReport, Started, Written, stream_name
from fourtower_workers.reporting import Reporter

STREAM = stream_name("shop", "me")


def reporter(url, *, timeout_s=20.0):
    settings = RedisSettings(url=url, prefix="shop", timeout_s=0.5)
    return Reporter(lambda: connect(settings), prefix="shop", timeout_s=timeout_s)


def heard(server, stream=STREAM):
    with connect(RedisSettings(url=server.url)) as client:
        return [MESSAGES.validate_json(fields[b"m"]) for _, fields in client.xrange(stream)]


@pytest.fixture
def server(new_redis):
    return new_redis()


def test_reports_keep_their_order(server):
    mine = reporter(server.url)
    messages = [
        message
        for n in range(50)
        for message in (Started(attempt=str(n)), Written(attempt=str(n)), Done(attempt=str(n), reports=()))
    ]
    for message in messages:
        mine.send(STREAM, message)
    assert mine.flush(timeout_s=10)
    assert heard(server) == messages
    mine.close(timeout_s=1)


def test_what_is_reported_while_redis_is_away_arrives_when_it_is_back(server):
    mine = reporter(server.url)
    mine.send(STREAM, Started(attempt="a"))
    assert mine.flush(timeout_s=10)
    server.kill()
    began = time.monotonic()
    mine.send(STREAM, Written(attempt="a"))
    assert time.monotonic() - began < 0.1, "nobody waits for Redis"
    assert not mine.flush(timeout_s=0.5)
    server.start()
    assert mine.flush(timeout_s=10)
    assert heard(server) == [Written(attempt="a")]
    mine.close(timeout_s=1)


def test_a_report_is_given_up_after_a_while_and_later_ones_are_sent(server, caplog):
    mine = reporter(server.url, timeout_s=1)
    server.kill()
    mine.send(STREAM, Started(attempt="a"))
    assert mine.flush(timeout_s=10)
    assert "A report was dropped" in caplog.text
    server.start()
    mine.send(STREAM, Started(attempt="b"))
    mine.close(timeout_s=5)
    assert heard(server) == [Started(attempt="b")]


def test_closing_delivers_what_waits_but_not_for_ever(server):
    mine = reporter(server.url)
    mine.send(STREAM, Started(attempt="a"))
    mine.close(timeout_s=5)
    assert heard(server) == [Started(attempt="a")]
    server.kill()
    late = reporter(server.url, timeout_s=60)
    late.send(STREAM, Started(attempt="b"))
    began = time.monotonic()
    late.close(timeout_s=1)
    assert time.monotonic() - began < 15
    until(lambda: not [t for t in threading.enumerate() if t.name == "fourtower-reporter"], what="the threads' end")


@pytest.mark.parametrize("stream", ["precious", "shop:epoch:me", "shop:outcomes:", "other:outcomes:me", ""])
def test_only_streams_of_ingesters_are_written_to(server, caplog, stream):
    mine = reporter(server.url)
    with connect(RedisSettings(url=server.url)) as client:
        client.set("precious", "kept")
        assert not mine.allows(stream)
        mine.send(stream, Started(attempt="a"))
        mine.close(timeout_s=5)
        assert client.keys() == [b"precious"]
        assert client.ttl("precious") == -1
    assert "names a stream that is no ingester's" in caplog.text


def test_a_key_of_another_kind_is_left_alone_and_stops_nothing(server, caplog):
    mine = reporter(server.url, timeout_s=0.5)
    taken = stream_name("shop", "taken")
    with connect(RedisSettings(url=server.url)) as client:
        client.set(taken, "text")
        report = EventReport(status="applied")
        mine.send(taken, Done(attempt="a", reports=(report,)))
        mine.send(STREAM, Done(attempt="b", reports=(report,)))
        mine.close(timeout_s=5)
        assert client.get(taken) == b"text"
    assert heard(server) == [Done(attempt="b", reports=(report,))]
