"""Opens an index by its address, or creates one."""

from __future__ import annotations

from pathlib import Path

from fourtower_encoders.joint import QueryParams
from fourtower_search.errors import IndexMismatch
from fourtower_search.index.deadline import Deadline
from fourtower_search.index.generations import (
    GenerationPlan,
    GenerationRecord,
    Generations,
    MemoryGenerations,
    check_alias,
)
from fourtower_search.index.milvus.address import parse_address
from fourtower_search.index.milvus.connection import Connection
from fourtower_search.index.milvus.generations import MilvusGenerations
from fourtower_search.index.product_index import ProductIndex

ALIAS = "products"
TIMEOUT_S = 30.0


def open_generations(
    uri: str, *, alias: str = ALIAS, token: str = "", ca_file: Path | None = None, timeout_s: float = TIMEOUT_S
) -> Generations:
    """Connect to the Milvus that holds an index, whether that index exists or not.

    Args:
        uri: `./products.db` (Milvus Lite), `milvus://host:19530`, or `milvuss://host:19530` (TLS).
        alias: name of the index.
        token: of the server, mostly `user:password`.
        ca_file: certificates (PEM) that the server's one is checked with; the system's otherwise.
        timeout_s: longest wait.

    Raises:
        InvalidQuery: the address or the name has another form.
        IndexUnavailable: nobody answered in time.
    """
    address = parse_address(uri)
    check_alias(alias)
    return MilvusGenerations(Connection(address, token=token, ca_file=ca_file, timeout_s=timeout_s), alias)


def open_index(
    uri: str,
    *,
    alias: str = ALIAS,
    token: str = "",
    ca_file: Path | None = None,
    params: QueryParams | None = None,
    timeout_s: float = TIMEOUT_S,
) -> ProductIndex:
    """Open the live generation of an index; the other arguments are those of `open_generations`.

    Raises:
        IndexMismatch: there is no such index, or its collection is not what was recorded.
        IndexUnavailable: nobody answered in time.
    """
    deadline = Deadline(timeout_s)
    generations = open_generations(uri, alias=alias, token=token, ca_file=ca_file, timeout_s=timeout_s)
    try:
        record = generations.current(timeout_s=deadline.left())
        if record is None:
            raise IndexMismatch(f"There is no index {alias} at {parse_address(uri).shown}; create it first.")
        return open_generation(generations, record, params=params, timeout_s=deadline.left())
    finally:
        generations.close()


def create_index(
    uri: str,
    plan: GenerationPlan,
    *,
    alias: str = ALIAS,
    token: str = "",
    ca_file: Path | None = None,
    params: QueryParams | None = None,
    timeout_s: float = TIMEOUT_S,
) -> ProductIndex:
    """Create an index with its first generation, live at once; the other arguments are those of `open_generations`.

    Raises:
        IndexMismatch: there is an index of this name already.
        Unsupported: the server can't do what the plan asks for.
    """
    deadline = Deadline(timeout_s)
    generations = open_generations(uri, alias=alias, token=token, ca_file=ca_file, timeout_s=timeout_s)
    try:
        if (live := generations.current(timeout_s=deadline.left())) is not None:
            raise IndexMismatch(
                f"There is an index {alias} at {parse_address(uri).shown} already (generation {live.generation}); open "
                f"it, or build its next generation beside it."
            )
        record = generations.create(plan, timeout_s=deadline.left())
        generations.point(record.generation, timeout_s=deadline.left())
        return open_generation(generations, record, params=params, timeout_s=deadline.left())
    finally:
        generations.close()


def in_memory_index(plan: GenerationPlan, *, params: QueryParams | None = None) -> ProductIndex:
    """An index in this process's memory, exact and gone at the end: for tests and notebooks."""
    generations = MemoryGenerations(ALIAS)
    record = generations.create(plan, timeout_s=TIMEOUT_S)
    generations.point(record.generation, timeout_s=TIMEOUT_S)
    return open_generation(generations, record, params=params)


def open_generation(
    generations: Generations,
    record: GenerationRecord,
    *,
    params: QueryParams | None = None,
    timeout_s: float = TIMEOUT_S,
) -> ProductIndex:
    """Open one generation, live or not; it stays open when `generations` is closed.

    Args:
        generations: of the index.
        record: of the generation.
        params: the model's query parameters. Whatever they say, kappa is the one that the rows were built with.
        timeout_s: longest wait.
    """
    store = generations.open(record, timeout_s=timeout_s)
    kappa = {"kappa_image": record.kappa_image, "kappa_text": record.kappa_text}
    params = (params or QueryParams()).model_copy(update=kappa)
    return ProductIndex(store, params=params, model_id=record.model_id, record=record)
