"""An API server that all tests of this folder share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.cluster.server import ApiServer


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """It knows KEDA's and the Prometheus operator's kinds."""
    started = ApiServer(tmp_path_factory.mktemp("kubernetes"))
    try:
        started.learn_kinds()
        yield started
    finally:
        started.stop()
