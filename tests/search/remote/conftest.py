"""A stand-in for a service, and a client of it."""

from __future__ import annotations

import pytest
from tests.search.remote.stand import Stand

from fourtower_search.client import SearchClient


@pytest.fixture
def stand():
    """Where a test decides what is answered."""
    stand = Stand()
    yield stand
    stand.close()


@pytest.fixture
def client(stand):
    """Somebody who believes that a service is there."""
    with SearchClient(stand.address, timeout_s=10) as client:
        yield client
