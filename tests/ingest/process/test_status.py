"""`fourtower status`: what it gathers from a real Kafka and a real Redis, and how it shows it."""

from __future__ import annotations

import json
import time

import pytest
from rich.console import Console
from tests.ingest.process.standin import StandIn
from tests.ingest.process.waiting import eventually
from typer import Typer
from typer.testing import CliRunner

from fourtower_ingest.log import Partition
from fourtower_ingest.redis_client import connect, queue_key
from fourtower_ingest.status import Overview, TopicStatus, by_topic
from fourtower_ingest.status_cli import status
from fourtower_ingest.status_view import render
from fourtower_ingest.wire import ProcessStatus, Topology, status_name


def run(environment, *arguments):
    app = Typer()
    app.command()(status)
    return CliRunner().invoke(app, list(arguments), env={**environment, "COLUMNS": "160"})


def shown(overview, before=None):
    console = Console(width=160, record=True)
    with console.capture() as captured:
        console.print(render(overview, before))
    return captured.get()


def test_partitions_are_added_up_and_unread_ones_count_from_their_beginning():
    a0, a1, b0 = Partition("a", 0), Partition("a", 1), Partition("b", 0)
    found = by_topic({a0: 100, a1: 50, b0: 7}, {a0: 10, a1: 20, b0: 0}, {a0: 90, b0: 7})
    assert found == {"a": TopicStatus(lag=40, end=150, committed=110), "b": TopicStatus(lag=0, end=7, committed=7)}


def test_everything_is_in_the_json(shop):
    shop.publish_deletes(range(30))
    shop.publish_bad(2)
    with shop.ingester(), StandIn(shop.redis):
        shop.await_committed()
        eventually(lambda: (shop.fact("dead_letters") or {}).get("not_json") == 2, "it says so")
        with connect(shop.redis) as client:
            client.set(
                status_name(shop.redis.prefix, "w1"),
                ProcessStatus(kind="worker", process="w1", at=time.time(), facts={"busy": 0.5}).model_dump_json(),
            )
            client.set(status_name(shop.redis.prefix, "garbage"), "no json")
        done = run(shop.environment(), "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.output)
    assert found["topics"][shop.name] == {"lag": 0, "end": 32, "committed": 32}
    assert (found["dead_letters"], found["queued"], found["unacked"], found["problems"]) == (2, 0, 0, [])
    assert [process["facts"]["finished"] for process in found["ingesters"]] == [{"applied": 30, "dead_letter": 2}]
    assert [process["process"] for process in found["workers"]] == ["w1"]


def test_lag_and_waiting_tasks_are_seen_when_nobody_works(shop):
    shop.publish_deletes(range(5))
    with connect(shop.redis) as client:
        client.lpush(queue_key(shop.redis, Topology()), "task")
    done = run(shop.environment(), "--once")
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert any(line.split() == [shop.name, "5", "?", "?"] for line in lines)
    assert "dead letters 0   tasks waiting 1   tasks with workers 0" in lines
    assert {"No ingester is alive.", "No worker is alive."} <= set(lines)


def test_what_does_not_answer_is_named_and_the_rest_shown(shop):
    shop.publish_deletes(range(5))
    done = run(shop.environment(REDIS_URL="redis://:secret@127.0.0.1:1/0"), "--json")
    assert done.exit_code == 1
    found = json.loads(done.output)
    assert found["topics"][shop.name]["lag"] == 5
    (problem,) = found["problems"]
    assert "redis://127.0.0.1:1/0" in problem
    assert "secret" not in problem


def test_rates_are_taken_between_two_looks():
    before = Overview(at=100.0, topics={"t": TopicStatus(lag=10, end=1000, committed=990)})
    overview = Overview(at=102.0, topics={"t": TopicStatus(lag=5, end=1100, committed=1095)})
    assert any(line.split() == ["t", "5", "50", "52"] for line in shown(overview, before).splitlines())


@pytest.mark.parametrize("kind", ["ingester", "worker"])
def test_what_processes_say_is_shown_without_obeying_it(kind):
    facts = {"in_flight": 12345, "breaker": "[bold]open\x1b[2J", "nested": {"a": 1}, "quiet": ""}
    text = shown(Overview(at=1.0, processes=(ProcessStatus(kind=kind, process="p\n1", at=time.time(), facts=facts),)))
    assert "12,345" in text
    assert "[bold]open" in text
    assert "\x1b[2J" not in text
    assert "quiet" not in text
    assert "p 1" in text
