"""One real, tiny run of the experiment for each kind of text that the product tower reads."""

from __future__ import annotations

import pytest
from benchmarks.experiment import run as runner
from benchmarks.experiment.analyse import read_runs
from benchmarks.experiment.arms import arm_named
from benchmarks.experiment.data import load_splits
from benchmarks.experiment.protocol import Protocol
from benchmarks.experiment.texts import minilm_folder

from fourtower_encoders.batches import SamplingConfig
from fourtower_encoders.config import HashedText, Preprocess, SmallResNet, TowerConfig
from fourtower_encoders.synth import SynthConfig, write_catalog

TINY = Protocol(
    name="tiny",
    towers=TowerConfig(
        image=SmallResNet(width=4), text=HashedText(buckets=64, width=8), preprocess=Preprocess(size=16), dim=8
    ),
    steps=4,
    learning_rate=1e-3,
    sampling=SamplingConfig(batch_size=8),
    catalog=SynthConfig(products=60, seed=3, size=32, photos=1, val_share=0.25, test_share=0.25, tasks_per_kind=4),
    looks=2,
)


@pytest.fixture(scope="module")
def splits(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    write_catalog(folder, TINY.catalog)
    return load_splits(folder, TINY.towers)


KINDS = {
    "dml, twice the steps": [4, 8],
    "4-tower from 3-tower": [2, 4],
    "3-tower, titles shuffled": [2, 4],
    "3-tower, category labels": [2, 4],
    "3-tower, free proxies": [2, 4],
}
if minilm_folder():  # its package is no dependency of the project
    KINDS["3-tower, MiniLM"] = [2, 4]


@pytest.mark.parametrize(("name", "steps"), KINDS.items())
def test_an_arm_runs_from_end_to_end(name, steps, splits, tmp_path, monkeypatch):
    arm = arm_named(name)
    monkeypatch.setattr(runner, "RESULTS", tmp_path)
    assert not runner.finished(TINY, arm, 1)
    result = runner.run_arm(TINY, arm, 1, splits)
    assert runner.finished(TINY, arm, 1)
    (read,) = read_runs(tmp_path / "tiny", TINY.digest).runs
    assert (read.arm, read.seed, read.figures) == (name, 1, result["figures"])
    assert [point["step"] for point in read.curve] == steps
    for figure, signs in read.hits.items():
        assert len(signs) == len(splits.test.pairs)
        assert signs.count("1") / len(signs) == pytest.approx(read.figures[figure], abs=1e-5)
    assert any(figure.endswith("/composed/Hit@1") for figure in read.figures)
