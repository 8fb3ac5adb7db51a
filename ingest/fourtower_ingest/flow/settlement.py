"""What is to be done with an item when it is known, or not known, what became of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from fourtower_ingest.dead_letters import Letter
from fourtower_ingest.events import Delete, Patch
from fourtower_ingest.flow.attempts import Attempts
from fourtower_ingest.flow.items import Event, Held, Item, State
from fourtower_ingest.flow.ledger import Ledger
from fourtower_ingest.flow.letters import Letters
from fourtower_ingest.flow.mailboxes import Mailboxes
from fourtower_ingest.flow.settled import Settled, certain
from fourtower_ingest.flow.stats import DROPPED
from fourtower_ingest.flow.verdicts import NO_BASE, Fate, Verdict, verdict
from fourtower_ingest.flow.waiting import Waiting
from fourtower_ingest.folding import fold_all
from fourtower_ingest.log import Place
from fourtower_ingest.settings import FlowSettings
from fourtower_ingest.wire import EventReport

Reports = Sequence[EventReport]


class Settlement:
    """Moves items on: done, sent again, parked, split into their records, or dead."""

    def __init__(
        self,
        settings: FlowSettings,
        *,
        ledger: Ledger,
        mailboxes: Mailboxes,
        waiting: Waiting,
        attempts: Attempts,
        letters: Letters,
        settled: Settled,
        dead_letters_on: bool,
    ) -> None:
        self._settings = settings
        self._ledger, self._mailboxes, self._waiting = ledger, mailboxes, waiting
        self._attempts, self._letters, self._settled = attempts, letters, settled
        self._dead_letters_on = dead_letters_on
        self._dying: dict[Place, Item] = {}

    def reported(self, item: Item, reports: Reports, now: float) -> None:
        """A worker said what became of each event of the item."""
        found = verdict(reports)
        self._doubt(item, found)
        if item.effective:
            self.advance(item, now)
        elif found.fate is Fate.SETTLED:
            self.settled(item, reports, now)
        elif found.fate is Fate.WITHOUT_BASE:
            self._without_base(item, reports, found.report, now)
        elif found.fate is Fate.INDEX_ILL:
            self._waiting.ready(item, now)
        else:
            self._failed(item, found, now)

    def settled(self, item: Item, reports: Reports, now: float) -> None:
        """The effect of the whole item is certain."""
        self._finish(item, item.held, reports)
        lane = self._mailboxes.lane(item)
        if lane.aside and any(report.status == "applied" for report in reports) and not _is_delete(item):
            lane.recall()
        self.advance(item, now)

    def settled_late(self, item: Item, reports: Reports, now: float) -> None:
        """An attempt that was given up did it, while the item waits, or another attempt at it is under way."""
        if item.attempt is None:
            self._waiting.remove(item)
            self.settled(item, reports, now)
        else:
            # Nothing else of this product may be sent before it is known what that other attempt does.
            self._finish(item, item.held, reports)
            item.held, item.effective = [], True

    def again(self, item: Item, now: float) -> None:
        """Nothing is known, and it is nobody's fault."""
        if item.effective:
            self.advance(item, now)
        else:
            self._waiting.ready(item, now)

    def lost(self, item: Item, reason: str, *, singly: bool, limit: int, now: float) -> None:
        """A worker was lost over a batch with it, or over it alone."""
        item.alone = True
        item.losses += singly
        if item.effective or item.losses < limit:
            self.again(item, now)
        else:
            message = f"Workers were lost {item.losses} times over it alone: {reason or 'for no known reason'}."
            self._give_up(item, "encode", "poison", message, now)

    def advance(self, item: Item, now: float) -> None:
        """The item is finished: the next one of its product has its turn."""
        self._attempts.settle(item)
        following = self._mailboxes.advance(item)
        if following is None:
            return
        if following.base_since is not None and not following.rerun:
            self._park(following, now)
        else:
            self._waiting.ready(following, now)

    def bury(self, letter: Letter, *, product_id: str = "", withhold: bool = False) -> bool:
        """The record can't be indexed: it is done when the broker has its dead letter; False if it is done now."""
        if self._dead_letters_on:
            self._letters.write(letter, withhold=withhold)
        else:
            self._ledger.finish(letter.record, DROPPED, letter.code, product_id=product_id)
        return self._dead_letters_on

    def buried(self, place: Place, now: float) -> str:
        """The dead letter of this record is acknowledged, or forgotten; returns the record's product, if known."""
        item = self._dying.pop(place, None)
        if item is None:
            return ""
        item.unburied -= 1
        self._after_burials(item, now)
        return item.product_id

    def _finish(self, item: Item, records: Collection[Held], reports: Reports) -> None:
        """Each record ends as its event did; those folded away gave way to events that are applied or stale."""
        self._remember(item, records, reports)
        ended = {id(event): report.status for event, report in zip(item.series, reports, strict=True)}
        for held in records:
            status = ended.get(id(held.event), "superseded")
            self._ledger.finish(held.record, status, product_id=item.product_id)

    def _remember(self, item: Item, records: Collection[Held], reports: Reports) -> None:
        if certain(reports):
            sent = _Exactly(item.series)
            self._settled.settle(item.product_id, item.series, [held.record for held in records if held.event in sent])

    def _doubt(self, item: Item, found: Verdict) -> None:
        """Where an index fails, or a product does, it may not be what it was."""
        if found.fate is Fate.INDEX_ILL:
            self._settled.doubt_all()
        elif found.fate is not Fate.SETTLED:
            self._settled.doubt(item.product_id)

    def _without_base(self, item: Item, reports: Reports, report: EventReport, now: float) -> None:
        """Patches found no product: they wait for one, up to a limit; the rest of the item is settled."""
        if item.base_since is None:
            item.base_since = now
        known = _known_version(item, reports)
        waiting = [held for held in item.held if isinstance(held.event, Patch) and held.event.version > known]
        self._finish(item, _without(item.held, waiting), reports)
        tried = _Exactly(item.series)
        # A patch that was folded away may be stale; it comes to light when those before it are gone.
        expired = [held for held in waiting if held.event in tried and self._base_due(item, held) <= now]
        for held in expired:
            self._bury(item, held, report.stage or "plan", NO_BASE, report.message)
        item.held = _without(waiting, expired)
        ours = _Exactly(held.event for held in item.held)
        if not all(event in ours for event in item.series):
            item.series = fold_all(held.event for held in item.held)
        self._after_burials(item, now)

    def _base_due(self, item: Item, held: Held) -> float:
        """Until when a patch waits for its product."""
        since = held.at if item.base_since is None else max(item.base_since, held.at)
        return since + self._settings.patch_base_timeout_s

    def _set_aside(self, item: Item, now: float) -> None:
        self._attempts.settle(item)
        self._mailboxes.lane(item).set_aside()
        following = self._mailboxes.advance(item)
        assert following is not None, "what was set aside comes last"
        if following.rerun:
            self._waiting.ready(following, now)
        else:
            self._park(following, now)

    def _park(self, item: Item, now: float) -> None:
        """Wait for the product, or send at once with what has come in for it meanwhile."""
        item.state = State.PARKED
        if self._mailboxes.lane(item).absorb():
            self._waiting.ready(item, now)
            return
        item.tries += 1
        tried = _Exactly(item.series)
        last_try = min((self._base_due(item, held) for held in item.held if held.event in tried), default=now)
        self._waiting.delay(item, State.PARKED, max(now, min(now + self._waiting.pause_after(item.tries), last_try)))

    def _failed(self, item: Item, found: Verdict, now: float) -> None:
        item.tries += 1
        report = found.report
        hopeless = found.fate is Fate.FAILED or (
            found.fate is Fate.PICTURE_MISSING and item.tries >= self._settings.image_tries
        )
        if hopeless:
            self._give_up(item, report.stage, report.code, report.message, now)
        else:
            self._waiting.delay(item, State.RETRYING, now + self._waiting.pause_after(item.tries))

    def _give_up(self, item: Item, stage: str, code: str, message: str, now: float) -> None:
        """The item failed for good: the one record dies, several run again singly, for some of them may be well."""
        if not self._at_fault(item):
            self._attempts.settle(item)
            self._waiting.ready(self._mailboxes.split(item), now)
            return
        for held in item.held:
            self._bury(item, held, stage, code, message)
        item.held = []
        self._after_burials(item, now)

    def _at_fault(self, item: Item) -> bool:
        """Whether it is certain that each of its records failed."""
        return item.lone

    def _bury(self, item: Item, held: Held, stage: str, code: str, message: str) -> None:
        letter = Letter(held.record, stage, code, message, item.attempts)
        if self.bury(letter, product_id=item.product_id):
            self._dying[held.record.place] = item
            item.unburied += 1

    def _after_burials(self, item: Item, now: float) -> None:
        """Go on when all dead letters of the item are acknowledged."""
        if item.unburied:
            self._attempts.settle(item)
            item.state = State.BURYING
        elif not item.held:
            self.advance(item, now)
        elif item.rerun:
            self._set_aside(item, now)
        else:
            self._park(item, now)


def _is_delete(item: Item) -> bool:
    return isinstance(item.series[-1], Delete)


def _known_version(item: Item, reports: Reports) -> int:
    """The highest version of which it is known what became of it; the index has it, or a newer one."""
    known = [event.version for event, report in zip(item.series, reports, strict=True) if report.status != "failed"]
    return max(known, default=-1)


def _without(records: Iterable[Held], others: Iterable[Held]) -> list[Held]:
    left_out = {id(held) for held in others}
    return [held for held in records if id(held) not in left_out]


class _Exactly:
    """Membership by identity: equal events of two records are not the same."""

    def __init__(self, events: Iterable[Event]) -> None:
        self._ids = {id(event) for event in events}

    def __contains__(self, event: Event) -> bool:
        return id(event) in self._ids
