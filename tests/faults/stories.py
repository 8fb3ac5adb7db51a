"""Made-up histories: a good one, to be spoiled in one place at a time."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from tests.faults.checker import check
from tests.faults.final import Final, Held
from tests.faults.history import Operation
from tests.faults.scenario import Limits
from tests.stream.verdict import Raw

TOPIC = "shop"
MUG = {"title": "red mug", "attributes": {"category": "mug"}}
LAMP = {"title": "lamp", "images": [{"url": "a.png"}, {"url": "b.png"}], "attributes": {"category": "lamp"}}


def record(offset: int, name: str, value: dict[str, Any] | bytes) -> Raw:
    """One of the log."""
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return Raw((TOPIC, 0, offset), name.encode(), raw, ())


def event(op: str, name: str, version: int, product: dict[str, Any] | None = None) -> dict[str, Any]:
    """As it is published."""
    return {"op": op, "product_id": name, "version": version} | ({} if product is None else {"product": product})


LOG = (
    record(0, "mug", event("upsert", "mug", 1, MUG)),
    record(1, "lamp", event("upsert", "lamp", 5, LAMP)),
    record(2, "gone", event("upsert", "gone", 1, MUG)),
    record(3, "bad", b"{]"),
    record(4, "mug", event("patch", "mug", 2, {"attributes": {"price": 3.5}})),
    record(5, "gone", event("delete", "gone", 2)),
)
FINAL = Final(
    log=LOG,
    letters=((TOPIC, 0, 3),),
    committed={(TOPIC, 0): 6},
    ends={(TOPIC, 0): 6},
    held={
        "mug": Held(2, False, title="red mug", attributes={"category": "mug", "price": 3.5}, views=1),
        "lamp": Held(5, False, title="lamp", attributes={"category": "lamp"}, views=2),
        "gone": Held(2, True),
    },
    listed=frozenset({"mug", "lamp"}),
    found=frozenset({"mug", "lamp"}),
)


def sample(at: float, committed: int, letters: int, **changed: list[Any] | None) -> Operation:
    """A look at offsets and index."""
    facts = {"committed": [[TOPIC, 0, committed]], "letters": letters, "changed": changed}
    return Operation(at, "sampler", "sample", facts)


def search(began: float, *ids: str, ok: bool = True, ms: float = 20.0) -> Operation:
    """A search, and what it found."""
    facts = {"ok": ok, "ids": list(ids), "began": began, "ms": ms}
    return Operation(began + ms / 1000, "searcher", "search", facts)


def footprints(at: float, *, mb: float = 80, descriptors: int = 20, keys: int = 8, redis_mb: float = 2) -> Operation:
    """What processes need."""
    processes = {"ingest-1": {"pid": 7, "mb": mb, "descriptors": descriptors}}
    return Operation(at, "meter", "footprints", {"processes": processes, "redis": {"keys": keys, "mb": redis_mb}})


def story() -> list[Operation]:
    """A fault, and all that was seen; nothing is wrong with it."""
    return [
        Operation(1, "stage", "publish", {"count": 6}),
        sample(2, 0, 0),
        search(2.5),
        sample(3, 2, 0, mug=[1, False], lamp=[5, False], gone=[1, False]),
        Operation(4, "stage", "strike", {"what": "a flood", "left": 4}),
        Operation(4.5, "worker-1", "kill", {}),
        search(5, "mug", "gone"),
        Operation(6, "stage", "heal", {}),
        sample(7, 4, 1),
        sample(8, 6, 1, mug=[2, False], gone=[2, True]),
        Operation(9, "meter", "encoded", {"worker": "worker-1", "pid": 3, "count": 5}),
        footprints(9),
        Operation(10, "stage", "settled", {"seconds": 4}),
        search(11, "mug", "lamp"),
        Operation(12, "stage", "roll call", {"missing": []}),
    ]


def broken(
    *more: Operation,
    without: str = "",
    limits: Limits | None = None,
    history: list[Operation] | None = None,
    **final: Any,
) -> set[str]:
    """The invariants that are found broken when the good story has more, or less, or another end."""
    operations = [each for each in (story() if history is None else history) if each.op != without]
    operations = sorted([*operations, *more], key=lambda operation: operation.at)
    return {violation.invariant for violation in check(operations, replace(FINAL, **final), limits or Limits())}
