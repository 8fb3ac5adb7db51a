"""Puts together what fills a generation: the two collections, and workers where products are encoded anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from fourtower_ingest.settings import IngestSettings
from fourtower_ingest.terminal import counting_bar
from fourtower_search.index.generations import Generations
from fourtower_search.index.life import Seeding
from fourtower_search.index.opening import open_generation
from fourtower_workers.reconciling.errands import ErrandRules
from fourtower_workers.reconciling.sending import sending_to
from fourtower_workers.reindexing.dropping import topology_of
from fourtower_workers.reindexing.recording import record_seeding
from fourtower_workers.reindexing.seeding import Copying, Encoding, Filling, Seeder
from fourtower_workers.reindexing.starting import Begun

RULES = ErrandRules(batches=2)
"""Few on their way, so that live updates don't wait long behind them in the same queue."""
TIMEOUT_S = 60.0
Bars = Callable[[str, int | None], AbstractContextManager[Callable[[int], None]]]


def fill(
    generations: Generations, begun: Begun, stream: IngestSettings, *, timeout_s: float, bars: Bars = counting_bar
) -> Seeding:
    """Fill a generation that was begun, and record how far it is all the while.

    Raises:
        IndexUnavailable: index or workers did not answer; called again, it goes on.
        InvalidQuery: the generation was dropped meanwhile.
    """
    with ExitStack() as opened:
        source, target = (
            opened.enter_context(open_generation(generations, record, timeout_s=timeout_s))
            for record in (begun.source, begun.record)
        )
        copying = Copying(begun, target)
        filling: Filling = copying if begun.copies else opened.enter_context(_encoding(copying, begun, stream))

        def note(seeding: Seeding) -> None:
            record_seeding(generations, begun.record.generation, seeding)

        stored = source.stats(timeout_s=TIMEOUT_S)
        done = begun.seeding.copied + begun.seeding.sent + begun.seeding.failed
        total = max(0, stored.products + stored.tombstones - done)
        with bars(f"Filling generation {begun.record.generation}", total) as advance:
            return Seeder(source, begun.seeding, filling, note, vectors=begun.copies).run(advance)


@contextmanager
def _encoding(copying: Copying, begun: Begun, stream: IngestSettings) -> Iterator[Encoding]:
    with sending_to(topology_of(begun.record), stream, RULES, name="reindex") as sending:
        yield Encoding(copying, sending)
