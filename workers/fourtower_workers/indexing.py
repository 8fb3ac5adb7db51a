"""Events become rows of the index: read what is stored, decide, encode what changed, write.

Knows neither Kafka nor Celery. `prepare` does everything that takes long (reading, fetching, encoding), `submit` only
hands over, so that a caller can prepare the next batch while the last one is being written.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fourtower_encoders.embedder import Embedder
from fourtower_ingest.events import Delete, Patch, Upsert
from fourtower_ingest.folding import State
from fourtower_ingest.wire import ImagePolicy
from fourtower_search.errors import IndexMismatch, InvalidCatalog
from fourtower_search.index.convergence import Stored, needed
from fourtower_search.index.outcomes import Outcome
from fourtower_search.index.product_index import ProductIndex
from fourtower_search.index.products import IndexedProduct
from fourtower_search.index.rows import Order, ProductWrite, Vector, tombstone
from fourtower_workers.decisions import Decision, Event, decide, outcomes_of
from fourtower_workers.documents import Document, document_of, product_of
from fourtower_workers.encoding import Encoder, Turn, encode, no_turn
from fourtower_workers.halves import Plan, Refetch, matches, plan
from fourtower_workers.outcomes import EventOutcome, Failure, ImageProblem, Indexing, Stage, mapped
from fourtower_workers.views import gather, product_writes

Batch = Mapping[str, Sequence[tuple[int, Event]]]
"""A batch's events by product, with their positions."""


@dataclass(frozen=True)
class Prepared:
    """A batch that only needs to be written."""

    events: Batch
    decisions: Mapping[str, Decision]
    writes: Sequence[ProductWrite]
    stored: Mapping[str, Stored]
    failures: Mapping[str, Failure]
    """Products that can't be indexed."""
    problems: Mapping[str, tuple[ImageProblem, ...]]
    """Pictures that could not be used, by product."""


@dataclass
class _Work:
    """What `prepare` was told, and what it has come to so far."""

    source: str
    image_policy: ImagePolicy
    repair: bool
    mended: set[str] = field(default_factory=set)
    """Products whose rows are written again, though their version is stored."""
    writes: list[ProductWrite] = field(default_factory=list)
    plans: dict[str, tuple[Plan, Document]] = field(default_factory=dict)
    """By product."""
    failures: dict[str, Failure] = field(default_factory=dict)
    problems: dict[str, tuple[ImageProblem, ...]] = field(default_factory=dict)


class Indexer:
    """Puts events into one index with one model; threads may share it.

    Args:
        index: where to.
        embedder: the towers that the index was built with.
        image_root: folder that relative picture paths refer to; without it they are refused.
        source: the topic or file that events come from; kept with each row.
        refetch: `always` has a picture anew, with every event, where neither sha256 nor etag vouch for it.
        threads: how many pictures are fetched and decoded at once; None is one per core.
        batch: pictures per run of the network; halved where the device has no room for so many.
        turn: what is held while the network runs, where several processes share a device.
        on_halved: called with the size of each batch that the device had no room for.

    Raises:
        IndexMismatch: index and model don't belong together.
    """

    def __init__(
        self,
        index: ProductIndex,
        embedder: Embedder,
        *,
        image_root: Path | None = None,
        source: str = "",
        refetch: Refetch = "never",
        threads: int | None = None,
        batch: int = 64,
        turn: Turn = no_turn,
        on_halved: Callable[[int], None] = lambda _: None,
    ) -> None:
        if (index.model_id, index.dim) != (embedder.model_id, 2 * embedder.dim):
            raise IndexMismatch(
                f"The index was built with model {index.model_id} ({index.dim} numbers per row), this is "
                f"{embedder.model_id} ({2 * embedder.dim}); load that model, or build a new index."
            )
        self._index = index
        self._encoder = Encoder(embedder, image_root, threads, batch, turn, on_halved)
        self._source = source
        self._refetch: Refetch = refetch

    def index_events(
        self, events: Sequence[Event], *, image_policy: ImagePolicy = "text_only", repair: bool = False
    ) -> list[EventOutcome]:
        """Index a batch and wait until it is certain what became of it: one outcome per event, in their order.

        Args:
            events: any number of products, each one's events in the order of the log.
            image_policy: `reject` fails a product if one of its pictures can't be used.
            repair: try again where a picture of the stored, equal version is missing.

        Raises:
            IndexUnavailable: the index did not answer; nothing is lost by sending the batch again.
            OutOfMemory: the device has no room even for one picture or text.
        """
        prepared = self.prepare(events, image_policy=image_policy, repair=repair)
        return self.submit(prepared).verified.result()

    def prepare(
        self,
        events: Sequence[Event],
        *,
        source: str | None = None,
        image_policy: ImagePolicy = "text_only",
        repair: bool = False,
    ) -> Prepared:
        """Read, decide, fetch and encode; the arguments are those of `index_events`, and where the events come from.

        A batch with patches may be prepared only when earlier batches with the same products are verified.
        """
        batch = _by_product(events)
        stored, live = self._read(batch)
        work = _Work(self._source if source is None else source, image_policy, repair)
        decisions: dict[str, Decision] = {}
        for product_id, own in batch.items():
            try:
                base = _base(product_id, stored[product_id], live.get(product_id)) if _has_patch(own) else State()
                decisions[product_id] = decide(product_id, own, base)
                self._plan(decisions[product_id], stored[product_id], work)
            except InvalidCatalog as error:
                decisions.setdefault(product_id, _undecided(product_id, own))
                work.failures[product_id] = Failure.of(product_id, error)
        self._encode(work, self._stored_vectors(work, decisions, stored))
        return Prepared(batch, decisions, work.writes, stored, work.failures, work.problems)

    def submit(self, prepared: Prepared) -> Indexing:
        """Start writing a prepared batch.

        Raises:
            IndexUnavailable: too many batches are on their way, or the index was closed.
        """
        submission = self._index.submit(prepared.writes, prepared.stored)

        def verified(outcomes: list[Outcome]) -> list[EventOutcome]:
            # By now it is known what became of the writes; what failed there was not checked any more.
            unwritten = {outcome.product_id for outcome in submission.written.result() if outcome.status == "failed"}
            return _report(prepared, outcomes, unwritten)

        return Indexing(
            mapped(submission.written, lambda outcomes: _report(prepared, outcomes, prepared.stored)),
            mapped(submission.verified, verified),
        )

    def _read(self, batch: Batch) -> tuple[dict[str, Stored], dict[str, IndexedProduct]]:
        """What is stored, and the whole products where patches need them."""
        patched = {product_id for product_id, own in batch.items() if _has_patch(own)}
        others = [product_id for product_id in batch if product_id not in patched]
        stored = self._index.read(others) if others else {}
        if not patched:
            return stored, {}
        # A bounded read may miss the product's last write, and a patch of what was before would undo it.
        stored |= self._index.read(patched, consistency="strong")
        live = [product_id for product_id in patched if (order := stored[product_id].complete) and not order.deleted]
        return stored, self._index.get(live, consistency="strong")

    def _plan(self, decision: Decision, stored: Stored, work: _Work) -> None:
        """Find out what a product needs; what needs nothing is still reported to the index, which checks it."""
        event = decision.write
        if event is None:
            if stored.complete is not None:
                work.writes.append(ProductWrite(decision.product_id, stored.complete, ()))
            return
        order = Order(*event.order)
        mending = self._is_flawed(event, stored) if work.repair else _brings_pictures(event, stored)
        if mending:
            work.mended.add(event.product_id)
        check = ProductWrite(event.product_id, order, (), repair=mending)
        if not needed(check, stored):
            work.writes.append(check)
        elif isinstance(event, Delete):
            work.writes.append(tombstone(event.product_id, order, source=work.source))
        else:
            document = document_of(event.product, self._index.schema)
            planned = plan(event, stored, model_id=self._index.model_id, refetch=self._refetch)
            work.plans[event.product_id] = planned, document

    def _is_flawed(self, event: Upsert | Delete, stored: Stored) -> bool:
        """Whether rows of an equal version lack a picture, or were encoded from something else."""
        if any(row.image_missing for row in stored.current):
            return True
        return isinstance(event, Upsert) and not matches(event, stored.current, model_id=self._index.model_id)

    def _stored_vectors(
        self, work: _Work, decisions: Mapping[str, Decision], stored: dict[str, Stored]
    ) -> dict[str, Vector]:
        """The vectors of all rows that plans use again, by row key.

        Rows that were removed since they were read gave way to newer ones, made of the same things most likely: a
        strong look at those costs far less than to have and encode every picture again.
        """
        wanted = {product_id: plan.stored_keys for product_id, (plan, _) in work.plans.items()}
        vectors = self._vectors(wanted.values())
        gone = [product_id for product_id, keys in wanted.items() if not keys <= vectors.keys()]
        if gone:
            stored |= self._index.read(gone, consistency="strong")
            for product_id in gone:
                del work.plans[product_id]
                self._plan(decisions[product_id], stored[product_id], work)
            again = [work.plans[product_id] for product_id in gone if product_id in work.plans]
            vectors |= self._vectors(plan.stored_keys for plan, _ in again)
        return vectors

    def _vectors(self, wanted: Iterable[frozenset[str]]) -> dict[str, Vector]:
        keys = frozenset[str]().union(*wanted)
        return self._index.vectors(keys) if keys else {}

    def _encode(self, work: _Work, vectors: Mapping[str, Vector]) -> None:
        halves = encode([plan for plan, _ in work.plans.values()], vectors, self._encoder)
        products = [gather(plan, document, halves) for plan, document in work.plans.values()]
        for product in products:
            product_id = product.plan.event.product_id
            if product.problems:
                work.problems[product_id] = product.problems
            if failure := product.failure(work.image_policy):
                work.failures[product_id] = failure
        usable = [product for product in products if product.plan.event.product_id not in work.failures]
        work.writes += product_writes(
            usable, self._index.params, dim=self._encoder.embedder.dim, source=work.source, mended=work.mended
        )


def _brings_pictures(event: Upsert | Delete, stored: Stored) -> bool:
    """Whether pictures that are missing in an equal version came inside the event.

    A generation that was filled from another one lacks them: only the log holds their bytes.
    """
    if isinstance(event, Delete) or stored.complete != Order(*event.order):
        return False
    images = event.product.images
    return any(row.image_missing and row.view < len(images) and images[row.view].inline for row in stored.current)


def _by_product(events: Iterable[Event]) -> Batch:
    batch: dict[str, list[tuple[int, Event]]] = defaultdict(list)
    for position, event in enumerate(events):
        batch[event.product_id].append((position, event))
    return batch


def _has_patch(own: Iterable[tuple[int, Event]]) -> bool:
    return any(isinstance(event, Patch) for _, event in own)


def _base(product_id: str, stored: Stored, live: IndexedProduct | None) -> State:
    """The stored product, to which patches may apply."""
    if live is not None:
        product = product_of(live.rows[0])
        return State(Upsert(product_id=live.product_id, version=live.order.version, product=product))
    if stored.complete is not None and stored.complete.deleted:
        return State(Delete(product_id=product_id, version=stored.complete.version))
    return State()


def _undecided(product_id: str, own: Collection[tuple[int, Event]]) -> Decision:
    return Decision(product_id, None, frozenset(position for position, _ in own), frozenset())


def _report(prepared: Prepared, outcomes: Sequence[Outcome], unwritten: Collection[str]) -> list[EventOutcome]:
    """One outcome per event, from one per write; `unwritten` are products whose failure is one of writing."""
    of_writes = {outcome.product_id: outcome for outcome in outcomes}
    found: dict[int, EventOutcome] = {}
    for product_id, own in prepared.events.items():
        stage: Stage = "write" if product_id in unwritten else "verify"
        winner = _winner(prepared, product_id, of_writes.get(product_id), stage)
        found.update(outcomes_of(prepared.decisions[product_id], own, winner))
    return [found[position] for position in range(len(found))]


def _winner(prepared: Prepared, product_id: str, outcome: Outcome | None, stage: Stage) -> EventOutcome | None:
    """What became of a product's write; None where there was nothing to write or to check."""
    problems = prepared.problems.get(product_id, ())
    failure = prepared.failures.get(product_id)
    if failure is not None:
        version = prepared.events[product_id][-1][1].version
        return EventOutcome(
            product_id, version, "failed", failure.code, failure.message, failure.retryable, problems, failure.stage
        )
    if outcome is None:
        return None
    status, code, message = outcome.status, outcome.code, outcome.message
    where: Stage = stage if status == "failed" else ""
    return EventOutcome(product_id, outcome.order.version, status, code, message, outcome.retryable, problems, where)
