"""A cluster of one test's own, see `cluster`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.services.kafka import KafkaBroker
from tests.services.redis import require_redis
from tests.stream.cluster import Cluster


@pytest.fixture
def new_cluster(kafka_broker: KafkaBroker, tmp_path: Path) -> Iterator[Callable[..., Cluster]]:
    """Makes a cluster, which the test starts; it is ended with the test."""
    require_redis()
    made: list[Cluster] = []

    def new(**settings: Any) -> Cluster:
        made.append(Cluster(tmp_path / f"cluster-{len(made)}", kafka_broker, **settings))
        return made[-1]

    yield new
    for cluster in made:
        cluster.stop()
