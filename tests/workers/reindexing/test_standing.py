"""How generations stand, and which of them may be dropped."""

from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from rich.console import Console
from tests.workers.shop import delete, upsert

from fourtower_ingest.errors import RedisUnavailable
from fourtower_ingest.settings import RedisSettings
from fourtower_ingest.wire import ProcessStatus
from fourtower_search.errors import IndexMismatch, InvalidQuery
from fourtower_search.index.life import Verification
from fourtower_search.index.settings import IndexSettings
from fourtower_workers.reindexing.dropping import Dropping, forget_queue
from fourtower_workers.reindexing.standing import look
from fourtower_workers.reindexing.standing_view import progress, render, summary
from fourtower_workers.reindexing.switching import amend_life, rollback, switch

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


class Told:
    """Kafka and Redis as somebody once saw them; None where they did not answer."""

    def __init__(self, answers=True):
        self.answers = answers

    def lag(self, group):
        return {"shop": 0, "shop.g2": 70}[group] if self.answers else None

    def queued(self, topology):
        return topology.generation if self.answers else None

    def processes(self):
        facts = {"queue": "fourtower.products.2"}
        return [ProcessStatus(kind="worker", process="w", at=1.0, facts=facts)] if self.answers else None


@pytest.fixture
def begun(hall):
    hall.send(upsert(1, "p1", title="mug"), upsert(1, "p2", title="lamp"), delete(3, "p3"))
    return hall.begin(layout=IndexSettings(type="FLAT"))


def shown(overview):
    said = StringIO()
    Console(width=160, file=said).print(render(overview))
    return said.getvalue()


def test_every_generation_is_shown_beside_the_live_one(hall, begun):
    progressed = {"after": "p1", "copied": 1, "failed": 1, "refused": ("p0: No.",), "without_pictures": 2}
    amend_life(
        hall.generations,
        begun.record,
        seeding=begun.seeding.model_copy(update=progressed),
        verification=Verification(at=NOW, passed=False, missed=("Recall is 0.5.",)),
    )
    overview = look(hall.generations, Told(), group="shop")
    first, second = summary(overview)["generations"]
    assert (first["live"], first["products"], first["tombstones"], first["group"]) == (True, 2, 1, "shop")
    assert (second["live"], second["products"], second["lag"], second["queued"]) == (False, 0, 70, 2)
    assert (first["processes"], second["processes"]) == ([], ["worker w"])
    assert second["seeding"]["after"] == "p1"
    text = shown(overview)
    for told in ("being filled", "type HNSW -> FLAT", "as far as p1: 1 copied, 1 refused", "failed 2026-05-01"):
        assert told in text
    for told in ("Generation 2 refused p0: No.", "Generation 2: 2 products lack a picture.", "Recall is 0.5."):
        assert told in text


def test_what_does_not_answer_is_unknown_and_not_nothing(hall, begun, monkeypatch):
    def gone(record, **_):
        raise IndexMismatch(f"{record.collection} is gone.")

    monkeypatch.setattr(hall.generations, "open", gone)
    overview = look(hall.generations, Told(answers=False), group="shop")
    assert {each["lag"] for each in summary(overview)["generations"]} == {None}
    text = shown(overview)
    assert text.count("?") == 2 * 5
    assert "products_g2 is gone." in text


def test_progress_in_words(begun):
    assert progress(None) == "from the log alone"
    assert progress(begun.seeding) == "not begun: 0 copied (from generation 1)"
    done = begun.seeding.model_copy(update={"done": True, "copied": 3, "sent": 5000})
    assert progress(done) == "done: 3 copied, 5,000 encoded (from generation 1)"


def test_the_live_one_and_unknown_ones_are_not_dropped(hall, begun):
    with pytest.raises(InvalidQuery, match="Generation 1 of products is live"):
        Dropping(hall.generations, 1, group="shop")
    with pytest.raises(InvalidQuery, match="has no generation 7; it has 1, 2"):
        Dropping(hall.generations, 7, group="shop")


def test_one_that_processes_fill_is_kept(hall, begun):
    dropping = Dropping(hall.generations, 2, group="shop")
    assert list(dropping.reasons_against(Told().processes(), now=NOW)) == ["The worker w still fills generation 2."]
    assert list(dropping.reasons_against([], now=NOW)) == []


def test_one_that_was_just_live_is_kept_for_ten_minutes(hall, begun):
    switch(hall.generations, 2, now=NOW)
    old = Dropping(hall.generations, 1, group="shop")
    (reason,) = old.reasons_against([], now=NOW + timedelta(minutes=9))
    assert "was live less than 10 minutes ago" in reason
    assert list(old.reasons_against([], now=NOW + timedelta(minutes=11))) == []
    rollback(hall.generations, now=NOW + timedelta(hours=1))
    back = Dropping(hall.generations, 2, group="shop")
    assert len(list(back.reasons_against([], now=NOW + timedelta(minutes=65)))) == 1
    assert list(back.reasons_against([], now=NOW + timedelta(minutes=75))) == []


def test_only_a_group_of_its_own_is_forgotten(hall, begun):
    assert Dropping(hall.generations, 2, group="shop").group == "shop.g2"
    hall.create(begun.record)
    assert Dropping(hall.generations, 3, group="shop").group == "", "it would be that of generation 1"


def test_a_queue_that_redis_does_not_let_go_of_is_named(begun):
    with pytest.raises(RedisUnavailable) as caught:
        forget_queue(begun.record, RedisSettings(url="redis://:secret@127.0.0.1:1/0"))
    assert str(caught.value) == (
        "Redis at redis://127.0.0.1:1/0 does not answer (ConnectionError), so the queue of products_g2 can't be "
        "deleted; try again when it is back."
    )
