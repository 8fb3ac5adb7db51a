"""What a difference between log and index is called: pure, for one product at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from fourtower_ingest.events import Delete, Patch, Upsert
from fourtower_ingest.folding import State
from fourtower_search.index.convergence import Stored, outdated
from fourtower_search.index.rows import Order
from fourtower_workers.halves import matches

Kind = Literal[
    "missing", "behind", "several_versions", "incomplete", "wrongly_live", "image_missing", "wrong_model", "extra"
]
"""`missing`: nothing of it is live. `behind`: an older version is. `several_versions`: rows of older versions are left
beside the right one. `incomplete`: some rows of a version are there, others not. `wrongly_live`: it was deleted.
`image_missing`: a declared picture was not used. `wrong_model`: a half was encoded by another model, or from something
else. `extra`: the log knows nothing of it."""
KINDS: tuple[Kind, ...] = get_args(Kind)
MENDING: frozenset[Kind] = frozenset({"image_missing", "wrong_model"})
"""Those whose version is complete, so that rows must be written once more."""


class Folded(NamedTuple):
    """What the log says of a product."""

    state: State = State()
    """Empty where all that the log holds of it was refused, or set aside."""
    settled: bool = True
    """Whether all its events lie before what the group has committed."""
    last_ms: int = 0
    """When its youngest record was published; 0 if unknown."""

    @property
    def events(self) -> tuple[Upsert | Patch | Delete, ...]:
        """The few events that have the effect of all."""
        full, waiting = self.state
        return waiting if full is None else (full, *waiting)


@dataclass(frozen=True, slots=True)
class Finding:
    """One product that is not as the log says."""

    product_id: str
    kind: Kind
    message: str
    keys: frozenset[str] = frozenset()
    """Rows that should not be there."""


def classify(
    product_id: str, folded: Folded | None, stored: Stored, *, model_id: str, whole_log: bool
) -> Finding | None:
    """What is wrong with a product; None if nothing is, or if nobody can tell.

    Args:
        product_id: the product.
        folded: what the log says of it; None if there is no record of it whatsoever.
        stored: what the index holds of it.
        model_id: of the model that the index is built with.
        whole_log: whether the log goes back to every product's beginning, or was compacted, which keeps one record of
            each. Otherwise its oldest records are gone, and what is not in it may be right all the same.
    """
    if folded is None:
        return _extra(product_id, stored) if whole_log else None
    if not folded.settled or not folded.events:
        return None
    full, waiting = folded.state
    if full is None:
        return _changed_only(product_id, waiting[-1], stored, whole_log=whole_log)
    wanted = Order(*full.order)
    if not _reached(wanted, stored, whole_log=whole_log):
        return _deleted(product_id, wanted, stored) if wanted.deleted else _live(product_id, wanted, stored)
    if isinstance(full, Upsert) and stored.complete == wanted and not matches(full, stored.current, model_id=model_id):
        return Finding(product_id, "wrong_model", f"Version {wanted.version} was encoded by another model, or wrongly.")
    if stored.complete == wanted and any(row.image_missing for row in stored.current):
        views = ", ".join(str(row.view) for row in stored.current if row.image_missing)
        return Finding(product_id, "image_missing", f"Version {wanted.version} lacks its picture {views}.")
    return _left_over(product_id, stored)


def is_ahead(folded: Folded | None, stored: Stored) -> bool:
    """Whether the index holds a newer version than the log: compaction keeps the last record, not the highest."""
    full = None if folded is None else folded.state.full
    return full is not None and stored.complete is not None and stored.complete > Order(*full.order)


def persists(first: Finding, second: Finding) -> bool:
    """Whether a second look confirms the first one.

    A product that is written all the time has rows of two versions at every moment, but never the same ones for long.
    """
    return second.kind != "several_versions" or first.kind != second.kind or bool(first.keys & second.keys)


def _reached(wanted: Order, stored: Stored, *, whole_log: bool) -> bool:
    complete = stored.complete
    if complete is None or complete >= wanted:
        return complete is not None
    # Without its beginning, a log with patches does not tell what exactly its versions hold.
    return not whole_log and complete[:2] == wanted[:2]


def _extra(product_id: str, stored: Stored) -> Finding | None:
    if all(row.order.deleted for row in stored.rows):
        return None
    version = max(row.order for row in stored.rows).version
    return Finding(product_id, "extra", f"Version {version} is indexed; the log has nothing of it.")


def _changed_only(product_id: str, last: Patch, stored: Stored, *, whole_log: bool) -> Finding | None:
    """Of a product whose whole form the log does not hold, or not any more."""
    complete = stored.complete
    if complete is not None and not complete.deleted:
        if complete.version >= last.version:
            return _left_over(product_id, stored)
        return Finding(product_id, "behind", _instead(last.version, f"version {complete.version}"))
    if stored.rows or whole_log:
        return None  # a patch that found nothing to change; it was set aside
    return Finding(
        product_id,
        "missing",
        f"Version {last.version} is not indexed, and the log holds only changes of it; publish the whole product.",
    )


def _deleted(product_id: str, wanted: Order, stored: Stored) -> Finding | None:
    live = _keys(stored, lambda order: not order.deleted and order < wanted)
    if live:
        message = f"Version {wanted.version} deleted it; rows of an older version are live."
        return Finding(product_id, "wrongly_live", message, live)
    if stored.complete is None:
        return None  # never indexed, or forgotten: nothing is live
    return Finding(product_id, "behind", _instead(wanted.version, f"the older delete {stored.complete.version}"))


def _live(product_id: str, wanted: Order, stored: Stored) -> Finding:
    complete = stored.complete
    if any(row.order == wanted or (complete is None and not row.order.deleted) for row in stored.rows):
        version = max(row.order for row in stored.rows).version
        return Finding(product_id, "incomplete", f"Version {version} has lost rows, or was never wholly written.")
    if complete is None or complete.deleted:
        what = "nothing" if complete is None else f"the older delete {complete.version}"
        return Finding(product_id, "missing", _instead(wanted.version, what))
    return Finding(product_id, "behind", _instead(wanted.version, f"version {complete.version}"))


def _left_over(product_id: str, stored: Stored) -> Finding | None:
    """Rows beside those of a version that will do."""
    complete, old = stored.complete, frozenset(outdated(stored))
    assert complete is not None
    if complete.deleted and any(not row.order.deleted and row.key in old for row in stored.rows):
        message = f"Version {complete.version} deleted it; rows of an older version are live."
        return Finding(product_id, "wrongly_live", message, old)
    if old:
        message = f"{len(old)} rows of versions before {complete.version} are left."
        return Finding(product_id, "several_versions", message, old)
    unfinished = _keys(stored, lambda order: order > complete)
    if unfinished:
        message = f"Rows above version {complete.version} were never completed; publish the product's next version."
        return Finding(product_id, "incomplete", message, unfinished)
    return None


def _keys(stored: Stored, where: Callable[[Order], bool]) -> frozenset[str]:
    return frozenset(row.key for row in stored.rows if where(row.order))


def _instead(version: int, found: str) -> str:
    return f"Version {version} is not indexed, but {found}."
