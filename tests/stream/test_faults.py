"""Processes are killed and servers lost in the middle of the work; afterwards everything is as if nothing had been.

Each fault strikes under load, and each test ends in the check of `verdict`.
"""

from __future__ import annotations

import os
import signal
import time

import pytest
from tests.stream.cluster import Cluster, slow_encoder, wait_until
from tests.stream.generator import messages
from tests.stream.verdict import check_everything

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
EVENTS = 2_500
EARLY = 300
"""Records that are done with when the fault strikes."""
DOWN_S = 30


def under_load(cluster: Cluster, *, seed: int) -> None:
    """Start everything, publish, and wait until the work has begun."""
    events = messages(EVENTS, seed=seed)
    cluster.start()
    cluster.kcat(events)
    cluster.wait_until_committed(EARLY)
    assert left(cluster) > EVENTS / 4, "most of the work should still be ahead"


def left(cluster: Cluster) -> int:
    """Records that are not done with."""
    return sum(cluster.ends().values()) - sum(cluster.committed().values())


def test_a_child_killed_in_the_middle_of_encoding_is_replaced_and_its_batch_done(new_cluster, tmp_path):
    plugin = tmp_path / "plugin"
    cluster = new_cluster(environment=slow_encoder(plugin, load_s=5))
    under_load(cluster, seed=1)
    (plugin / "hold").touch()
    victim = int(wait_until(lambda: _read(plugin / "encoding"), what="a child encodes"))
    assert victim in cluster.worker.children()
    os.kill(victim, signal.SIGKILL)
    (plugin / "hold").unlink()
    cluster.wait_until_done()
    check_everything(cluster)
    assert victim not in cluster.worker.children()
    assert cluster.worker.children(), "another child took its place"


def test_an_ingester_killed_with_batches_in_flight_goes_on_where_nothing_was_owed(new_cluster):
    cluster = new_cluster()
    under_load(cluster, seed=2)
    cluster.ingester.kill()
    assert left(cluster) > 0
    cluster.ingester.start()
    cluster.wait_until_done()
    check_everything(cluster, exactly_once_dead=False)


def test_a_redis_that_forgets_everything_and_then_dies_loses_nothing(new_cluster):
    cluster = new_cluster()
    under_load(cluster, seed=3)
    cluster.redis.flush()
    cluster.wait_until_committed(sum(cluster.committed().values()) + 100)
    assert left(cluster) > 0
    cluster.redis.kill()
    cluster.redis.start()
    cluster.wait_until_done()
    check_everything(cluster)


def test_a_milvus_that_is_away_for_half_a_minute_costs_time_and_nothing_else(new_cluster):
    cluster = new_cluster()
    under_load(cluster, seed=4)
    cluster.milvus.kill()
    down = time.monotonic()
    wait_until(lambda: time.monotonic() - down > DOWN_S, what="the time is over")
    cluster.check_alive()
    assert left(cluster) > 0
    cluster.milvus.start()
    cluster.wait_until_done()
    check_everything(cluster)


def _read(path):
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""
