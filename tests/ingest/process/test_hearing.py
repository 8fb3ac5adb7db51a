"""Hearing workers on a real Redis that answers, hangs, forgets and comes back."""

from __future__ import annotations

import logging
import time

import pytest
from tests.ingest.process.waiting import all_of, eventually, next_of

from fourtower_ingest.hearing import MOST_MESSAGES, Hearing
from fourtower_ingest.news import Forgotten, Heard, Inbox, QueueSeen
from fourtower_ingest.redis_client import STREAM_TTL_S, connect, queue_key, unacked_key
from fourtower_ingest.settings import RedisSettings
from fourtower_ingest.wire import (
    Done,
    EventReport,
    ProcessStatus,
    Started,
    Topology,
    Written,
    epoch_name,
    status_name,
    stream_name,
)

NAME = "one"
DONE = Done(attempt="a", reports=(EventReport(status="applied"),))


class Listener:
    """A hearing, its inbox, and a client beside it."""

    def __init__(
        self, settings: RedisSettings, status=lambda: None, wait_s: float = 0.1, check_every_s: float = 0.2
    ) -> None:
        self.settings, self.inbox = settings, Inbox()
        self.hearing = Hearing(
            settings, NAME, Topology(), self.inbox, status=status, wait_s=wait_s, check_every_s=check_every_s
        )
        self.client = connect(settings)
        self.stream = stream_name(settings.prefix, NAME)

    def __enter__(self) -> Listener:
        self.hearing.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.hearing.close(10)
        self.client.close()

    def say(self, *messages) -> None:
        for message in messages:
            self.client.xadd(self.stream, {"m": message.model_dump_json()})


@pytest.fixture
def listener(redis_settings):
    with Listener(redis_settings) as one:
        yield one


def test_messages_arrive_in_their_order_and_are_deleted(listener):
    said = [Started(attempt="a", worker="w"), Written(attempt="a"), DONE]
    listener.say(*said)
    assert [next_of(listener.inbox, Heard).message for _ in said] == said
    eventually(lambda: listener.client.xlen(listener.stream) == 0, "the stream is empty")


def test_messages_from_before_it_listened_are_heard(redis_settings):
    waiting = Listener(redis_settings)
    waiting.say(DONE)
    with waiting:
        assert next_of(waiting.inbox, Heard).message == DONE


@pytest.mark.parametrize(
    "entry",
    [
        {"m": "no json"},
        {"m": '{"kind": "party"}'},
        {"m": '{"kind": "done", "attempt": "a", "reports": [{"status": "glorious"}]}'},
        {"m": b"\xff\xfe"},
        {"something": "else"},
        {"m": "[" * 2000},
    ],
)
def test_what_is_not_understood_is_removed_and_said(listener, caplog, entry):
    with caplog.at_level(logging.WARNING, logger="fourtower.hearing"):
        listener.client.xadd(listener.stream, entry)
        listener.say(DONE)
        assert next_of(listener.inbox, Heard).message == DONE
        eventually(lambda: listener.client.xlen(listener.stream) == 0, "the stream is empty")
    assert len([record for record in caplog.records if "is not understood" in record.getMessage()]) == 1


def test_the_queue_is_looked_at(listener):
    with listener.client.pipeline() as together:
        together.lpush(queue_key(listener.settings, Topology()), "t1", "t2")
        together.hset(unacked_key(listener.settings), "t0", "x")
        together.execute()
    eventually(lambda: next_of(listener.inbox, QueueSeen)[:2] == (2, 1), "both are counted")


def test_whoever_sees_the_queue_empty_has_heard_all_that_was_said_before(redis_settings):
    """Workers report, and only then acknowledge; here they say more than is read at once."""
    queue, said = queue_key(redis_settings, Topology()), 2 * MOST_MESSAGES + 200
    with Listener(redis_settings, check_every_s=0) as listener:
        listener.client.lpush(queue, "t")
        while next_of(listener.inbox, QueueSeen).queued != 1:
            pass
        with listener.client.pipeline() as together:
            for _ in range(said):
                together.xadd(listener.stream, {"m": DONE.model_dump_json()})
            together.delete(queue)
            together.execute()
        news = [listener.inbox.get(timeout=10)]
        while not (isinstance(news[-1], QueueSeen) and news[-1].queued == 0):
            news.append(listener.inbox.get(timeout=10))
        assert len([one for one in news if isinstance(one, Heard)]) == said


def test_a_look_carries_the_moment_at_which_it_was_made(listener):
    before = time.monotonic()
    all_of(listener.inbox)
    next_of(listener.inbox, QueueSeen)
    seen = next_of(listener.inbox, QueueSeen)
    assert before <= seen.at <= time.monotonic()


def test_stream_and_counter_are_kept_from_expiring(listener):
    listener.say(DONE)
    listener.client.expire(listener.stream, 5)
    epoch = epoch_name(listener.settings.prefix, NAME)

    def both_kept() -> bool:
        return all(listener.client.ttl(key) > STREAM_TTL_S - 60 for key in (listener.stream, epoch))

    eventually(both_kept, "both live for an hour")


def test_a_quiet_redis_has_forgotten_nothing(listener):
    for _ in range(3):
        next_of(listener.inbox, QueueSeen)
    assert not [one for one in all_of(listener.inbox) if isinstance(one, Forgotten)]


def test_a_wiped_redis_is_noticed_in_seconds(new_redis):
    server = new_redis()
    with Listener(RedisSettings(url=server.url)) as listener:
        next_of(listener.inbox, QueueSeen)
        next_of(listener.inbox, QueueSeen)
        server.flush()
        next_of(listener.inbox, Forgotten, within_s=8)
        next_of(listener.inbox, QueueSeen)
        next_of(listener.inbox, QueueSeen)
        assert not [one for one in all_of(listener.inbox) if isinstance(one, Forgotten)], "it is said once"


@pytest.mark.parametrize("steps", [1, 3])
def test_a_redis_that_went_back_is_noticed(listener, steps):
    epoch = epoch_name(listener.settings.prefix, NAME)
    eventually(lambda: int(listener.client.get(epoch) or 0) > steps, "it has been counted")
    all_of(listener.inbox)
    listener.client.decrby(epoch, steps)
    next_of(listener.inbox, Forgotten, within_s=8)


def test_a_redis_that_was_away_empty_is_said_once_and_noticed(new_redis, caplog):
    server = new_redis()
    with caplog.at_level(logging.INFO, logger="fourtower.hearing"), Listener(RedisSettings(url=server.url)) as listener:
        next_of(listener.inbox, QueueSeen)
        next_of(listener.inbox, QueueSeen)
        server.kill()
        eventually(lambda: listener.hearing.away, "it is away")
        time.sleep(1.2)  # long enough for several vain attempts
        server.start()
        next_of(listener.inbox, Forgotten)
        listener.say(DONE)
        assert next_of(listener.inbox, Heard).message == DONE
        eventually(lambda: not listener.hearing.away, "it is back")
    said = [record.getMessage() for record in caplog.records]
    assert len([text for text in said if "does not answer" in text]) == 1
    assert len([text for text in said if "answers again" in text]) == 1


def test_a_redis_that_hung_has_forgotten_nothing(new_redis):
    server = new_redis()
    with Listener(RedisSettings(url=server.url, timeout_s=0.5)) as listener:
        next_of(listener.inbox, QueueSeen)
        listener.say(DONE)
        server.freeze()
        eventually(lambda: listener.hearing.away, "it is away")
        server.thaw()
        eventually(lambda: not listener.hearing.away, "it is back")
        next_of(listener.inbox, QueueSeen)
        assert not [one for one in all_of(listener.inbox) if isinstance(one, Forgotten)]


def test_the_status_is_told_and_expires(redis_settings):
    status = ProcessStatus(kind="ingester", process=NAME, at=1.0, facts={"lag": 3})
    key = status_name(redis_settings.prefix, NAME)
    with Listener(redis_settings, status=lambda: status) as listener:
        eventually(lambda: listener.client.exists(key), "it is there")
        assert ProcessStatus.model_validate_json(listener.client.get(key)) == status
        assert 0 < listener.client.ttl(key) <= 10


def test_nothing_is_left_of_a_process_that_ended(redis_settings):
    status = ProcessStatus(kind="ingester", process=NAME, at=1.0)
    with Listener(redis_settings, status=lambda: status) as listener:
        listener.say(DONE)
        next_of(listener.inbox, QueueSeen)
    with connect(redis_settings) as client:
        assert client.keys(f"{redis_settings.prefix}*") == []
