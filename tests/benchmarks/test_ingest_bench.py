"""The ingestion benchmark: its pure parts, and one price race of a few events on real parts."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from benchmarks.ingest import __main__ as command
from benchmarks.ingest.events import Shop, line, vectors
from benchmarks.ingest.measure import AT_MOST, TARGETS, Finding
from benchmarks.ingest.overload import Memory
from benchmarks.ingest.picture import draw
from benchmarks.ingest.races import Bare, race_price, race_stale
from benchmarks.ingest.report import BEGIN, END, write_docs
from benchmarks.ingest.servers import running_servers
from benchmarks.ingest.settings import QUICK
from benchmarks.ingest.shop import Line
from benchmarks.pages import is_missed, terminal_table
from benchmarks.race import Race, in_turns
from PIL import Image
from tests.services.kafka import require_kafka
from tests.services.redis import require_redis
from typer.testing import CliRunner

import fourtower_encoders
from fourtower_ingest.parsing import parse_event

DEMO = Path(fourtower_encoders.__file__).parent / "demo"
RACE = Race(100, [2.0, 1.0, 4.0], [1.0, 1.0, 1.0])
LEVEL = {"offered_per_s": 10.0, "events": 5, "p50_s": 0.2, "p95_s": 0.5, "p99_s": 0.6}
SIZE = {"early_mb": 100.0, "later_mb": 101.0, "ratio": 1.01}
FOUND = [
    Finding("new_demo", {"new_vs_embedder_demo": 0.4}, RACE.details()),
    Finding("new", {"new_vs_embedder": 0.93}, RACE.details()),
    Finding("price", {"price_vs_upsert": 0.35, "price_vs_encode": 70.0}, RACE.details()),
    Finding("stale", {"stale_vs_poll": 0.1}, RACE.details()),
    Finding("searchable", {"searchable_p95_s": 0.5}, {"25%": LEVEL, "50%": LEVEL}),
    Finding(
        "overload",
        {"encodes_per_event": 1.2},
        {"offered_per_s": 300.0, "done_per_s": 30.0, "memory": {"ingester": SIZE, "redis": SIZE}},
    ),
]


@pytest.fixture
def result(tmp_path):
    return command.written(FOUND, QUICK, "make bench-ingest", tmp_path)


def test_a_race_is_the_median_of_its_rounds():
    assert RACE.ratios == [0.5, 1.0, 0.25]
    assert (RACE.ratio, RACE.ours_per_s, RACE.bare_per_s) == (0.5, 50.0, 100.0)


def test_sides_take_turns_after_a_round_that_does_not_count():
    order = []

    def side(name, seconds):
        return lambda: order.append(name) or seconds

    race = in_turns(10, side("ours", 2.0), side("bare", 1.0), rounds=2)
    assert order == ["ours", "bare", "ours", "bare", "bare", "ours"]
    assert (race.ours_s, race.bare_s) == ([2.0, 2.0], [1.0, 1.0])


def test_events_differ_in_nothing_but_price_and_version():
    shop = Shop("http://127.0.0.1:1")
    first, second = shop.prices(1, (1, 2))
    assert first.product.attributes["price"] != second.product.attributes["price"]
    same = {"attributes": {**first.product.attributes, "price": second.product.attributes["price"]}}
    assert first.product.model_copy(update=same) == second.product
    key, _, value = line(second).rstrip(b"\n").partition(b"\t")
    assert parse_event(value, key=key) == second


def test_halves_of_seeded_vectors_have_length_one():
    halves = vectors(5, 8).reshape(5, 2, 8)
    assert (halves**2).sum(axis=2) == pytest.approx(1)


def test_memory_is_compared_after_it_has_settled():
    memory = Memory(dict)
    memory.close()
    memory.samples = [
        (1.0, {"worker": 50.0}),
        (2.0, {"worker": 100.0}),
        (5.0, {"worker": 90.0}),
        (8.0, {"worker": 110.0}),
    ]
    assert memory.growth() == {"worker": {"early_mb": 100.0, "later_mb": 110.0, "ratio": pytest.approx(1.1)}}


def test_targets_are_bounds_from_above_or_below(result):
    missed = {name for name in result["figures"] if is_missed(result, name, AT_MOST)}
    assert missed == {"stale_vs_poll", "encodes_per_event"}
    assert terminal_table(result, AT_MOST).row_count == len(result["figures"])
    assert TARGETS.keys() <= result["figures"].keys()


def test_tables_and_picture_are_drawn_from_the_file(result, tmp_path):
    document, picture = tmp_path / "page.md", tmp_path / "new" / "ingest.png"
    document.write_text(f"Before\n{BEGIN}\nold\n{END}\nAfter\n")
    again = json.loads(json.dumps(result))
    write_docs(again, document)
    text = document.read_text()
    assert text.startswith(f"Before\n{BEGIN}\nCommand: `make bench-ingest`. Machine: ")
    assert re.search(r"\| new prices \| 50 \| 100 \| 0\.500 \(0\.250 to 1\.000\) \|", text)
    assert "| redis | 100.0 | 101.0 | 1.010 |" in text
    assert text.endswith(f"{END}\nAfter\n")
    assert "old" not in text
    draw(again, picture)
    with Image.open(picture) as drawn:
        assert drawn.width > 1000


def test_a_page_without_markers_is_refused(result, tmp_path):
    (tmp_path / "page.md").write_text(f"{END} {BEGIN}")
    with pytest.raises(ValueError, match="lacks the markers"):
        write_docs(result, tmp_path / "page.md")


def test_command_keeps_and_prints_the_result(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(command, "measure", lambda folder, settings: asked.append(settings) or iter(FOUND))
    done = CliRunner().invoke(command.app, ["--quick", "--json", "--rounds", "2", "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    written = json.loads((tmp_path / "ingest.json").read_text())
    assert json.loads(done.stdout) == written
    assert (asked[0].rounds, asked[0].milvus) == (2, "lite")
    assert written["command"] == 'make bench-ingest ARGS="--rounds 2"'
    assert written["settings"]["versions"]["celery"]


@pytest.mark.parametrize("options", [[], ["--write-docs", "--out", "elsewhere"]])
def test_quick_figures_never_pass_for_real_ones(options):
    assert CliRunner().invoke(command.app, ["--quick", *options]).exit_code == 2


@pytest.fixture
def unpinned():
    """Lets the test's process run where it ran before: a benchmark keeps it on one core."""
    cores = os.sched_getaffinity(0)
    yield
    os.sched_setaffinity(0, cores)


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.usefixtures("unpinned")
def test_new_prices_and_their_repetitions_go_through_on_both_sides(tmp_path):
    require_kafka()
    require_redis()
    with running_servers(tmp_path, QUICK) as servers, Bare() as bare, Line(servers, QUICK, DEMO, "tiny") as tiny:
        tiny.seed()
        price, stale = race_price(tiny, bare), race_stale(tiny, bare)
        assert price.items == stale.items == QUICK.products * QUICK.price_versions
        assert price.ratio > 0
        assert stale.ratio > 0
        assert tiny.done() == tiny.published == 2 * (price.items + stale.items)
        # Their towers saw nothing: prices change nothing that they look at.
        assert tiny.worker.metric("fourtower_worker_encoded_total") == 0
        with tiny.index() as index:
            (product,) = index.get(["p7"]).values()
        assert product.order.version == tiny.version
