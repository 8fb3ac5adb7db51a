"""What is there when all has settled: log, dead letters, offsets, every row; gathered here, judged by `checker`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from tests.stream.oracle import judge
from tests.stream.verdict import Place, Raw, find_all, origin, read_log, vectors_of

from fourtower_encoders.embedder import Embedder
from fourtower_search.index.opening import open_index
from fourtower_search.index.products import IndexedProduct

if TYPE_CHECKING:
    from tests.faults.stage import Stage

TOLERANCE = 2e-4


@dataclass(frozen=True)
class Held:
    """What the index holds of one product."""

    version: int
    deleted: bool
    surplus: int = 0
    """Rows that do not belong to the highest complete version."""
    title: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    views: int = 0


@dataclass(frozen=True)
class Final:
    """Everything, when all has settled."""

    log: tuple[Raw, ...] = ()
    letters: tuple[Place, ...] = ()
    """The records that dead letters are about, each as often as it has one."""
    committed: Mapping[tuple[str, int], int] = field(default_factory=dict)
    ends: Mapping[tuple[str, int], int] = field(default_factory=dict)
    held: Mapping[str, Held] = field(default_factory=dict)
    incomplete: frozenset[str] = frozenset()
    """Products of which there are rows, but no complete version."""
    wrong_vectors: Mapping[str, str] = field(default_factory=dict)
    """Products whose rows are not what their title and pictures come to, and why."""
    listed: frozenset[str] = frozenset()
    found: frozenset[str] = frozenset()
    expect_dead: frozenset[str] = frozenset()


def gather(stage: Stage) -> Final:
    """Ask the servers, without proxies."""
    cluster = stage.cluster
    log = tuple(read_log(cluster.broker.bootstrap, cluster.topic))
    letters = tuple(origin(letter) for letter in read_log(cluster.broker.bootstrap, cluster.dead_letters))
    listed, found = find_all(cluster)
    held, incomplete, wrong = _index(stage, log)
    return Final(
        log=log,
        letters=letters,
        committed=cluster.committed(),
        ends=cluster.ends(),
        held=held,
        incomplete=incomplete,
        wrong_vectors=wrong,
        listed=frozenset(listed),
        found=frozenset(found),
        expect_dead=frozenset(stage.expect_dead),
    )


def _index(stage: Stage, log: tuple[Raw, ...]) -> tuple[dict[str, Held], frozenset[str], dict[str, str]]:
    cluster = stage.cluster
    with open_index(cluster.index, alias=cluster.alias) as index:
        stored = dict(index.iterate_stored(consistency="strong"))
        live = [name for name, each in stored.items() if each.complete and not each.complete.deleted]
        shown = index.get(live, vectors=True, consistency="strong")
    held = {}
    for name, each in stored.items():
        if each.complete is not None:
            facts = _shown(shown[name]) if name in shown else {}
            surplus = len(each.rows) - len(each.current)
            held[name] = Held(each.complete.version, each.complete.deleted, surplus, **facts)
    return held, frozenset(stored.keys() - held.keys()), _wrong_vectors(stage, log, shown)


def _shown(product: IndexedProduct) -> dict[str, Any]:
    first = product.rows[0]
    attributes = {**first.attributes, **first.payload.get("attributes", {})}
    plain = {name: list(each) if isinstance(each, tuple) else each for name, each in attributes.items()}
    return {"title": first.title, "attributes": plain, "views": len(product.rows)}


def _wrong_vectors(stage: Stage, log: tuple[Raw, ...], shown: Mapping[str, IndexedProduct]) -> dict[str, str]:
    """Embed what each product says now, and compare."""
    states, _ = judge(log)
    wrong = {}
    with Embedder.load("demo", runtime="onnx", fetcher=stage.fetcher) as towers:
        for name, product in shown.items():
            expected = states.get(name, (0, None))[1]
            if expected is None or max(1, len(expected.get("images", ()))) != len(product.rows):
                continue  # wrong already, and said elsewhere
            vectors = vectors_of(expected, towers, stage.cluster.folder)
            distance = float(np.abs(np.stack([row.vector for row in product.rows]) - vectors).max())
            if distance > TOLERANCE:
                wrong[name] = f"a vector is off by {distance:.4f}"
    return wrong
