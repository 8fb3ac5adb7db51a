"""Whole runs over a log that is a list and an index in memory, mended by the real indexer."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain, count

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.workers.reconciling.shelves import DAY_MS, NOW_MS, PATCHED, TOPICS, Log, no_bars
from tests.workers.shop import delete, patch, upsert

from fourtower_ingest.news import Heard
from fourtower_ingest.wire import Done, EventReport, IndexBatch, Topology
from fourtower_search.index.convergence import Stored
from fourtower_search.index.generations import GenerationRecord
from fourtower_search.index.rows import Row, RowState
from fourtower_workers.pipeline import read
from fourtower_workers.reconciling.comparing import aligned
from fourtower_workers.reconciling.errands import ErrandRules, Errands
from fourtower_workers.reconciling.findings import KINDS, Folded
from fourtower_workers.reconciling.reconciliation import Reconciliation, Wishes
from fourtower_workers.reconciling.repairing import Repair
from fourtower_workers.reconciling.reporting import render, summary, write_metrics
from fourtower_workers.reconciling.sending import Sending

PICTURES = [{"url": "a.png"}, {"url": "b.png"}]


class IndexerAsWorkers:
    """Indexes each batch at once, as a worker would, and reports."""

    def __init__(self, indexer):
        self.indexer, self.batches, self.news = indexer, [], []

    def send(self, batch: IndexBatch):
        self.batches.append(batch)
        events, refused = read(batch.events)
        assert not refused
        outcomes = self.indexer.index_events(list(events.values()), repair=batch.repair)
        reports = tuple(
            EventReport(status=each.status, code=each.code, message=each.message, images_missing=len(each.images))
            for each in outcomes
        )
        self.news.append(Heard(Done(attempt=batch.attempt, reports=reports)))

    def hear(self, timeout_s):
        return self.news.pop(0) if self.news else None


class Shelf:
    """A log, the shop's index, and runs over both."""

    def __init__(self, shop, topics=TOPICS):
        self.shop, self.log, self.said = shop, Log(topics), []
        self.indexer = shop.open(source="shop")
        self.workers = IndexerAsWorkers(self.indexer)
        self.meanwhile = lambda: None
        self.clock = count().__next__

    def publish(self, *events, index=True, **how):
        for event in events:
            self.log.add(event, **how)
        if index:
            self.indexer.index_events(events)

    def run(self, state=None, reader=None, bars=no_bars, **wishes):
        index, ids = self.shop.index, count()

        def mend(comparison, kinds, advance):
            rules = ErrandRules(batch=2, batches=1, patience_s=5)
            errands = Errands(Topology(), "s", "shop", rules=rules, new_id=lambda: f"a{next(ids)}")
            sending = Sending(self.workers, errands, admits=comparison.pace.admits, clock=self.clock)
            return Repair(comparison, sending).run(kinds, advance)

        def snapshot():
            taken = self.log.snapshot()
            self.meanwhile()
            return taken

        record = GenerationRecord.model_construct(collection="products_1", model_id=index.model_id)
        run = Reconciliation(
            index=index,
            record=record,
            topics=self.log.topics,
            read=reader or self.log.read,
            snapshot=snapshot,
            mend=mend,
            wishes=Wishes(moment_s=0.0, **wishes),
            bars=bars,
            tell=self.said.append,
        )
        return run.run("shop", state)

    def put(self, *rows):
        self.shop.index.store.upsert(rows, timeout_s=5)

    def drop(self, *rows):
        self.shop.index.store.delete([row.key for row in rows], timeout_s=5)

    def rows(self, product_id):
        return self.shop.rows(product_id)

    def versions(self):
        return {name: (held.complete.version, held.complete.deleted) for name, held in self.shop.index.iterate_stored()}


@pytest.fixture
def shelf(shop):
    return Shelf(shop)


def found(report):
    return {kind: number for kind, number in report.found.items() if number}


def inject_everything(shelf):
    """One product, or two, of each class."""
    names = [f"p{number}" for number in range(10)]
    shelf.publish(*(upsert(5, name, title=f"mug {name}", images=PICTURES) for name in names))
    shelf.publish(delete(6, "p4"), upsert(1, "p9", title="right"))
    shelf.publish(upsert(6, "p1", title="newer mug"), upsert(7, "p5", images=[{"url": "c.png"}]), index=False)
    shelf.drop(*shelf.rows("p0"))
    old = [replace(row, order=row.order._replace(version=2)) for row in shelf.rows("p2")]
    shelf.put(*old)
    shelf.drop(shelf.rows("p3")[1])
    late = [replace(row, product_id="p4", order=row.order._replace(version=3)) for row in shelf.rows("p2")]
    shelf.put(*late)
    shelf.put(replace(shelf.rows("p6")[1], image_missing=True, image_hash="", imputed="image"))
    shelf.put(replace(shelf.rows("p7")[0], text_hash="0" * 32))
    shelf.put(*(replace(row, product_id="x1") for row in shelf.rows("p9")))
    shelf.put(*(replace(row, product_id="x2", source="shop.jsonl") for row in shelf.rows("p9")))
    return {
        "p0": "missing",
        "p1": "behind",
        "p2": "several_versions",
        "p3": "incomplete",
        "p4": "wrongly_live",
        "p5": "behind",
        "p6": "image_missing",
        "p7": "wrong_model",
        "x1": "extra",
    }


def test_each_class_is_found_repaired_and_gone(shelf):
    expected = inject_everything(shelf)
    first = shelf.run()
    assert {case.product_id: case.kind for case in first.cases} == expected
    assert set(expected.values()) == set(KINDS)
    assert (first.left, first.foreign) == (9, 1)
    assert shelf.run().left == 9, "looking changes nothing"
    mended = shelf.run(repair=True)
    assert (mended.left, mended.repaired["extra"]) == (1, 0)
    assert {case.product_id for case in mended.cases if case.state == "open"} == {"x1"}
    cleaned = shelf.run(delete_extra=True)
    assert (cleaned.left, cleaned.found["extra"]) == (0, 1)
    last = shelf.run()
    assert (found(last), last.left, last.old_tombstones) == ({}, 0, 1)
    assert shelf.versions()["x2"] == (5, False)
    assert shelf.versions()["p4"] == (6, True)
    assert [row.image_missing for row in shelf.rows("p6")] == [False, False]


def test_a_picture_that_can_not_be_had_is_left_with_the_reason(shelf):
    shelf.publish(upsert(1, title="mug", images=[{"url": "broken.png"}]))
    report = shelf.run(repair=True)
    assert (found(report), report.left) == ({"image_missing": 1}, 1)
    assert "1 of its pictures can't be had" in report.cases[0].remark
    assert report.alarming
    assert not shelf.run(repair=True, ignore=frozenset({"image_missing"})).alarming
    assert shelf.run(ignore=frozenset({"missing"})).alarming
    (shelf.shop.folder / "broken.png").write_bytes((shelf.shop.folder / "a.png").read_bytes())
    assert shelf.run(repair=True).left == 0


def test_an_event_that_workers_refuse_is_left_with_their_reason(shelf):
    shelf.publish(upsert(1, title="mug", attributes={"price": "cheap"}), index=False)
    report = shelf.run(repair=True)
    assert (found(report), report.left) == ({"missing": 1}, 1)
    assert report.cases[0].remark.startswith("invalid_product: Product p1: ")


def test_where_nobody_answers_the_rest_is_not_tried(shelf, monkeypatch):
    monkeypatch.setattr("fourtower_workers.reconciling.repairing.AT_ONCE", 3)
    shelf.publish(*(upsert(1, f"p{number}", title="mug") for number in range(5)), index=False)
    asked = []
    shelf.workers.send = lambda batch: asked.append(len(batch.events))
    report = shelf.run(repair=True)
    assert (report.left, asked) == (5, [2])
    assert [case.state for case in report.cases] == ["left"] * 2 + ["open"] * 3
    assert shelf.said == ["Repairing stopped: No worker answered within 5 s; is one running for this generation?"]


def test_patches_are_folded_and_repaired_like_everything(shop):
    shelf = Shelf(shop, PATCHED)
    shelf.publish(upsert(1, title="mug", attributes={"price": 5}), patch(2, attributes={"price": 6}))
    shelf.publish(upsert(1, "p2", title="lamp", attributes={"price": 5}))
    assert found(shelf.run()) == {}
    shelf.publish(patch(2, "p2", attributes={"price": 7}), index=False)
    report = shelf.run(repair=True)
    assert (found(report), report.left) == ({"behind": 1}, 0)
    assert shelf.rows("p2")[0].attributes["price"] == 7


def test_changes_without_their_product_are_applied_to_what_is_stored(shop):
    shelf = Shelf(shop, PATCHED)
    shelf.publish(upsert(1, title="mug", attributes={"price": 5}))
    shelf.publish(patch(2, attributes={"price": 6}), patch(3, title="red mug"), index=False)
    shelf.publish(patch(2, "p2", title="its beginning is gone"), index=False)
    del shelf.log.records[0]
    shelf.log.begins = {shelf.log.records[0].place.partition: 1}
    report = shelf.run(repair=True)
    assert found(report) == {"behind": 1, "missing": 1}
    assert report.left == 1, "of p2 nothing whole is left"
    row = shelf.rows("p1")[0]
    assert (row.title, row.attributes["price"], row.order.version) == ("red mug", 6, 3)


def test_an_index_ahead_and_what_is_under_way_are_no_findings(shelf):
    shelf.publish(upsert(1, "p1", title="a"), upsert(1, "p2", title="b"))
    shelf.indexer.index_events([upsert(9, "p1", title="compacted away")])
    shelf.publish(upsert(2, "p2", title="c"), index=False, committed=False)
    report = shelf.run()
    assert (found(report), report.ahead, report.in_flight, report.compared) == ({}, 1, 1, 1)


def test_what_came_after_the_snapshot_is_neither_extra_nor_deleted(shelf):
    shelf.publish(upsert(1, "p1", title="a"))

    def new_product():
        shelf.publish(upsert(1, "p2", title="b"))

    shelf.meanwhile = new_product
    assert shelf.run(delete_extra=True).found["extra"] == 0
    assert shelf.versions()["p2"] == (1, False)


def test_a_product_whose_only_record_is_a_dead_letter_is_not_extra(shelf):
    shelf.publish(upsert(1, title="compacted away"))
    shelf.log.records.clear()
    shelf.log.bury(shelf.log.add(upsert(2, title="mug", attributes={"price": "cheap"})))
    assert found(shelf.run(repair=True, delete_extra=True)) == {}


@pytest.mark.parametrize("why", ["not compacted", "made anew"])
def test_nothing_extra_is_deleted_where_the_log_does_not_know_every_product(shop, why):
    shelf = Shelf(shop, PATCHED if why == "not compacted" else TOPICS)
    shelf.log.same_topic = why != "made anew"
    shelf.publish(upsert(1, "p1", title="a"))
    shelf.indexer.index_events([upsert(1, "p2", title="b")])
    report = shelf.run(repair=True, delete_extra=True)
    assert (found(report), report.left) == ({"extra": 1}, 1)
    assert why in shelf.said[0]
    assert shelf.versions()["p2"] == (1, False)


def test_old_deletes_are_forgotten_only_with_repair_and_only_where_nothing_can_come_back(shelf):
    old, fresh = NOW_MS - 8 * DAY_MS, NOW_MS - 6 * DAY_MS
    shelf.publish(delete(2, "old"), delete(2, "again"), delete(2, "lettered"), timestamp_ms=old)
    shelf.publish(delete(2, "again"), delete(2, "fresh"), timestamp_ms=fresh)
    shelf.log.bury(shelf.log.add(upsert(1, "lettered"), timestamp_ms=old))
    shelf.indexer.index_events([delete(2, "dropped"), delete(2, "news")])
    shelf.shop.indexer.index_events([delete(2, "elsewhere")])
    shelf.publish(delete(9, "under way"), timestamp_ms=old, committed=False, number=1)
    shelf.publish(upsert(3, "back", title="a"), timestamp_ms=old)
    shelf.indexer.index_events([delete(4, "back")])
    shelf.meanwhile = lambda: shelf.log.add(upsert(1, "news"))
    before = shelf.versions()
    assert shelf.run().old_tombstones == 3, "old, dropped, elsewhere"
    assert shelf.versions() == before
    shelf.log.records = [record for record in shelf.log.records if record.key != b"news"]
    assert shelf.run(repair=True).purged == 2
    assert before.keys() - shelf.versions().keys() == {"old", "dropped"}


def test_a_topic_that_was_made_anew_forgets_no_delete_that_it_does_not_know(shelf):
    shelf.log.same_topic = False
    shelf.indexer.index_events([delete(2, "dropped")])
    assert shelf.run(repair=True).purged == 0
    assert shelf.versions() == {"dropped": (2, True)}


def test_a_run_that_was_killed_goes_on_and_is_forgotten_when_it_is_done(shelf, tmp_path):
    expected = inject_everything(shelf)
    state = tmp_path / "state"
    for step in ("shop.dlq", "shop", "shop.replay"):
        with pytest.raises(ZeroDivisionError):
            shelf.run(state, failing(shelf.log, step))
    shelf.workers.send = lambda batch: 1 / 0
    with pytest.raises(ZeroDivisionError):
        shelf.run(state, repair=True)
    del shelf.workers.send
    shelf.publish(upsert(1, "late", title="after the snapshot"), index=False)
    shelf.log.reads.clear()
    report = shelf.run(state, repair=True)
    assert report.found["missing"] == 1, "the late one belongs to another run"
    assert sum(report.found.values()) == len(expected)
    assert "14 records are folded already" in shelf.said[-1]
    assert not any(start == {} for topic, start in shelf.log.reads if topic == "shop.dlq"), "read once"
    shelf.said.clear()
    assert found(shelf.run(state)) == {"missing": 1, "extra": 1}
    assert shelf.said == []


def test_comparing_goes_on_where_it_was_killed(shelf, tmp_path, monkeypatch):
    monkeypatch.setattr("fourtower_workers.reconciling.comparing.AT_ONCE", 3)
    shelf.publish(*(upsert(1, f"p{number}", title="mug") for number in range(10)))
    shelf.drop(*shelf.rows("p1"), *shelf.rows("p5"), *shelf.rows("p8"))
    looks = count()

    @contextmanager
    def bars(title, total):
        yield lambda done: 1 / (title != "Comparing" or next(looks) < 2)

    with pytest.raises(ZeroDivisionError):
        shelf.run(tmp_path, bars=bars)
    compared = []

    @contextmanager
    def counting(title, total):
        yield compared.append if title == "Comparing" else lambda done: None

    report = shelf.run(tmp_path, bars=counting)
    assert [case.product_id for case in report.cases] == ["p1", "p5", "p8"]
    assert compared == [6, 3, 1]
    assert report.compared == 10


def failing(log, topic):
    def read(name, **how):
        return chain(log.read(name, **how), zero()) if name == topic else log.read(name, **how)

    return read


def zero():
    yield 1 / 0


def test_another_index_or_a_log_that_was_cut_begins_anew(shop, tmp_path):
    shelf = Shelf(shop, PATCHED)
    shelf.publish(upsert(1, "p1", title="a"), upsert(1, "p2", title="b"))
    with pytest.raises(ZeroDivisionError):
        shelf.run(tmp_path, failing(shelf.log, "shop.dlq"))
    del shelf.log.records[0]
    shelf.log.begins = {shelf.log.records[0].place.partition: 1}
    assert found(shelf.run(tmp_path)) == {}
    assert shelf.said[0].startswith("Another snapshot: shop[0] has lost records that were not read yet, so ")
    with pytest.raises(ZeroDivisionError):
        shelf.run(tmp_path, failing(shelf.log, "shop.dlq"))
    shelf.log.topics = TOPICS
    shelf.run(tmp_path)
    assert "another index, group or topic" in shelf.said[-1]


def test_the_report_is_told_in_three_ways(shelf, tmp_path):
    from rich.console import Console

    inject_everything(shelf)
    report = shelf.run(most=2)
    told = json.loads(json.dumps(summary(report)))
    assert told["found"] == {**dict.fromkeys(KINDS, 1), "behind": 2}
    assert (told["left"], len(told["findings"]), told["compared"]) == (9, 2, 12)
    console = Console(width=200, file=(tmp_path / "out").open("w+"), color_system=None)
    console.print(render(report))
    console.file.seek(0)
    shown = console.file.read()
    assert "9 found, 9 left." in shown
    assert "2 of 9 findings are listed" in shown
    console.file.close()
    metrics = tmp_path / "metrics" / "reconcile.prom"
    write_metrics(report, metrics)
    lines = metrics.read_text().splitlines()
    assert 'fourtower_reconcile_findings{class="behind"} 2.0' in lines
    assert 'fourtower_reconcile_findings{class="extra"} 1.0' in lines
    assert [path.name for path in metrics.parent.iterdir()] == ["reconcile.prom"]


@given(st.sets(st.text(max_size=3), max_size=8), st.sets(st.text(max_size=3), max_size=8))
def test_both_sides_meet_product_by_product(left, right):
    row = RowState("p", Row("p", (1, False, ""), 0, 1).order, 0, 1)
    held = Stored((row,))
    pairs = list(aligned(((name, Folded()) for name in sorted(left)), ((name, held) for name in sorted(right))))
    assert [pair.product_id for pair in pairs] == sorted(left | right)
    assert {pair.product_id for pair in pairs if pair.folded is not None} == left
    assert {pair.product_id for pair in pairs if pair.stored.rows} == right
