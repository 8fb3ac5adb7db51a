from __future__ import annotations

import io
import json

import numpy as np
import pytest
from rich.console import Console

from fourtower_encoders.errors import InvalidConfig
from fourtower_encoders.statistics import paired_interval
from fourtower_search.evaluation.comparing import compare
from fourtower_search.evaluation.measure import Report
from fourtower_search.evaluation.showing import tables, to_dict


def report(name: str, hits: np.ndarray, *, kinds: tuple[str, ...] | None = None, ms: float = 5.0) -> Report:
    return Report(
        name,
        tuple(f"q{n}" for n in range(len(hits))),
        kinds or ("text",) * len(hits),
        {"Hit@1": hits.astype(np.float32), "XC@1": np.full(len(hits), np.nan, dtype=np.float32)},
        np.full(len(hits), ms),
    )


HITS = np.random.default_rng(3).integers(0, 2, 200).astype(float)
KINDS = ("image",) * 100 + ("text",) * 100


def test_differences_are_paired_bootstrap_intervals() -> None:
    worse = HITS * np.r_[np.zeros(20), np.ones(180)]
    found = {(each.kind, each.figure): each for each in compare(report("a", HITS), report("b", worse), draws=500)}
    assert set(found) == {("text", "Hit@1"), ("text", "mean_ms")}
    assert found["text", "Hit@1"].interval == paired_interval(HITS, worse, draws=500)
    assert found["text", "Hit@1"].interval.mean == pytest.approx(HITS[:20].sum() / 200)
    assert found["text", "Hit@1"].sure


def test_equal_indexes_differ_in_nothing() -> None:
    differences = compare(report("a", HITS), report("b", HITS), draws=200)
    assert not any(each.sure for each in differences)


def test_swapping_the_reports_turns_every_sign() -> None:
    left, right = report("a", HITS, kinds=KINDS, ms=7), report("b", 1 - HITS, kinds=KINDS, ms=4)
    there, back = compare(left, right, draws=300), compare(right, left, draws=300)
    for one, other in zip(there, back, strict=True):
        assert one.interval == pytest.approx((-other.interval.mean, -other.interval.high, -other.interval.low))
        assert one.sure == other.sure


def test_kinds_are_compared_apart_and_together() -> None:
    better = np.r_[HITS[:100], np.ones(100)]
    differences = compare(report("a", better, kinds=KINDS), report("b", HITS, kinds=KINDS), draws=300)
    sure = {each.kind: each.sure for each in differences if each.figure == "Hit@1"}
    assert sure == {"all": True, "image": False, "text": True}


def test_reports_of_other_queries_are_refused() -> None:
    with pytest.raises(InvalidConfig, match="same judgments"):
        compare(report("a", HITS), report("b", HITS[:50]))


def shown(*reports: Report) -> str:
    console = Console(file=io.StringIO(), width=160)
    for table in tables(reports, compare(*reports, draws=200) if len(reports) == 2 else ()):
        console.print(table)
    return console.file.getvalue()


def test_tables_show_every_kind_and_what_is_sure() -> None:
    text = shown(report("first [b]", HITS, kinds=KINDS), report("second", 1 - HITS, kinds=KINDS, ms=9))
    assert "first [b] minus second" in text
    assert f"{HITS.mean():.3f}" in text
    lines = [line for line in text.splitlines() if "all, mean_ms" in line]
    assert len(lines) == 1
    assert "-4.0" in lines[0]
    assert "yes" in lines[0]


def test_signs_that_steer_a_terminal_are_not_printed() -> None:
    assert "\x1b" not in shown(report("a\x1b[2J", HITS, kinds=("k\x1b[31m",) * 200))


def test_json_has_all_figures_and_nothing_that_is_no_number() -> None:
    reports = report("a", HITS, kinds=KINDS), report("b", HITS, kinds=KINDS)
    found = json.loads(json.dumps(to_dict(reports, compare(*reports, draws=200)), allow_nan=False))
    assert [each["name"] for each in found["indexes"]] == ["a", "b"]
    assert found["indexes"][0]["figures"]["image"]["Hit@1"] == pytest.approx(HITS[:100].mean())
    assert {each["sure"] for each in found["differences"]} == {False}
    assert "differences" not in to_dict(reports[:1])
