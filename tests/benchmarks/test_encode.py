"""The encoding benchmark: ratios by hand, the written table, and one quick run of everything."""

from __future__ import annotations

import json
import math
from concurrent.futures.process import BrokenProcessPool

import numpy as np
import pytest
from benchmarks.encode import __main__ as command
from benchmarks.encode.embedding import race_embedding
from benchmarks.encode.measure import TARGETS, Finding, measure
from benchmarks.encode.processes import race_processes
from benchmarks.encode.report import BEGIN, END, write_docs
from benchmarks.encode.settings import QUICK
from benchmarks.machine import describe_machine, machine_sentence, write_result
from benchmarks.pages import DOCUMENT
from benchmarks.race import Race, race
from typer.testing import CliRunner

from fourtower_encoders.embedder import Embedder

BY_HAND = Race(items=12, ours_s=[2.0, 4.0, 3.0], bare_s=[1.0, 3.0, 3.0])
FINDING = Finding("embed_vs_forward", "tiny at 8 px, onnx", BY_HAND)


def test_ratio_is_the_median_of_neighbours():
    assert BY_HAND.ratio == 0.75
    assert BY_HAND.spread == (0.5, 1.0)
    assert (BY_HAND.ours_per_s, BY_HAND.bare_per_s) == (4.0, 4.0)


def test_sides_take_turns_and_are_warmed_up():
    calls: list[str] = []
    result = race(lambda: calls.append("ours"), lambda: calls.append("bare"), items=1, rounds=2)
    assert calls == ["ours", "bare", "ours", "bare", "bare", "ours"]
    assert len(result.ours_s) == len(result.bare_s) == 2


def test_result_file_says_where_it_comes_from(tmp_path):
    write_result("x", figures=FINDING.figures, targets={}, command="make x", settings={}, folder=tmp_path / "new")
    result = json.loads((tmp_path / "new" / "x.json").read_text())
    assert result["figures"] == {
        "embed_vs_forward": 0.75,
        "embed_vs_forward_lowest": 0.5,
        "embed_vs_forward_highest": 1.0,
        "embed_vs_forward_images_per_s": 4.0,
        "embed_vs_forward_bare_images_per_s": 4.0,
    }
    assert result["machine"]["cores"] >= 1
    assert result["machine"]["onnxruntime"] in machine_sentence(result["machine"])


def test_table_replaces_what_stands_between_the_markers(tmp_path):
    document = tmp_path / "page.md"
    document.write_text(f"Before\n{BEGIN}\nold\n{END}\nAfter\n")
    write_docs([FINDING], {"command": "make x", "machine": describe_machine()}, document)
    text = document.read_text()
    assert text.startswith(f"Before\n{BEGIN}\nCommand: `make x`. Machine: ")
    assert "| embed_vs_forward | tiny at 8 px, onnx | 4 | 4 | 0.750 (0.500 to 1.000) | ≥ 0.95 |\n" in text
    assert text.endswith(f"{END}\nAfter\n")
    assert "old" not in text


def test_a_page_without_markers_is_refused(tmp_path):
    (tmp_path / "page.md").write_text(f"{END} {BEGIN}")
    with pytest.raises(ValueError, match="lacks the markers"):
        write_docs([FINDING], {"command": "make x", "machine": describe_machine()}, tmp_path / "page.md")


def test_the_shipped_page_has_the_markers():
    text = DOCUMENT.read_text()
    assert 0 < text.index(BEGIN) < text.index(END)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A quick run and the folder that it leaves; the GPU's part runs on the CPU here, processes included."""
    folder = tmp_path_factory.mktemp("measured")
    return folder, {finding.key: finding for finding in measure(folder, QUICK, gpu="cpu")}


def test_every_race_runs(measured):
    _, findings = measured
    assert list(findings) == [
        "embed_vs_forward",
        "embed_vs_forward_torch",
        "embed_vs_forward_demo",
        "train_vs_loop",
        "gpu_embed_vs_forward",
        "gpu_two_vs_one_process",
        "gpu_train_vs_loop",
    ]
    assert TARGETS.keys() <= findings.keys()
    assert findings["embed_vs_forward"].what == "small-resnet 8 at 32 px, onnx"
    for finding in findings.values():
        assert all(0 < figure < math.inf for figure in finding.figures.values())


def test_processes_that_cannot_start_end_the_benchmark(tmp_path):
    with pytest.raises(BrokenProcessPool):
        race_processes(tmp_path / "nothing", [], batch_size=1, share=1, rounds=1, device="cpu")


def test_different_results_are_no_race(measured, monkeypatch):
    folder, _ = measured
    checkpoint, files = folder / "small-resnet-8-at-32-px", sorted((folder / "pictures").iterdir())
    embed = Embedder.embed_images
    monkeypatch.setattr(Embedder, "embed_images", lambda *args, **options: np.roll(embed(*args, **options), 1, axis=0))
    with pytest.raises(AssertionError, match="disagree"):
        race_embedding(checkpoint, files, batch_size=2, rounds=1, device="cpu")


def test_command_keeps_and_prints_the_result(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "measure", lambda folder, settings, gpu: iter([FINDING]))
    done = CliRunner().invoke(command.app, ["--quick", "--json", "--out", str(tmp_path)])
    assert done.exit_code == 0
    written = json.loads((tmp_path / "encode.json").read_text())
    assert json.loads(done.stdout) == written
    assert written["targets"] == {"embed_vs_forward": 0.95}
    assert written["settings"]["what"] == {"embed_vs_forward": "tiny at 8 px, onnx"}


@pytest.mark.parametrize("options", [[], ["--write-docs", "--out", "elsewhere"]])
def test_quick_figures_never_pass_for_real_ones(options):
    done = CliRunner().invoke(command.app, ["--quick", *options])
    assert done.exit_code == 2
