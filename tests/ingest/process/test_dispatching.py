"""Publishing tasks, to a real Redis that answers, hangs, forgets and comes back."""

from __future__ import annotations

import json
import time

import pytest
from tests.ingest.process.standin import unpacked
from tests.ingest.process.waiting import next_of

from fourtower_ingest.dispatching import Dispatcher
from fourtower_ingest.news import Inbox, Published, PublishFailed
from fourtower_ingest.redis_client import broker_prefix, connect, queue_key
from fourtower_ingest.settings import RedisSettings
from fourtower_ingest.wire import IndexBatch, Topology


def batch(attempt: str, event: str = '{"op": "delete"}') -> IndexBatch:
    return IndexBatch(attempt=attempt, stream="s", events=(event,))


def dispatcher(settings: RedisSettings, inbox: Inbox) -> Dispatcher:
    return Dispatcher(settings, Topology(), inbox, visibility_timeout_s=900)


@pytest.fixture
def started(redis_settings):
    inbox: Inbox = Inbox()
    one = dispatcher(redis_settings, inbox)
    one.start()
    yield one, inbox
    one.close(10)


def test_a_batch_lies_in_the_queue_of_its_generation(started, redis_settings):
    one, inbox = started
    one.send(batch("a1"))
    assert next_of(inbox, Published).attempt == "a1"
    with connect(redis_settings) as client:
        (task,) = client.lrange(queue_key(redis_settings, Topology()), 0, -1)
    assert unpacked(task) == batch("a1")


def test_events_are_in_the_body_alone(started, redis_settings):
    one, inbox = started
    one.send(batch("a1", event='{"secret": "velvet"}'))
    next_of(inbox, Published)
    with connect(redis_settings) as client:
        (task,) = client.lrange(queue_key(redis_settings, Topology()), 0, -1)
    message = json.loads(task)
    assert message["headers"]["ignore_result"] is True
    assert "velvet" not in json.dumps({**message, "body": ""})


def test_every_key_of_celery_has_the_prefix(started, redis_settings):
    one, inbox = started
    one.send(batch("a1"))
    next_of(inbox, Published)
    with connect(redis_settings) as client:
        names = [key.decode() for key in client.keys("*fourtower.products.1*")]
    ours = [name for name in names if name.startswith(broker_prefix(redis_settings))]
    assert queue_key(redis_settings, Topology()) in ours
    assert not [name for name in names if name.startswith(("fourtower.", "_kombu"))]


def test_what_is_given_before_the_end_is_published(redis_settings):
    inbox: Inbox = Inbox()
    one = dispatcher(redis_settings, inbox)
    one.start()
    for number in range(20):
        one.send(batch(f"a{number}"))
    one.close(10)
    with connect(redis_settings) as client:
        assert client.llen(queue_key(redis_settings, Topology())) == 20


def test_a_hanging_redis_fails_all_that_waits_within_its_timeouts_and_serves_again(new_redis):
    server = new_redis()
    settings = RedisSettings(url=server.url, timeout_s=0.5)
    inbox: Inbox = Inbox()
    one = dispatcher(settings, inbox)
    one.start()
    one.send(batch("before"))
    next_of(inbox, Published)
    server.freeze()
    began = time.monotonic()
    for number in range(8):
        one.send(batch(f"a{number}"))
    failed = {next_of(inbox, PublishFailed).attempt for _ in range(8)}
    assert failed == {f"a{number}" for number in range(8)}
    assert time.monotonic() - began < 15
    server.thaw()
    one.send(batch("after"))
    assert next_of(inbox, Published).attempt == "after"
    one.close(10)


def test_a_wiped_and_a_restarted_redis_are_published_to_again(new_redis):
    server = new_redis()
    settings = RedisSettings(url=server.url, timeout_s=0.5)
    inbox: Inbox = Inbox()
    one = dispatcher(settings, inbox)
    one.start()
    one.send(batch("a1"))
    next_of(inbox, Published)
    server.flush()
    one.send(batch("a2"))
    assert next_of(inbox, Published).attempt == "a2"
    with connect(settings) as client:
        assert client.llen(queue_key(settings, Topology())) == 1
    server.kill()
    one.send(batch("a3"))
    assert "refused" in next_of(inbox, PublishFailed).reason
    server.start()
    one.send(batch("a4"))
    assert next_of(inbox, Published).attempt == "a4"
    with connect(settings) as client:
        (task,) = client.lrange(queue_key(settings, Topology()), 0, -1)
    assert unpacked(task).attempt == "a4"
    one.close(10)
