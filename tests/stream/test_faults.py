"""A server is lost in the middle of the work; afterwards everything is as if nothing had been.

Other faults are played by `tests.faults`, with observers beside them; this one ends in the check of `verdict`, too.
"""

from __future__ import annotations

import time

import pytest
from tests.stream.cluster import Cluster, wait_until
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
