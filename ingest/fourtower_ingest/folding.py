"""What events of a product add up to: pure functions, without a log, an index or a clock.

Upserts and deletes converge in any order: the highest `order` stays. Patches apply in the order of the log, to a lower
version, and are stale where the product's version is not lower. A patch that finds no product waits for one, and is
put onto it if its version is lower.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from fourtower_ingest.events import Delete, Patch, Product, ProductChange, Upsert

Series = tuple[Upsert | Patch | Delete, ...]


class State(NamedTuple):
    """A product after some events."""

    full: Upsert | Delete | None = None
    """The product, or its grave; None where nothing whole was seen yet."""
    waiting: tuple[Patch, ...] = ()
    """Patches without a base, in rising versions."""


def apply_patch(product: Product, change: ProductChange) -> Product:
    """The product after a change."""
    fields = {name: getattr(change, name) for name in change.fields}
    attributes = {
        name: value for name, value in {**product.attributes, **change.attributes}.items() if value is not None
    }
    return product.model_copy(update={**fields, "attributes": attributes})


def patched(base: Upsert, patch: Patch) -> Upsert:
    """The whole product that a patch leads to, as an event of the patch's version."""
    return Upsert(product_id=base.product_id, version=patch.version, product=apply_patch(base.product, patch.product))


def apply(state: State, event: Upsert | Patch | Delete) -> State:
    """The state after one more event; the very same object where the event is stale."""
    full, waiting = state
    if isinstance(event, Patch):
        if _is_stale(event, state):
            return state
        if isinstance(full, Upsert):
            return State(patched(full, event))
        return State(full, (*waiting, event))
    if full is not None and event.order <= full.order:
        return state
    state = State(event)
    for patch in waiting:
        state = apply(state, patch)
    return state


def apply_all(state: State, events: Iterable[Upsert | Patch | Delete]) -> State:
    """The state after these events, in the order of the log."""
    for event in events:
        state = apply(state, event)
    return state


def fold(series: Series, newer: Upsert | Patch | Delete) -> Series:
    """Add the next event of a product to a series of them, and leave out what has no effect any more.

    Whatever is known of the product, it ends in the same state by the folded series as by all of its events.
    That is why a patch is not merged into the upsert before it: where the index holds a version between the two,
    the upsert is stale and the patch is not.
    """
    if any(_makes_stale(event, newer) for event in series):
        return series
    if all(_supersedes(newer, event) for event in series):
        return (newer,)
    last = series[-1]
    if isinstance(newer, Patch) and isinstance(last, Patch) and _covers(newer.product, last.product):
        return (*series[:-1], newer)
    return (*series, newer)


def fold_all(events: Iterable[Upsert | Patch | Delete]) -> Series:
    """The short series that has the effect of these events, in the order of the log."""
    series: Series = ()
    for event in events:
        series = fold(series, event)
    return series


def _is_stale(patch: Patch, state: State) -> bool:
    return (state.full is not None and patch.version <= state.full.version) or any(
        patch.version <= earlier.version for earlier in state.waiting
    )


def _makes_stale(older: Upsert | Patch | Delete, newer: Upsert | Patch | Delete) -> bool:
    """Whether nothing is left for the newer event to do once the older one was seen, whatever came of that."""
    if isinstance(newer, Patch):
        return newer.version <= older.version
    return not isinstance(older, Patch) and newer.order <= older.order


def _supersedes(newer: Upsert | Patch | Delete, older: Upsert | Patch | Delete) -> bool:
    """Whether the older event leaves no trace once the newer one was seen."""
    if isinstance(newer, Patch):
        return False
    if isinstance(older, Patch):
        # A patched product of an equal version may have the higher digest; a delete comes after it in any case.
        return newer.version > older.version or (newer.deleted and newer.version == older.version)
    return newer.order > older.order


def _covers(newer: ProductChange, older: ProductChange) -> bool:
    return older.fields <= newer.fields and older.attributes.keys() <= newer.attributes.keys()
