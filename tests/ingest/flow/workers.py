"""Simulated Redis, workers and index: tasks run step by step, and every step can go wrong."""

from collections import deque

from tests.ingest.flow.catalog import marked

from fourtower_ingest.events import Patch
from fourtower_ingest.folding import State
from fourtower_ingest.parsing import parse_event
from fourtower_ingest.wire import Done, EventReport, Lost, Started, Written
from fourtower_workers.decisions import decide, outcomes_of
from fourtower_workers.outcomes import EventOutcome


class Run:
    """A worker at a task: it reads and decides, then writes, then verifies; others may write in between."""

    def __init__(self, batch, now):
        self.batch, self.since = batch, now
        self.events = [parse_event(document.encode()) for document in batch.events]
        self.own = {}
        for position, event in enumerate(self.events):
            self.own.setdefault(event.product_id, []).append((position, event))
        self.decisions = None
        self.written = False


class Workers:
    """All workers, their queue, and the index."""

    def __init__(self, rng, faults):
        self.rng, self.faults = rng, faults
        self.queue = deque()
        self.runs = []
        self.streams = {}
        self.index = {}
        self.ill_until = 0.0
        self.striking = False
        self.crashed_alone = set()
        """Products that were alone with a worker that crashed without reason: once is bad luck, twice is poison."""
        self.unsound = set()
        """Attempts that something happened to."""

    def step(self, now):
        """One worker does one thing."""
        if self.queue and len(self.runs) < 3 and not self.striking:
            self._start(self.queue.popleft(), now)
        if not self.runs:
            return
        run = min(self.runs, key=lambda run: run.since) if self.rng.random() < 0.5 else self.rng.choice(self.runs)
        if self._crashes(run):
            return
        if run.decisions is None:
            self._prepare(run, now)
        elif not run.written:
            self._write(run)
        else:
            self._verify(run)

    def wipe(self):
        """Redis forgets everything."""
        self.unsound |= {batch.attempt for batch in self.queue} | {run.batch.attempt for run in self.runs}
        self.queue.clear()
        for stream in self.streams.values():
            self.unsound |= {message.attempt for message in stream}
            stream.clear()

    def _start(self, batch, now):
        if self.rng.random() < self.faults.vanishing:
            self.unsound.add(batch.attempt)
            return
        if self.rng.random() < self.faults.twice:
            self.queue.append(batch)  # what was not acknowledged in time is given to another worker, too
        self.runs.append(Run(batch, now))
        self._say(batch, Started(attempt=batch.attempt))

    def _crashes(self, run):
        if run.decisions is not None and not run.written and any(self._is_lethal(run, own) for own in run.own):
            self._crash(run)
            return True
        if self.rng.random() >= self.faults.crash:
            return False
        if len(run.own) == 1 and not run.written:
            (product,) = run.own
            if product in self.crashed_alone or any(marked(event, "poison") for event in run.events):
                return False
            self.crashed_alone.add(product)
        self._crash(run)
        return True

    def _crash(self, run):
        self.runs.remove(run)
        self.unsound.add(run.batch.attempt)
        if self.rng.random() >= self.faults.silent:
            self._say(run.batch, Lost(attempt=run.batch.attempt, reason="signal 9"))

    def _is_lethal(self, run, product):
        write = run.decisions[product].write
        return marked(write, "poison") and self._newer(write)

    def _newer(self, write):
        stored = self.index.get(write.product_id)
        return stored is None or stored.order < write.order

    def _prepare(self, run, now):
        if now < self.ill_until:
            ill = EventReport(status="failed", stage="read", code="unavailable", message="No answer.", retryable=True)
            self._finish(run, [ill] * len(run.events))
            return
        run.decisions = {}
        for product, own in run.own.items():
            patched = any(isinstance(event, Patch) for _, event in own)
            run.decisions[product] = decide(product, own, State(self.index.get(product) if patched else None))

    def _write(self, run):
        for decision in run.decisions.values():
            write = decision.write
            if write is not None and not marked(write, "bad") and self._newer(write):
                self.index[write.product_id] = write
        run.written = True
        self._say(run.batch, Written(attempt=run.batch.attempt))

    def _verify(self, run):
        reports = {}
        for product, own in run.own.items():
            winner = self._winner(run.decisions[product])
            reports |= dict(outcomes_of(run.decisions[product], own, winner))
        self._finish(run, [_report(reports[position]) for position in range(len(run.events))])

    def _winner(self, decision):
        write = decision.write
        if write is None:
            return None
        outcome = EventOutcome(write.product_id, write.version, "applied")
        if self._newer(write):
            return EventOutcome(write.product_id, write.version, "failed", "invalid_product", "It is bad.")
        if self.rng.random() < self.faults.incomplete:
            return EventOutcome(write.product_id, write.version, "failed", "incomplete", "Again.", retryable=True)
        return outcome if self.index[write.product_id].order == write.order else _stale(write)

    def _finish(self, run, reports):
        self.runs.remove(run)
        if self.rng.random() < self.faults.garbled:
            reports = reports[1:]
        self._say(run.batch, Done(attempt=run.batch.attempt, reports=tuple(reports)))

    def _say(self, batch, message):
        if batch.stream in self.streams:
            self.streams[batch.stream].append(message)


def _stale(write):
    return EventOutcome(write.product_id, write.version, "stale")


def _report(outcome):
    return EventReport(
        status=outcome.status,
        stage="write" if outcome.status == "failed" else "",
        code=outcome.code,
        message=outcome.message,
        retryable=outcome.retryable,
    )
