"""Which of a product's events decides what is written, given what is stored: pure, for one product at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from fourtower_ingest.events import Delete, Patch, Upsert
from fourtower_ingest.folding import State, apply
from fourtower_workers.outcomes import EventOutcome, superseded

Event = Upsert | Patch | Delete


@dataclass(frozen=True)
class Decision:
    """What a product's events of one batch come to."""

    product_id: str
    write: Upsert | Delete | None
    """The whole event to write, if any: the highest one, patches put on."""
    deciding: frozenset[int]
    """Positions of the events that `write` stands for; other events gave way to it."""
    waiting: frozenset[int]
    """Positions of patches that found no product to change."""


def decide(product_id: str, events: Sequence[tuple[int, Event]], base: State) -> Decision:
    """Apply a product's events, with their positions in the batch, to what is known of it.

    Args:
        product_id: the product.
        events: in the order of the log.
        base: the stored product where there are patches; without patches nothing needs to be known.
    """
    state = base
    for _, event in events:
        state = apply(state, event)
    waiting = frozenset(position for position, event in events if any(event is patch for patch in state.waiting))
    if state.full is None or state.full is base.full:
        return Decision(product_id, None, frozenset(), waiting)
    return Decision(product_id, state.full, _deciding(events, base), waiting)


def outcomes_of(
    decision: Decision, events: Iterable[tuple[int, Event]], winner: EventOutcome | None
) -> Iterable[tuple[int, EventOutcome]]:
    """The outcome of each event of a product, from what became of the write."""
    for position, event in events:
        yield position, _outcome(decision, position, event, winner)


def _outcome(decision: Decision, position: int, event: Event, winner: EventOutcome | None) -> EventOutcome:
    own = EventOutcome(event.product_id, event.version, "stale")
    if position in decision.waiting:
        return _without_base(event)
    if winner is None:
        return own
    if position in decision.deciding or (decision.write is None and winner.status == "failed"):
        return replace(winner, version=event.version)
    return own if decision.write is None else superseded(own, winner)


def _deciding(events: Sequence[tuple[int, Event]], base: State) -> frozenset[int]:
    """The events that led to the final state last; identical whole events count alike."""
    state, last = base, events[0][1]
    for _, event in events:
        after = apply(state, event)
        if after.full is not state.full:
            # A whole event may have been given to a patch that was waiting.
            last = state.waiting[-1] if state.waiting and after.full is not event else event
        state = after
    return frozenset(position for position, event in events if event is last or _repeats(event, last))


def _repeats(event: Event, other: Event) -> bool:
    return not isinstance(event, Patch) and not isinstance(other, Patch) and event.order == other.order


def _without_base(event: Event) -> EventOutcome:
    message = (
        f"Product {event.product_id} is not stored, so version {event.version} has nothing to change; "
        f"send the whole product first."
    )
    return EventOutcome(event.product_id, event.version, "failed", "no_base", message, retryable=True, stage="plan")
