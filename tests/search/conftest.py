"""A catalog that was drawn and embedded once per session, and clients that search it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.search import sdk
from tests.search.evaluation.live_catalog import writes
from tests.search.service.live import running, settings_of

from fourtower_encoders.embedder import Embedder
from fourtower_encoders.synth import SynthConfig, write_catalog
from fourtower_search.async_client import AsyncSearchClient
from fourtower_search.client import SearchClient
from fourtower_search.index.opening import create_index
from fourtower_search.index.product_index import ProductIndex
from fourtower_search.index.rows import ProductWrite
from fourtower_search.service.app import create_app


@pytest.fixture(scope="session")
def drawn_catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small data folder, most of it for evaluation."""
    folder = tmp_path_factory.mktemp("drawn")
    write_catalog(
        folder, SynthConfig(products=160, size=96, photos=1, test_share=0.8, val_share=0.1, tasks_per_kind=60)
    )
    return folder


@pytest.fixture(scope="session")
def demo_embedder() -> Iterator[Embedder]:
    """The shipped towers."""
    with Embedder.load("demo", runtime="onnx") as embedder:
        yield embedder


@pytest.fixture(scope="session")
def catalog_writes(drawn_catalog: Path, demo_embedder: Embedder) -> Sequence[ProductWrite]:
    """That folder as writes to an index."""
    return writes(drawn_catalog, demo_embedder)


@pytest.fixture(scope="session")
def shop_writes(drawn_catalog: Path, demo_embedder: Embedder) -> Sequence[ProductWrite]:
    """That folder, all views of it, as the indexer writes it."""
    return sdk.indexed(drawn_catalog, demo_embedder)


@pytest.fixture(scope="session")
def lite_file(
    drawn_catalog: Path,
    shop_writes: Sequence[ProductWrite],
    demo_embedder: Embedder,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """It as an index in a file; nobody changes it."""
    path = tmp_path_factory.mktemp("shop") / "products.db"
    plan = sdk.plan_of(drawn_catalog, demo_embedder)
    with create_index(str(path), plan, params=demo_embedder.params) as index:
        sdk.fill(index, shop_writes).store.flush(timeout_s=60)
    return path


@pytest.fixture(scope="session")
def shop(drawn_catalog: Path, shop_writes: Sequence[ProductWrite], demo_embedder: Embedder) -> Iterator[ProductIndex]:
    """It as an index in memory; nobody changes it."""
    with sdk.memory_index(drawn_catalog, demo_embedder) as index:
        yield sdk.fill(index, shop_writes)


@pytest.fixture(scope="session")
def on_server(
    milvus_server: str, drawn_catalog: Path, shop_writes: Sequence[ProductWrite], demo_embedder: Embedder
) -> Iterator[ProductIndex]:
    """It on a Milvus server; nobody changes it."""
    plan = sdk.plan_of(drawn_catalog, demo_embedder)
    with create_index(milvus_server, plan, alias="sdk", params=demo_embedder.params) as index:
        sdk.fill(index, shop_writes)
        yield index


@pytest.fixture(scope="session")
def service(shop: ProductIndex, demo_embedder: Embedder, drawn_catalog: Path) -> Iterator[str]:
    """The address of a service that searches it in memory."""
    with (
        SearchClient(shop, model=demo_embedder, image_root=drawn_catalog) as inner,
        running(create_app(settings_of(page=False), client=inner)) as address,
    ):
        yield address


ENGINES = {
    "memory": "shop",
    "memory, async": "shop",
    "lite": "lite_file",
    "server": "on_server",
    "remote": "service",
    "remote, async": "service",
}


@pytest.fixture(scope="session", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Where a test's client searches."""
    return str(request.param)


@pytest.fixture(scope="session")
def client(request: pytest.FixtureRequest, engine: str, drawn_catalog: Path, demo_embedder: Embedder) -> Iterator[Any]:
    """A client on each engine and of a service, and the one for asyncio, which knows nothing of either; called alike.

    Tests of what only a client with an index of its own can do make theirs themselves.
    """
    settings = {"index": request.getfixturevalue(ENGINES[engine]), "image_root": drawn_catalog}
    if "remote" not in engine:
        settings["model"] = demo_embedder
    if "async" not in engine:
        with SearchClient(**settings) as client:
            yield client
        return
    with asyncio.Runner() as runner:
        awaited = sdk.Awaited(AsyncSearchClient(**settings, threads=2), runner)
        yield awaited
        awaited.close()


@pytest.fixture
def own_index(drawn_catalog: Path, shop_writes: Sequence[ProductWrite], demo_embedder: Embedder) -> ProductIndex:
    """It in memory, for a test that changes it."""
    return sdk.fill(sdk.memory_index(drawn_catalog, demo_embedder), shop_writes)


@pytest.fixture
def own_client(own_index: ProductIndex, demo_embedder: Embedder) -> Iterator[SearchClient]:
    with own_index, SearchClient(own_index, model=demo_embedder, cursor_key=b"k" * 32) as client:
        yield client


@pytest.fixture(scope="session")
def shop_client(shop: ProductIndex, demo_embedder: Embedder) -> Iterator[SearchClient]:
    """The catalog in memory."""
    with SearchClient(shop, model=demo_embedder) as client:
        yield client
