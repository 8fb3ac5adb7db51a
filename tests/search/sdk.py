"""What the tests of the SDK share: one catalog on two engines, and one way to call both clients."""

from __future__ import annotations

import asyncio
import json

from fourtower_ingest.parsing import parse_event
from fourtower_search.index.generations import GenerationPlan
from fourtower_search.index.opening import in_memory_index
from fourtower_search.index.rows import ProductWrite
from fourtower_search.schema import Attribute, CatalogSchema
from fourtower_workers.indexing import Indexer

STOOL = {
    "title": "Oak stool <b>bold</b>",
    "description": "Made by hand.",
    "attributes": {
        "category": "stool",
        "price": 12.5,
        "released": "2026-05-01T12:00:00Z",
        "tags": ["oak", "sale"],
        "material": "oak",  # not declared
    },
}


def schema_of(folder):
    """The drawn catalog's attributes, and two of types that it lacks."""
    drawn = CatalogSchema.load(folder / "catalog.toml").attributes
    more = {
        "released": Attribute(type="time", sortable=True, boostable=True),
        "tags": Attribute(type="strings"),
    }
    return CatalogSchema(attributes={**drawn, **more})


def event(product_id, version=1, **product):
    """An upsert as a producer publishes it."""
    return json.dumps({"op": "upsert", "product_id": product_id, "version": version, "product": product}).encode()


def memory_index(folder, embedder):
    """An empty index in memory."""
    plan = GenerationPlan(
        model="demo",
        model_id=embedder.model_id,
        dim=2 * embedder.dim,
        catalog=schema_of(folder),
        kappa_image=embedder.params.kappa_image,
        kappa_text=embedder.params.kappa_text,
    )
    return in_memory_index(plan, params=embedder.params)


def indexed(folder, embedder):
    """The drawn catalog and one product more, as the writes that the indexer makes of them."""
    lines = [*(folder / "events.jsonl").read_bytes().splitlines(), event("stool", 3, **STOOL)]
    with memory_index(folder, embedder) as index:
        outcomes = Indexer(index, embedder, image_root=folder).index_events([parse_event(line) for line in lines])
        assert {outcome.status for outcome in outcomes} == {"applied"}
        products = list(index.iterate(vectors=True))
    return [ProductWrite(product.product_id, product.order, product.rows) for product in products]


def fill(index, writes):
    """Write everything, and give the index back."""
    assert {outcome.status for outcome in index.apply(writes)} == {"applied"}
    return index


def plan_of(folder, embedder, **changes):
    """What a generation for the drawn catalog is built with."""
    return GenerationPlan(
        **{
            "model": "demo",
            "model_id": embedder.model_id,
            "dim": 2 * embedder.dim,
            "catalog": schema_of(folder),
            "kappa_image": embedder.params.kappa_image,
            "kappa_text": embedder.params.kappa_text,
            **changes,
        }
    )


class Awaited:
    """An asynchronous client, each of whose calls is awaited to its end."""

    def __init__(self, client, runner):
        self._client, self._runner = client, runner

    def __getattr__(self, name):
        method = getattr(self._client, name)

        def call(*args, **kwargs):
            return self._runner.run(self._finished(method(*args, **kwargs)))

        return call

    async def _finished(self, answer):
        if asyncio.iscoroutine(answer):
            return await answer
        return [each async for each in answer]


def ids(result):
    """The products of a result, in order."""
    return [hit.product_id for hit in result]
