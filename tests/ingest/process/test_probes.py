"""Metrics, probes and the heartbeat file: what another process sees of an ingester."""

from __future__ import annotations

import os
import time
from contextlib import closing
from http.client import HTTPConnection

import pytest

from fourtower_ingest.condition import Condition, status_of
from fourtower_ingest.errors import InvalidSettings
from fourtower_ingest.flow.stats import Finished, FlowStats
from fourtower_ingest.heartbeat import Heartbeat, age_s
from fourtower_ingest.log import Partition, Place
from fourtower_ingest.metrics import IngestMetrics
from fourtower_ingest.probes import ProbeServer
from fourtower_ingest.wire import ProcessStatus, Topology

PARTITION = Partition("catalog", 2)
CONDITION = Condition(
    at=1.0,
    flow=FlowStats(
        items_waiting=3,
        items_in_flight=5,
        oldest_age_s=2.5,
        breaker="half_open",
        finished={("applied", ""): 7, ("dead_letter", "invalid"): 2},
        failures={("fetch", "image"): 4},
        losses=1,
        resubmissions=6,
    ),
    lag={PARTITION: 40},
    assigned=1,
    unreadable={PARTITION: "damaged"},
    records=12,
    commits=9,
    letters={"invalid": 2},
    stable=True,
)


def get(port: int, path: str) -> tuple[int, str]:
    with closing(HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


@pytest.fixture
def problems():
    return {"live": "", "ready": ""}


@pytest.fixture
def server(problems):
    metrics = IngestMetrics(lambda: CONDITION)
    with closing(
        ProbeServer(
            metrics.registry,
            host="127.0.0.1",
            port=0,
            live=lambda: problems["live"],
            ready=lambda: problems["ready"],
        )
    ) as server:
        yield server, metrics


def test_metrics_say_how_it_is(server):
    _, text = get(server[0].port, "/metrics")
    assert set(text.splitlines()) >= {
        'fourtower_ingest_lag_records{partition="2",topic="catalog"} 40.0',
        'fourtower_ingest_items{state="waiting"} 3.0',
        'fourtower_ingest_items{state="in_flight"} 5.0',
        "fourtower_ingest_oldest_age_seconds 2.5",
        'fourtower_ingest_breaker{state="half_open"} 1.0',
        'fourtower_ingest_breaker{state="closed"} 0.0',
        'fourtower_ingest_events_total{code="",status="applied"} 7.0',
        'fourtower_ingest_events_total{code="invalid",status="dead_letter"} 2.0',
        'fourtower_ingest_failures_total{code="image",stage="fetch"} 4.0',
        'fourtower_ingest_dead_letters_total{code="invalid"} 2.0',
        "fourtower_ingest_losses_total 1.0",
        "fourtower_ingest_resubmissions_total 6.0",
        "fourtower_ingest_commits_total 9.0",
        "fourtower_ingest_partitions_unreadable 1.0",
        "fourtower_ingest_redis_up 1.0",
    }


def test_the_histogram_counts_what_became_searchable(server):
    def finished(status: str, seconds_ago: float) -> Finished:
        published = int((time.time() - seconds_ago) * 1000)
        return Finished(Place(PARTITION, 0), "p", status, "", published)

    server[1].note([finished("applied", 3), finished("stale", 3), finished("applied", -60)])
    _, text = get(server[0].port, "/metrics")
    lines = [line.split(" ") for line in text.splitlines() if line.startswith("fourtower_event_to_searchable_seconds")]
    counts = {name: float(value) for name, value in lines}
    assert counts["fourtower_event_to_searchable_seconds_count"] == 2
    assert counts['fourtower_event_to_searchable_seconds_bucket{le="0.1"}'] == 1
    assert counts['fourtower_event_to_searchable_seconds_bucket{le="5.0"}'] == 2


def test_probes_answer_with_what_is_wrong(server, problems):
    port = server[0].port
    assert get(port, "/livez") == (200, "ok\n")
    problems["live"] = "The poll loop has not turned for 61 s."
    assert get(port, "/livez") == (503, "The poll loop has not turned for 61 s.\n")
    assert get(port, "/readyz")[0] == 200
    assert get(port, "/elsewhere")[0] == 404


def test_metrics_before_the_first_turn_are_only_the_histogram():
    with closing(
        ProbeServer(
            IngestMetrics(lambda: None).registry, host="127.0.0.1", port=0, live=lambda: "", ready=lambda: "not yet"
        )
    ) as server:
        status, text = get(server.port, "/metrics")
        assert status == 200
        assert "fourtower_ingest_" not in text
        assert get(server.port, "/readyz") == (503, "not yet\n")


def test_a_port_that_is_taken_is_named(server):
    metrics = IngestMetrics(lambda: None)
    with pytest.raises(InvalidSettings, match=f"{server[0].port} .*choose another port"):
        ProbeServer(metrics.registry, host="127.0.0.1", port=server[0].port, live=lambda: "", ready=lambda: "")


def test_the_status_survives_its_way_through_redis():
    status = status_of(CONDITION, "pod-0", Topology())
    assert ProcessStatus.model_validate_json(status.model_dump_json()) == status
    assert status.facts["lag"] == {"catalog[2]": 40}
    assert status.facts["finished"] == {"applied": 7, "dead_letter": 2}


def test_the_heartbeat_touches_its_file(tmp_path):
    path = tmp_path / "alive"
    assert age_s(path) == float("inf")
    heartbeat = Heartbeat(path)
    heartbeat.beat(10.0)
    assert age_s(path) < 5
    os.utime(path, (0, 0))
    heartbeat.beat(10.5)
    assert age_s(path) > 1e6, "once a second is enough"
    heartbeat.beat(11.0)
    assert age_s(path) < 5


def test_a_heartbeat_that_can_not_be_written_is_said_once(tmp_path, caplog):
    heartbeat = Heartbeat(tmp_path / "no" / "such" / "folder")
    for now in (1.0, 3.0, 5.0):
        heartbeat.beat(now)
    assert len(caplog.records) == 1
