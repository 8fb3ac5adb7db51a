"""Generations are filled from one another: copied or encoded anew, in any company, and after any interruption."""

from base64 import b64encode
from dataclasses import replace
from itertools import count

import numpy as np
import pytest
from tests.workers.reconciling.test_reconciliation import IndexerAsWorkers
from tests.workers.reindexing.halls import TIMEOUT_S
from tests.workers.shop import SCHEMA, CountingEmbedder, delete, patch, png, upsert

from fourtower_encoders.checkpoint import locate, read_checkpoint
from fourtower_ingest.news import Heard
from fourtower_ingest.wire import Done, EventReport, Topology
from fourtower_search.errors import IndexUnavailable
from fourtower_search.index.memory import MemoryRows
from fourtower_search.index.settings import IndexSettings
from fourtower_search.schema import Attribute, CatalogSchema
from fourtower_workers.reconciling.errands import ErrandRules, Errands
from fourtower_workers.reconciling.sending import Sending
from fourtower_workers.reindexing import copying, seeding
from fourtower_workers.reindexing.seeding import Copying, Encoding, Seeder
from fourtower_workers.reindexing.switching import amend_life

FLAT = IndexSettings(type="FLAT")
WIDER = CatalogSchema(attributes={**SCHEMA.attributes, "colour": Attribute(type="string")})
INLINE = "data:image/png;base64," + b64encode(png(9)).decode()
PRODUCTS = [
    upsert(3, "p1", title="mug", images=[{"url": "a.png"}, {"url": "b.png"}], attributes={"price": 5, "colour": "red"}),
    upsert(1, "p2", title="lamp"),
    upsert(2, "p3", images=[{"url": "a.png"}, {"url": "broken.png"}], attributes={"tags": ["x"]}),
    delete(9, "p4"),
    upsert(2, "p5", title="vase", images=[{"url": INLINE}]),
]


@pytest.fixture
def filled(hall):
    hall.send(*PRODUCTS)
    hall.send(upsert(4, "p6", title="hat"), patch(5, "p6", attributes={"price": 7}))
    hall.embedder.forget()
    return hall


@pytest.fixture(scope="module")
def tiny(tiny_towers):
    with CountingEmbedder.load(str(tiny_towers), runtime="onnx") as embedder:
        yield embedder


def seed(hall, begun, filling=None):
    """Fill a generation as the command does, but for the processes."""
    with hall.open(begun.source.generation) as source, hall.open(begun.record.generation) as target:

        def note(progress):
            amend_life(hall.generations, hall.record(begun.record.generation), seeding=progress)

        filling = filling or Copying(begun, target)
        return Seeder(source, begun.seeding, filling, note, vectors=begun.copies).run(lambda done: None)


def by_workers(hall, begun, workers):
    errands = Errands(Topology(), "s", "shop", rules=ErrandRules(batch=2, batches=1, patience_s=5, retry_after_s=0))
    copies = Copying(begun, hall.open(begun.record.generation))
    return Encoding(copies, Sending(workers, errands, clock=count().__next__))


def states(rows):
    return {key: (row.order, row.view, row.row_count, row.image_hash, row.text_hash) for key, row in rows.items()}


def test_rows_are_copied_as_they_are_and_nothing_is_encoded(filled):
    done = seed(filled, filled.begin(layout=FLAT))
    assert (done.done, done.copied, done.sent, done.failed, done.after) == (True, 6, 0, 0, "p6")
    assert filled.embedder.calls == 0
    before, after = filled.rows(1), filled.rows(2)
    assert before.keys() == after.keys()
    for key, row in before.items():
        assert (row.vector is None) == (after[key].vector is None) == row.order.deleted
        assert row.vector is None or (row.vector == after[key].vector).all()
        assert (row.payload, row.attributes, row.title) == (after[key].payload, after[key].attributes, after[key].title)
    assert filled.record(2).life.seeding == done


def test_attributes_are_split_anew_for_another_catalog(filled):
    seed(filled, filled.begin(catalog=WIDER))
    before, after = filled.rows(1), filled.rows(2)
    assert states(before) == states(after), "the same keys, for the events are the same"
    mug = next(row for row in after.values() if row.product_id == "p1")
    assert mug.attributes == {"price": 5.0, "colour": "red"}
    assert "attributes" not in mug.payload
    assert filled.embedder.calls == 0
    outcomes = filled.send(patch(6, "p6", attributes={"colour": "blue"}), number=2)
    assert [outcome.status for outcome in outcomes] == ["applied"]


def test_what_the_new_catalog_refuses_is_named(filled):
    strict = CatalogSchema(attributes={"colour": Attribute(type="string", required=True)})
    done = seed(filled, filled.begin(catalog=strict))
    assert (done.copied, done.failed, done.done) == (2, 4, True)
    assert [told.split(":")[0] for told in done.refused] == ["p2", "p3", "p5", "p6"]
    assert "colour" in done.refused[0]
    assert {row.product_id for row in filled.rows(2).values()} == {"p1", "p4"}


def test_imputed_halves_follow_another_kappa(filled):
    checkpoint = read_checkpoint(locate("demo"))
    params = checkpoint.params.model_copy(update={"kappa_image": 0.25, "kappa_text": 0.75})
    begun = filled.begin(checkpoint=replace(checkpoint, params=params), source="demo")
    assert begun.copies
    seed(filled, begun)
    assert filled.embedder.calls == 0
    before, copied = filled.rows(1), filled.rows(2)
    assert {row.imputed for row in before.values()} == {"", "image", "text"}
    anew = filled.create(begun.record)
    filled.send(*PRODUCTS, number=anew.generation)
    encoded = filled.rows(anew.generation)
    assert len(encoded) == 7
    for key, row in encoded.items():
        assert row.vector is None or np.allclose(copied[key].vector, row.vector, atol=1e-6), key


def test_what_is_newer_there_already_stays(filled):
    begun = filled.begin(layout=FLAT)
    newer = upsert(8, "p1", title="cup")
    filled.send(newer, delete(7, "p2"), number=2)
    seed(filled, begun)
    rows = {row.product_id: row for row in filled.rows(2).values()}
    assert (rows["p1"].title, rows["p2"].order.deleted) == ("cup", True)
    assert [key for key in filled.rows(2) if key.startswith("p1@")] == [str(rows["p1"].key)]


@pytest.mark.parametrize("dies_after", [0, 1, 2])
def test_killed_anywhere_it_goes_on_and_copies_little_twice(filled, monkeypatch, dies_after):
    monkeypatch.setattr(seeding, "BATCHES", 1)
    monkeypatch.setattr(copying, "slices", lambda items: [[item] for item in items])
    begun = filled.begin(layout=FLAT)
    fillings = []

    class Dying(Copying):
        def fill(self, products):
            if len(fillings) == dies_after:
                raise KeyboardInterrupt
            fillings.append(products)
            return super().fill(products)

    with pytest.raises(KeyboardInterrupt):
        seed(filled, begun, Dying(begun, filled.open(2)))
    assert filled.record(2).life.seeding.copied == dies_after
    done = seed(filled, filled.begin())
    assert (done.copied, done.done) == (6, True)
    assert states(filled.rows(1)) == states(filled.rows(2))


class Faltering(MemoryRows):
    """Does not take the first writes."""

    failures = 0

    def upsert(self, rows, *, timeout_s):
        self.failures += 1
        if self.failures < 3:
            raise IndexUnavailable("Not now.")
        super().upsert(rows, timeout_s=timeout_s)


def test_writes_that_fail_for_the_moment_are_tried_again(filled, monkeypatch):
    monkeypatch.setattr(seeding, "PAUSE_S", 0.0)
    begun = filled.begin(layout=FLAT)
    filled.generations._rows[2] = Faltering(SCHEMA, begun.record.dim)
    assert seed(filled, begun).copied == 6
    assert states(filled.rows(1)) == states(filled.rows(2))


def test_another_model_encodes_every_product_once(filled, tiny, tiny_towers):
    begun = filled.begin(checkpoint=read_checkpoint(tiny_towers), source=str(tiny_towers), catalog=WIDER)
    workers = IndexerAsWorkers(filled.indexer(2, tiny))
    done = seed(filled, begun, by_workers(filled, begun, workers))
    assert (done.copied, done.sent, done.failed, done.without_pictures) == (1, 5, 0, 2)
    assert sorted(tiny.texts) == ["hat", "lamp", "mug", "vase"]
    before, after = filled.rows(1), filled.rows(2)
    assert before.keys() == after.keys(), "versions and digests are those of the events"
    assert all(row.vector is None or row.vector.shape == (2 * tiny.dim,) for row in after.values())
    assert {batch.repair for batch in workers.batches} == {False}


def test_a_picture_that_came_inside_an_event_comes_back_with_the_log(filled, tiny, tiny_towers):
    begun = filled.begin(checkpoint=read_checkpoint(tiny_towers), source=str(tiny_towers))
    seed(filled, begun, by_workers(filled, begun, IndexerAsWorkers(filled.indexer(2, tiny))))
    missing = {row.product_id for row in filled.rows(2).values() if row.image_missing}
    assert missing == {"p3", "p5"}
    tiny.forget()
    log = filled.indexer(2, tiny)
    log.index_events(PRODUCTS)
    assert (tiny.texts, len(tiny.images)) == ([], 1)
    assert {row.product_id for row in filled.rows(2).values() if row.image_missing} == {"p3"}
    tiny.forget()
    log.index_events(PRODUCTS)
    assert tiny.calls == 0


def test_rows_keep_where_they_came_from(filled, tiny, tiny_towers):
    filled.indexer(1, source="first.jsonl").index_events([upsert(1, "p7", title="bag")])
    begun = filled.begin(checkpoint=read_checkpoint(tiny_towers), source=str(tiny_towers))
    workers = IndexerAsWorkers(filled.indexer(2, tiny))
    seed(filled, begun, by_workers(filled, begun, workers))
    assert {batch.source for batch in workers.batches} == {"shop", "first.jsonl"}


class Answering:
    """Workers that answer each event alike, or not at all."""

    def __init__(self, report=None):
        self.report, self.news = report, []

    def send(self, batch):
        if self.report is not None:
            self.news.append(Heard(Done(attempt=batch.attempt, reports=(self.report,) * len(batch.events))))

    def hear(self, timeout_s):
        return self.news.pop(0) if self.news else None


@pytest.mark.parametrize(
    ("report", "told"),
    [
        (None, "No worker answered within 5 s; is one running for this generation?"),
        (EventReport(status="failed", code="unavailable", message="Away.", retryable=True), "was not indexed: Away."),
    ],
)
def test_without_workers_it_stops_and_goes_on_later(filled, tiny, tiny_towers, report, told):
    asked = {"checkpoint": read_checkpoint(tiny_towers), "source": str(tiny_towers)}
    begun = filled.begin(**asked)
    with pytest.raises(IndexUnavailable, match=told.replace("?", r"\?")):
        seed(filled, begun, by_workers(filled, begun, Answering(report)))
    assert not filled.record(2).life.seeding.done
    assert filled.record(2).life.seeding.after == ""
    again = filled.begin()
    done = seed(filled, again, by_workers(filled, again, IndexerAsWorkers(filled.indexer(2, tiny))))
    assert (done.sent, done.done) == (5, True)


def test_what_workers_refuse_for_good_is_named(filled, tiny_towers):
    begun = filled.begin(checkpoint=read_checkpoint(tiny_towers), source=str(tiny_towers))
    report = EventReport(status="failed", stage="fetch", code="image_unavailable", message="Gone.", retryable=True)
    done = seed(filled, begun, by_workers(filled, begun, Answering(report)))
    assert (done.done, done.sent, done.failed) == (True, 0, 5)
    assert done.refused[0] == "p1: Gone."
    assert filled.generations.current(timeout_s=TIMEOUT_S).generation == 1
