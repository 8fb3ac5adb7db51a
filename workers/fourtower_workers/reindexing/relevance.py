"""Compares two generations on judged queries, each searched with the model that built it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fourtower_encoders.checkpoint import locate, read_checkpoint
from fourtower_encoders.errors import CheckpointError
from fourtower_encoders.statistics import Interval
from fourtower_search.client import SearchClient
from fourtower_search.errors import IndexMismatch, InvalidQuery
from fourtower_search.evaluation.comparing import compare
from fourtower_search.evaluation.judgments import Judgments, read_judgments
from fourtower_search.evaluation.live import asking
from fourtower_search.evaluation.measure import DEPTH, Report, evaluate
from fourtower_search.index.generations import GenerationRecord, Generations
from fourtower_search.index.opening import open_generation

FIGURE = f"nDCG@{DEPTH}"
TIMEOUT_S = 60.0
Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Relevance:
    """How well two generations answer the same queries."""

    queries: int
    live: float
    following: float
    difference: Interval
    """Of the second one minus the first, query by query."""


@dataclass(frozen=True)
class Candidate:
    """A generation that is searched."""

    record: GenerationRecord
    model: str = ""
    """Where its model lies, if not where it was recorded."""

    def report(self, generations: Generations, judgments: Judgments, category: str, advance: Advance) -> Report:
        """Put all queries to it."""
        source = self.model or self.record.model
        try:
            params = read_checkpoint(locate(source)).params
        except CheckpointError as error:
            raise IndexMismatch(
                f"Generation {self.record.generation} was built with {source}, which can't be loaded here ({error}) "
                f"Say where it is with --model, or --live-model for the live generation."
            ) from error
        with (
            open_generation(generations, self.record, params=params, timeout_s=TIMEOUT_S) as index,
            SearchClient(index, model=source, timeout_s=TIMEOUT_S) as client,
        ):
            name, progress = self.record.collection, partial(_one_more, advance)
            return evaluate(asking(client.search), judgments, name=name, category=category, progress=progress)


def compare_relevance(
    generations: Generations,
    live: Candidate,
    following: Candidate,
    judgments: Path,
    *,
    category: str = "category",
    advance: Advance = lambda queries: None,
) -> Relevance:
    """Measure both on the same queries.

    Raises:
        InvalidQuery: a query can't be asked.
        IndexMismatch: a model can't be loaded.
    """
    judged = read_judgments(judgments)
    second, first = (each.report(generations, judged, category, advance) for each in (following, live))
    kind = next(iter(second.places()))
    if FIGURE not in second.figures()[kind]:
        raise InvalidQuery(f"No query of {judgments} has a right answer, so nothing can be compared.")
    found = next(each for each in compare(second, first) if (each.kind, each.figure) == (kind, FIGURE))
    before, after = (report.figures()[kind][FIGURE] for report in (first, second))
    return Relevance(len(judged.queries), before, after, found.interval)


def _one_more(advance: Advance, done: int) -> None:
    advance(1)
