"""A generation passes when it holds what the live one and the log say, and only then; what moves is left out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO

import pytest
from tests.workers.reconciling.shelves import PATCHED
from tests.workers.reindexing.twins import SHOP, Two
from tests.workers.shop import delete, upsert

from fourtower_encoders.statistics import Interval
from fourtower_ingest.log import Partition
from fourtower_search.index.convergence import Stored
from fourtower_search.index.life import Life, Seeding, Verification
from fourtower_search.index.rows import Order
from fourtower_workers.reindexing import pairing
from fourtower_workers.reindexing.lag import Position, position
from fourtower_workers.reindexing.relevance import Relevance
from fourtower_workers.reindexing.showing import render, summary

NOW = datetime(2026, 11, 1, tzinfo=UTC)
PICTURE = {"images": [{"url": "a.png"}], "title": "mug"}


@pytest.fixture
def two():
    two = Two()
    two.publish(*(upsert(1, f"p{number}", **PICTURE) for number in range(20)), delete(2, "p0"))
    return two


def numbers(found):
    return {figure.name: figure.following for figure in found.figures}


def missed(found):
    return [figure.missed for figure in found.figures if figure.missed]


def test_equal_generations_pass_and_everything_is_recorded(two):
    two.record = two.record.model_copy(update={"life": Life(seeding=Seeding(source=1, copied=20, done=True))})
    found = two.verify()
    assert found.passed
    assert numbers(found) == {
        "filled products": 20,
        "records behind": 0,
        "products": 19,
        "differing products": 0,
        "lost pictures": 0,
        "unlike the log": 0,
        "recall@10": 1.0,
    }
    assert {figure.name: figure.live for figure in found.figures}["products"] == 19
    verification = found.verification(NOW)
    assert verification == Verification(at=NOW, passed=True, figures=numbers(found))
    assert Verification.model_validate_json(verification.model_dump_json()) == verification


def test_what_is_not_filled_or_far_behind_is_looked_at_no_closer(two):
    two.behind = 1001
    found = two.verify()
    assert (found.passed, found.pairing) == (False, None)
    assert missed(found) == ["Its group is 1,001 records behind, and 1,000 is the most; wait, and verify it again."]
    two.begun = False
    assert missed(two.verify()) == ["Its group has committed nothing; start its ingester and its worker."]
    two.begun, two.behind = True, 1000
    two.record = two.record.model_copy(update={"life": Life(seeding=Seeding(source=1, copied=7))})
    assert missed(two.verify()) == ["It is not filled yet; `fourtower reindex start` goes on with it."]


NOBODY = (
    "Its group is 3 records behind and {}, so nobody fills it any more; see that its ingester (`fourtower ingest "
    "--generation 1 --group shop.g1 --no-dead-letters`) and its worker (`fourtower worker --generation 1`) run, and "
    "verify it again."
)


@pytest.mark.parametrize(("gone", "problem"), [("members", "has no members"), ("workers", "has no worker")])
def test_what_nobody_fills_any_more_does_not_pass_however_little_it_is_behind(two, gone, problem):
    two.record = two.record.model_copy(update={"life": Life(group="shop.g1")})
    two.behind = 3
    assert two.verify().passed, "where Redis is away, nobody can tell whether there is a worker"
    two.workers = 1
    assert two.verify().passed
    setattr(two, gone, 0)
    found = two.verify()
    assert (missed(found), found.pairing) == ([NOBODY.format(problem)], None)
    two.behind = 0
    assert two.verify().passed, "it has read all that there is"


def test_an_ingester_that_was_killed_shortly_before_is_missed_at_the_end(two):
    two.record = two.record.model_copy(update={"life": Life(group="shop.g1")})
    two.behind = 3
    verifier = two.verifier()

    def killed():
        seen = two.positions()
        two.members = 0
        return seen

    found = replace(verifier, positions=killed).run()
    assert missed(found) == [NOBODY.format("has no members")]
    assert found.pairing is not None


def test_every_difference_between_generations_is_found_and_named(two):
    two.write(upsert(1, "only-live"), into="live")
    two.write(upsert(1, "only-next"), into="following")
    two.write(upsert(7, "p1", **PICTURE), into="live")
    two.write(delete(9, "p2"), into="following")
    two.publish(upsert(3, "p3", **PICTURE), into="live")
    two.write(upsert(3, "p3", **PICTURE), into="following", missing={0})
    found = two.verify()
    kinds = {"only-live": "missing", "only-next": "extra", "p1": "version", "p2": "missing", "p3": "picture"}
    assert found.pairing.examples == kinds
    assert (numbers(found)["differing products"], numbers(found)["lost pictures"]) == (4, 1)
    assert "4 products differ from the live generation (2 missing, 1 extra, 1 version); none may" in missed(found)[0]
    assert not two.verify(differing=3).passed
    assert "1 products lack a picture that the live generation has; publish them again" in missed(found)[1]
    shown = summary(found, live=1, following=2)
    assert (shown["passed"], shown["differences"]) == (False, kinds)


def test_a_picture_that_the_live_generation_lacks_too_is_no_loss(two):
    two.publish(upsert(3, "p3", **PICTURE), missing={0})
    assert two.verify().passed


def test_what_is_not_as_the_log_says_is_found_though_both_generations_agree(two):
    two.log.add(upsert(5, "p4", **PICTURE))
    two.log.add(upsert(1, "lost", **PICTURE))
    found = two.verify()
    assert numbers(found)["differing products"] == 0
    assert missed(found) == ["2 products are not as the log says (1 missing, 1 behind); none may (--differing)."]
    assert set(summary(found, live=1, following=2)["unlike_the_log"]) == {"p4", "lost"}
    assert two.verify(differing=2).passed


def test_a_log_without_its_beginning_leaves_the_comparison_with_the_live_generation():
    two = Two(PATCHED)
    two.log.begins[SHOP] = 100
    for number in range(12):
        two.write(upsert(1, f"p{number}", title="mug"))
    assert two.verify().passed, "the log knows nothing of them, which says nothing"
    two.write(upsert(2, "p3", title="mug"), into="live")
    assert numbers(two.verify())["differing products"] == 1


def test_a_product_that_changes_meanwhile_is_looked_at_again(two, monkeypatch):
    late = upsert(4, "p5", **PICTURE)
    two.publish(late, into="live")

    def moment(seconds):
        two.write(late, into="following")

    assert numbers(two.verify())["differing products"] == 1
    monkeypatch.setattr(pairing.time, "sleep", moment)
    found = two.verify()
    assert numbers(found)["differing products"] == 0
    assert found.pairing.moving == 0


def test_a_product_of_which_the_log_had_a_record_meanwhile_is_left_out(two):
    verifier, before = two.verifier(), two.positions()
    two.log.add(upsert(9, "p6", **PICTURE), committed=False)
    two.write(upsert(9, "p6", **PICTURE), into="live")
    found = replace(verifier, positions=lambda: before).run()
    assert found.passed
    assert found.pairing.moving == 1
    behind = (before[0]._replace(committed={SHOP: 99}), before[1])
    assert replace(verifier, positions=lambda: behind).run().passed, "the slower group's offsets count"
    assert not two.verify().passed, "once both are past it, it counts"


def test_products_are_aligned_whichever_side_has_them():
    first, second = Stored(highest=Order(1, False, "a")), Stored(highest=Order(2, False, "b"))
    pairs = dict(pairing.aligned([("a", first), ("b", first)], [("b", second), ("c", second)]))
    assert pairs == {"a": (first, Stored()), "b": (first, second), "c": (Stored(), second)}


def test_nothing_that_is_equal_needs_a_second_look(two, monkeypatch):
    monkeypatch.setattr(pairing.time, "sleep", lambda seconds: pytest.fail("nothing differs"))
    assert two.verify().passed


def test_too_many_differences_are_believed_at_once(two, monkeypatch):
    monkeypatch.setattr(pairing, "MOST_SUSPECTS", 5)
    monkeypatch.setattr(pairing.time, "sleep", lambda seconds: pytest.fail("nothing needs a second look"))
    for number in range(12):
        two.write(upsert(1, f"q{number}"), into="live")
    assert numbers(two.verify())["differing products"] == 12


@pytest.mark.parametrize(("loss", "passed"), [(0.005, True), (0.02, False)])
def test_judged_queries_may_be_answered_a_little_worse(two, loss, passed):
    two.relevance = Relevance(30, 0.8, 0.8 - loss, Interval(-loss, -loss - 0.01, -loss + 0.01))
    found = two.verify()
    assert found.passed == passed
    assert numbers(found)["nDCG@10"] == 0.8 - loss
    if not passed:
        assert "nDCG@10 changes by -0.0200 (95 % range -0.0300 to -0.0100)" in missed(found)[0]


def test_an_engine_that_finds_too_little_does_not_pass(two, monkeypatch):
    inner = two.following.store.search
    monkeypatch.setattr(two.following.store, "search", lambda *args, **how: [hits[:5] for hits in inner(*args, **how)])
    assert missed(two.verify()) == [
        "Searches find 0.500 of the nearest rows, and 0.95 is the least; build it with a denser index, or search it "
        "more broadly."
    ]
    assert two.verify(recall=0.5).passed


def test_the_table_shows_both_generations_and_what_to_do(two):
    from rich.console import Console

    two.write(upsert(1, "only-live [red]"), into="live")
    found = two.verify()
    console = Console(width=100, record=True, file=StringIO())
    console.print(render(found, live=1, following=2))
    text = console.export_text()
    assert "live (1)" in text
    assert "differing products" in text
    assert "NO" in text
    assert "Generation 2 does not pass." in text
    assert "only-live [red] (missing)" in text
    console.print(render(Two().verify(), live=1, following=2))
    assert "make it live: fourtower reindex switch 2" in console.export_text()


def test_a_lag_counts_from_what_is_left_of_the_log():
    other = Partition("shop", 1)
    begins, ends = {SHOP: 10, other: 0}, {SHOP: 30, other: 5}
    assert position(begins, ends, {SHOP: 25, other: 5}) == Position(5, True, {SHOP: 25, other: 5})
    assert position(begins, ends, {SHOP: 3}) == Position(25, True, {SHOP: 10, other: 0})
    assert position(begins, ends, {}) == Position(25, False, {SHOP: 10, other: 0})
    assert position(begins, begins, {}) == Position(0, True, {SHOP: 10, other: 0})
