"""Has workers index again what differs, as if the events had come from the log just now, and looks at the result."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

from fourtower_ingest.events import Delete
from fourtower_ingest.settings import IngestSettings
from fourtower_ingest.wire import MOST_EVENTS, EventReport, Topology
from fourtower_search.index.convergence import Stored
from fourtower_workers.reconciling.cases import Case
from fourtower_workers.reconciling.comparing import AT_ONCE, Comparison
from fourtower_workers.reconciling.errands import Errand, ErrandRules, Result
from fourtower_workers.reconciling.findings import MENDING, Folded, Kind
from fourtower_workers.reconciling.sending import Sending, sending_to
from fourtower_workers.settings import WorkerSettings

Advance = Callable[[int], None]


class Repair:
    """Mends findings through workers.

    Args:
        comparison: what was compared, and looks again afterwards.
        sending: has errands done by them, at the comparison's pace.
    """

    def __init__(self, comparison: Comparison, sending: Sending) -> None:
        self._comparison, self._sending = comparison, sending

    def run(self, kinds: Collection[Kind], advance: Advance) -> str:
        """Mend open findings of these kinds; each ends as repaired or as left, with the reason.

        Returns:
            Why it stopped early; the other findings stay open then. Empty if it did not.
        """
        last, cases = "", self._comparison.cases
        while some := cases.open(kinds, AT_ONCE, after=last):
            reports = {each.errand.product_id: each.report for each in self._sent(self._errands_of(some), advance)}
            stopped, last = self._sending.stopped, some[-1].product_id
            self._judge([case for case in some if not stopped or case.product_id in reports], reports)
            if stopped:
                break
        return self._sending.stopped

    def _errands_of(self, cases: Sequence[Case]) -> Iterator[Errand]:
        extra = [each.product_id for each in cases if each.kind == "extra"]
        stored = self._comparison.index.read(extra, consistency="strong") if extra else {}
        folded = self._comparison.log.get(each.product_id for each in cases)
        for case in cases:
            name = case.product_id
            events = _delete(name, stored[name]) if case.kind == "extra" else folded.get(name, Folded()).events
            if events:
                texts = tuple(event.to_json().decode() for event in events[:MOST_EVENTS])
                yield Errand(name, texts, repair=case.kind in MENDING)

    def _sent(self, errands: Iterator[Errand], advance: Advance) -> Iterator[Result]:
        for result in self._sending.run(errands):
            advance(1)
            yield result

    def _judge(self, cases: list[Case], reports: dict[str, EventReport]) -> None:
        """Look again, whatever was reported."""
        wrong = {each.product_id: each for each in self._comparison.look_twice([case.product_id for case in cases])}
        settled = []
        for case in cases:
            finding = wrong.get(case.product_id)
            if finding is None:
                settled.append(case._replace(state="repaired"))
            else:
                remark = _remark(reports.get(case.product_id))
                settled.append(case._replace(kind=finding.kind, message=finding.message, state="left", remark=remark))
        self._comparison.cases.settle(settled)


def _delete(product_id: str, stored: Stored) -> tuple[Delete, ...]:
    """What ends a product in the version that is stored; any newer event of it still wins."""
    highest = stored.highest
    return () if highest is None else (Delete(product_id=product_id, version=highest.version),)


def _remark(report: EventReport | None) -> str:
    """Why a product is still not right, as far as a report tells."""
    if report is None:
        return "The log holds nothing that could be sent."
    if report.status == "failed":
        return f"{report.code}: {report.message}"
    if report.images_missing:
        return f"{report.images_missing} of its pictures can't be had; the workers' log says why."
    return f"The worker reported: {report.status}."


def mend_by_workers(
    comparison: Comparison,
    kinds: frozenset[Kind],
    advance: Advance,
    *,
    worker: WorkerSettings,
    stream: IngestSettings,
) -> str:
    """Have the workers of a generation mend all open findings of these kinds; why it stopped early, if it did."""
    topology = Topology(alias=worker.alias, generation=worker.generation)
    admits = comparison.pace.admits
    with sending_to(topology, stream, ErrandRules(), name="reconcile", admits=admits) as sending:
        return Repair(comparison, sending).run(kinds, advance)
