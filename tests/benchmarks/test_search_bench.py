"""The search benchmark: one quick run of everything on Milvus Lite, the written tables, and the command."""

from __future__ import annotations

import json
import math
import re
from contextlib import contextmanager

import pytest
from benchmarks.machine import write_result
from benchmarks.pages import DOCUMENT, is_missed, terminal_table
from benchmarks.search import __main__ as command
from benchmarks.search.catalog import KINDS
from benchmarks.search.measure import AT_MOST, TARGETS, Finding, measure
from benchmarks.search.picture import draw
from benchmarks.search.report import BEGIN, END, write_docs
from benchmarks.search.server import connected
from benchmarks.search.settings import QUICK
from PIL import Image
from tests.services.milvus import start_lite
from typer.testing import CliRunner


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """Everything measured once, with Milvus Lite's server in the place of Milvus."""
    folder = tmp_path_factory.mktemp("bench")
    service = start_lite(folder / "lite")

    @contextmanager
    def serve():
        yield from connected(service)

    try:
        findings = list(measure(folder / "catalog", QUICK, serve))
    finally:
        service.stop()
    return command.written(findings, QUICK, "make bench-search", folder)


def test_every_part_is_measured(result):
    assert list(result["details"]) == [
        "rows_300",
        "recall_300",
        "rows_600",
        "filters",
        "recall_600",
        "hidden",
        "fields",
        "writing",
    ]
    assert set(result["figures"]) == {
        "sdk_vs_raw_p50",
        "recall_at_10_worst",
        "recall_at_10_wider_filters_worst",
        "hidden_half_recall",
        "hidden_half_recall_worst",
        "joint_vs_two_field_time",
        "joint_vs_two_field_ndcg",
        "apply_vs_upsert",
    }
    assert TARGETS.keys() <= result["figures"].keys()
    assert all(0 < value < math.inf for value in result["figures"].values())


def test_searches_find_nearly_the_exact_answer(result):
    for recall in (result["details"]["recall_300"], result["details"]["recall_600"]):
        assert list(recall) == ["whole index", "filter of 10%", "20% lack a half"]
        assert all(0.9 < by_kind[kind] <= 1 for by_kind in recall.values() for kind in KINDS)


def test_sizes_are_those_that_were_asked_for(result):
    small, large = (result["details"][f"rows_{size}"] for size in QUICK.sizes)
    assert 300 <= small["rows"] < 310
    assert 600 <= large["rows"] < 610
    assert small["products"] < large["products"]
    assert small["asked_rows"] >= QUICK.depth
    assert {"encode", "retrieve", "gather", "score"} <= small["stages_ms"].keys()


def test_all_kinds_of_writes_are_raced(result):
    assert list(result["details"]["writing"]) == ["new", "changed", "price"]


def test_tables_and_picture_are_drawn_from_the_file(result, tmp_path):
    document, picture = tmp_path / "page.md", tmp_path / "new" / "search.png"
    document.write_text(f"Before\n{BEGIN}\nold\n{END}\nAfter\n")
    again = json.loads(json.dumps(result))
    write_docs(again, document)
    text = document.read_text()
    assert text.startswith(f"Before\n{BEGIN}\nCommand: `make bench-search`. Machine: ")
    assert re.search(r"\| 600 \| filter of 10% \| [01]\.\d{4} \|", text)
    assert text.endswith(f"{END}\nAfter\n")
    assert "old" not in text
    draw(again, picture)
    with Image.open(picture) as drawn:
        assert drawn.width > 1000


def test_a_page_without_markers_is_refused(result, tmp_path):
    (tmp_path / "page.md").write_text(f"{END} {BEGIN}")
    with pytest.raises(ValueError, match="lacks the markers"):
        write_docs(result, tmp_path / "page.md")


def test_the_shipped_page_has_the_markers():
    text = DOCUMENT.read_text()
    assert 0 < text.index(BEGIN) < text.index(END)


def test_a_target_may_be_a_bound_from_above_or_below():
    result = {
        "figures": {"sdk_vs_raw_p50": 1.2, "apply_vs_upsert": 0.5, "recall_at_10_worst": 0.9, "other": 1.0},
        "targets": TARGETS,
    }
    assert [is_missed(result, name, AT_MOST) for name in result["figures"]] == [True, False, True, False]
    assert terminal_table(result, AT_MOST).row_count == 4


def test_command_keeps_and_prints_the_result(tmp_path, monkeypatch):
    found = Finding("writing", {"apply_vs_upsert": 0.51239}, {"new": {"ratio": 0.51239}})
    asked = []
    monkeypatch.setattr(command, "measure", lambda folder, settings: asked.append(settings) or iter([found]))
    arguments = ["--quick", "--json", "--rows", "500", "--rows", "200", "--out", str(tmp_path)]
    done = CliRunner().invoke(command.app, arguments)
    assert done.exit_code == 0
    written = json.loads((tmp_path / "search.json").read_text())
    assert json.loads(done.stdout) == written
    assert asked[0].sizes == (200, 500)
    assert written["figures"] == {"apply_vs_upsert": 0.5124}
    assert written["details"] == {"writing": {"new": {"ratio": 0.5124}}}
    assert written["command"] == 'make bench-search ARGS="--rows 500 --rows 200"'
    assert written["settings"]["versions"]["milvus"]


@pytest.mark.parametrize("options", [[], ["--write-docs", "--out", "elsewhere"]])
def test_quick_figures_never_pass_for_real_ones(options):
    done = CliRunner().invoke(command.app, ["--quick", *options])
    assert done.exit_code == 2


def test_result_files_without_details_stay_as_they_were(tmp_path):
    written = write_result("x", figures={}, targets={}, command="make x", settings={}, folder=tmp_path)
    assert "details" not in written
