"""A patch waits for its product for as long as the generation is being filled."""

import json

import pytest
from tests.workers.shop import patch, upsert

from fourtower_ingest.flow.verdicts import Fate, verdict
from fourtower_ingest.wire import Done, IndexBatch, Started, Topology, Written
from fourtower_search.errors import IndexUnavailable
from fourtower_search.index.settings import IndexSettings
from fourtower_workers.pipeline import Pipeline
from fourtower_workers.reindexing.seeded import AGAIN_AFTER_S, Seeded
from fourtower_workers.reindexing.switching import amend_life


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


class Heard:
    """A reporter that keeps what it is given."""

    def __init__(self):
        self.reports = []

    def send(self, stream, message):
        assert isinstance(message, Started | Written | Done)
        if isinstance(message, Done):
            self.reports = message.reports

    def flush(self, *, timeout_s):
        pass


@pytest.fixture
def begun(hall):
    return hall.begin(layout=IndexSettings(type="FLAT"))


def finish(hall, begun):
    amend_life(hall.generations, begun.record, seeding=begun.seeding.model_copy(update={"done": True}))


def test_the_index_is_asked_now_and_then_until_it_is_done(hall, begun, monkeypatch):
    clock = Clock()
    seeded = Seeded(hall.generations, begun.record, clock=clock)
    assert seeded.under_way()
    finish(hall, begun)
    assert seeded.under_way(), "not asked again so soon"
    clock.now = AGAIN_AFTER_S + 1
    with monkeypatch.context() as away:

        def silent(*_, **__):
            raise IndexUnavailable("Away.")

        away.setattr(hall.generations, "records", silent)
        assert seeded.under_way(), "waiting loses nothing"
        clock.now *= 2
        away.undo()
        assert not seeded.under_way()
    hall.generations.drop(2, timeout_s=1)
    clock.now *= 2
    assert not seeded.under_way(), "never asked again"


def test_what_was_never_filled_from_another_one_is_not_asked_about(hall):
    hall.generations.close()
    assert not Seeded(hall.generations, hall.live).under_way()


def test_patches_wait_while_products_may_still_come(hall, begun):
    clock, heard = Clock(), Heard()
    seeded = Seeded(hall.generations, begun.record, clock=clock)
    pipeline = Pipeline(hall.indexer(2), begun.record, heard, "w", seeding=seeded.under_way)

    def take(*events):
        texts = tuple(event.to_json().decode() for event in events)
        pipeline.take(IndexBatch(attempt="a", stream="s", topology=Topology(generation=2), events=texts))
        pipeline.indexer._index.close()
        return heard.reports

    late = patch(2, "p1", title="cup"), upsert(1, "p2", title="mug")
    waiting, applied = take(*late)
    assert (waiting.code, waiting.retryable, applied.status) == ("being_seeded", True, "applied")
    assert waiting.message.startswith("The index is being filled. Product p1 is not stored")
    assert verdict([waiting]).fate is Fate.TRY_AGAIN, "which has no end"
    finish(hall, begun)
    clock.now = AGAIN_AFTER_S + 1
    pipeline = Pipeline(hall.indexer(2), begun.record, heard, "w", seeding=seeded.under_way)
    assert [report.code for report in take(*late)] == ["no_base", ""]
    assert json.loads(late[0].to_json())["op"] == "patch"
