"""The service benchmark: one quick run of everything against a real service, the written part, and the command."""

from __future__ import annotations

import json
import os
import re

import pytest
from benchmarks.machine import rounded, write_result
from benchmarks.pages import DOCUMENT, is_missed
from benchmarks.service import __main__ as command
from benchmarks.service.measure import AT_MOST, TARGETS, Cell, figures, measure
from benchmarks.service.percentiles import Seen, percentile
from benchmarks.service.picture import draw
from benchmarks.service.report import BEGIN, END, write_docs
from benchmarks.service.settings import QUICK
from PIL import Image
from typer.testing import CliRunner


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """Everything measured once, with very little work."""
    folder = tmp_path_factory.mktemp("bench")
    details = measure(folder, QUICK, print)
    assert os.sched_getaffinity(0) != {0}, "only the sides are kept on a core"
    return write_result(
        "service",
        figures=figures(details),
        targets=TARGETS,
        command="make bench-service",
        settings=QUICK.model_dump(mode="json"),
        details=rounded(details),
        folder=folder,
    )


def test_every_side_answers_every_kind_of_query(result):
    cells = result["details"]["cells"]
    assert [(cell["kind"], cell["clients"]) for cell in cells] == [
        (kind, clients) for kind in ("text", "image") for clients in QUICK.clients
    ]
    assert all(side["per_s"] > 0 and side["p99_ms"] > 0 for cell in cells for side in cell["sides"].values())
    assert set(TARGETS) <= set(result["figures"])


def test_too_much_is_asked_and_part_of_it_answered(result):
    overload = result["details"]["overload"]
    assert overload["answered"] > 0
    assert set(overload["others"]) <= {"429", "503"}


def test_the_part_of_the_document(result, tmp_path):
    page = tmp_path / "benchmarks.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    write_docs(result, page)
    text = page.read_text(encoding="utf-8")
    assert "old" not in text
    assert re.search(r"^before\n.*^after$", text, re.DOTALL | re.MULTILINE)
    assert "| service_vs_sdk_rps |" in text
    assert "questions per second" in text
    draw(result, tmp_path / "picture.png")
    with Image.open(tmp_path / "picture.png") as picture:
        assert picture.width > 1000


def test_the_shipped_page_has_the_markers():
    text = DOCUMENT.read_text(encoding="utf-8")
    assert text.count(BEGIN) == text.count(END) == 1


def test_percentiles_by_hand():
    assert percentile(range(1, 101), 50) == 51
    assert percentile([3.0, 1.0, 2.0], 99) == 3.0
    assert percentile([], 99) == 0.0
    seen = Seen(2.0, answered_s=[0.1, 0.3])
    seen.others.update([503, 503, 429])
    assert seen.to_dict() == {
        "per_s": 1.0,
        "p50_ms": 300.0,
        "p95_ms": 300.0,
        "p99_ms": 300.0,
        "answered": 2,
        "others": {"429": 1, "503": 2},
        "late_p99_ms": 0.0,
    }


def test_a_ratio_is_the_median_of_rounds():
    turns = {
        "sdk": [{"per_s": 10}, {"per_s": 20}, {"per_s": 40}],
        "service": [{"per_s": 5}, {"per_s": 30}, {"per_s": 36}],
    }
    assert Cell("text", 8, turns).ratio("service") == 0.9


def test_the_figures_take_the_worse_kind_and_the_overload_of_those_who_were_answered():
    cells = [
        {"kind": kind, "clients": clients, "service_vs_sdk": ratio, "batched_vs_unbatched": 2.0}
        for kind, clients, ratio in (("text", 1, 0.5), ("text", 8, 0.9), ("image", 1, 0.6), ("image", 8, 0.7))
    ]
    overload = {"p99_ms": 60.0, "alone_p99_ms": 10.0, "per_s": 90.0, "capacity_per_s": 100.0}
    found = figures({"cells": cells, "overload": overload})
    assert (found["service_vs_sdk_rps"], found["overload_p99_ratio"]) == (0.7, 6.0)
    assert found["overload_answered_share"] == 0.9
    result = {"figures": found, "targets": TARGETS}
    assert [is_missed(result, name, AT_MOST) for name in TARGETS] == [True, True]


@pytest.mark.parametrize("options", [[], ["--write-docs", "--out", "elsewhere"]], ids=["own folder", "documents"])
def test_quick_figures_never_pass_for_real_ones(options):
    answer = CliRunner().invoke(command.app, ["--quick", *options])
    assert answer.exit_code == 2
    assert "no result worth keeping" in re.sub(r"\s+", " ", answer.output)


def test_the_command_keeps_and_prints_the_result(result, tmp_path, monkeypatch):
    monkeypatch.setattr(command, "measure", lambda *_: result["details"])
    answer = CliRunner().invoke(command.app, ["--quick", "--json", "--out", str(tmp_path)])
    assert answer.exit_code == 0, answer.output
    kept = json.loads((tmp_path / "service.json").read_text())
    assert kept["figures"] == {name: round(value, 4) for name, value in figures(result["details"]).items()}
    assert kept["command"] == "make bench-service"
