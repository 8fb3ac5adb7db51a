"""An API server that all tests of this folder share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.cluster.server import ApiServer, ScriptFailed, helm, kubernetes


@pytest.fixture(scope="session", autouse=True)
def programs() -> None:
    """Look for them once, while the developer's own settings say where they are kept."""
    try:
        helm()
        kubernetes()
    except ScriptFailed as failed:
        pytest.skip(f"`make cluster-check` needs what is not here: {failed}")


@pytest.fixture(scope="session")
def server(programs: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """It knows KEDA's and the Prometheus operator's kinds."""
    started = ApiServer(tmp_path_factory.mktemp("kubernetes"))
    try:
        started.learn_kinds()
        yield started
    finally:
        started.stop()
