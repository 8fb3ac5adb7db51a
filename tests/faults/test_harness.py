"""The parts of the harness that can be wrong without any fault."""

import json
import os
import re
import time
from unittest import mock

import pytest
from tests.faults.failpoints import failpoints_of
from tests.faults.footprints import footprints
from tests.faults.history import History, read
from tests.faults.matrix import all_scenarios, chosen
from tests.faults.metrics import parsed, total
from tests.faults.nemesis import DEEDS
from tests.faults.report import write_document
from tests.faults.soak import DAYS_APART, day
from tests.faults.stage import Stage
from tests.faults.switches import AT_START, SWITCHES
from tests.stream.oracle import judge

MACHINE = {"cpu": "a", "cores": 2, "memory_gb": 4, "gpu": None, "python": "3", "torch": "2", "onnxruntime": "1"} | {
    "pillow": "1",
    "numpy": "1",
}


def test_a_history_is_read_in_the_order_of_time_whoever_wrote_it(tmp_path):
    path = tmp_path / "history.jsonl"
    first = History(path)
    second = History(path, origin=first.origin - 10)
    second.note("searcher", "search", ok=True)
    first.note("stage", "strike", what="a flood")
    with path.open("a") as file:
        file.write('{"at": 3, "actor": "half a l')
    early, late = read(path)
    assert (early.actor, early.op, early.facts) == ("stage", "strike", {"what": "a flood"})
    assert late.at >= early.at + 9
    first.close()
    second.close()


def test_figures_are_read_and_added_up():
    figures = parsed('# HELP a b\na{x="1"} 2.0\na{x="2"} 3\nab 7\n')
    assert (total(figures, "a"), total(figures, "ab"), total(figures, "b")) == (5, 7, 0)


def test_the_footprint_of_a_group_is_that_of_all_its_processes():
    found = footprints({"own": os.getpgrp(), "none": 2**22 - 1})
    assert found["own"].rss > 2**20
    assert found["own"].descriptors >= 3
    assert found["none"].rss == 0


def test_scenarios_have_names_of_their_own_and_are_found_by_them():
    names = [scenario.name for scenario in all_scenarios()]
    assert len(names) == len(set(names))
    assert names[0] == "F0"
    assert [scenario.name for scenario in chosen("F7, F1")] == ["F1a", "F1b", "F7"]
    with pytest.raises(KeyError, match="F99"):
        chosen("F7,F99")


def test_deeds_have_names_of_their_own():
    assert len({deed.name for deed in DEEDS}) == len(DEEDS) > 20


def test_days_have_the_same_products_and_higher_versions_and_break_under_new_names():
    days = [day(number, seed=3) for number in range(3)]
    log = [(number, *record) for number, record in enumerate((m.key, m.value, m.headers) for d in days for m in d)]
    states, dead = judge(log)
    one, _ = judge(log[: len(days[0])])
    assert max(version for version, _ in states.values()) > 2 * DAYS_APART > max(version for version, _ in one.values())
    shared = {name for name in states if name.startswith("p")}
    assert len(shared) < 1.2 * len({name for name in one if name.startswith("p")})
    assert 0.02 < len(dead) / len(log) < 0.04


def test_a_held_place_is_told_by_processes_that_live(tmp_path):
    points = failpoints_of("failpoints", tmp_path / "plugin")
    points.hold("write")
    (points.folder / f"write.{os.getpid()}").touch()
    (points.folder / f"write.{2**22 - 1}").touch()
    assert points.held("write") == [os.getpid()]
    assert points.held("encode") == []
    assert failpoints_of("demo", tmp_path / "other") is None


def test_a_stage_recovers_from_a_fault_once():
    stage = mock.Mock(healed_at=time.monotonic() - 100)
    stage._asked.return_value = {"unacked": 0}
    Stage.settle(stage)
    assert stage.recovered_s >= 100
    Stage.settle(stage)
    assert stage.recovered_s < 50, "nothing struck since"


def test_every_guard_that_can_be_switched_off_says_what_it_is():
    assert all(switch.__doc__ for switch in SWITCHES.values())
    compile(AT_START, "sitecustomize.py", "exec")


def test_the_document_says_what_was_found_and_no_more(tmp_path):
    scenario = {"name": "F7", "title": "Redis forgets", "seed": 3, "events": 1500, "seconds": 40.0, "recovered_s": 2.5}
    wrong = {"violations": [{"invariant": "I1", "message": "a | b\nc"}], "skipped": "", "figures": {"searches": 9}}
    skipped = scenario | {"name": "F20", "violations": [], "skipped": "no root", "figures": {}}
    faults = {"machine": MACHINE, "command": "make faults SEED=3", "scenarios": [scenario | wrong, skipped]}
    (tmp_path / "faults.json").write_text(json.dumps(faults))
    document = tmp_path / "reliability.md"
    write_document(tmp_path, document)
    text = document.read_text()
    assert re.search(r"\| F7 \| Redis forgets \| 3 \| 1,500 \| 1 \| 2.5 \| 0 of 9 \|", text)
    assert "1 scenarios were played, 0 without a violation." in text
    assert "- F7, I1: a \\| b c" in text
    assert "not played: no root" in text
    assert "Soak" not in text
