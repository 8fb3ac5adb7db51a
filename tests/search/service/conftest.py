"""A service over the drawn catalog, alone on a port."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.search.service.live import running, settings_of, stranger

from fourtower_encoders.embedder import Embedder
from fourtower_search.client import SearchClient
from fourtower_search.index.product_index import ProductIndex
from fourtower_search.service.app import create_app


@pytest.fixture(scope="session")
def served_client(shop: ProductIndex, demo_embedder: Embedder, drawn_catalog: Path) -> Iterator[SearchClient]:
    """What the service answers from, to compare its answers with."""
    with SearchClient(shop, model=demo_embedder, image_root=drawn_catalog, timeout_s=60) as client:
        yield client


@pytest.fixture(scope="session")
def address(served_client: SearchClient) -> Iterator[str]:
    """Where the service listens."""
    with running(create_app(settings_of(), client=served_client)) as address:
        yield address


@pytest.fixture(scope="session")
def http(address: str) -> Iterator[httpx.Client]:
    """Somebody who speaks to it."""
    with stranger(address) as client:
        yield client


@pytest.fixture(scope="session")
def photo(drawn_catalog: Path) -> bytes:
    """A customer's picture."""
    return sorted((drawn_catalog / "street").iterdir())[0].read_bytes()
