"""The resumable state: exact, replaced in one move, and refused with a sentence when it doesn't fit."""

import json
import resource
from contextlib import contextmanager

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from fourtower_encoders.errors import CheckpointError, TrainingStopped
from fourtower_encoders.training_state import STATE_FILE, load_state, save_state

SETTINGS = {"steps": 9, "sampling": {"batch_size": 8, "flip": 0.5}}


def fresh(seed=0):
    """A convolution that lies in memory channels last, as the towers' do, and a layer that is never used."""
    torch.manual_seed(seed)
    modules = nn.ModuleDict({"conv": nn.Conv2d(3, 8, 3), "idle": nn.Linear(2, 2)}).to(memory_format=torch.channels_last)
    return modules, torch.optim.AdamW(modules.parameters(), lr=0.1, fused=True)


def work(modules, optimizer, steps):
    for step in steps:
        pixels = torch.randn(2, 3, 5, 5, generator=torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        modules["conv"](pixels).square().mean().backward()
        optimizer.step()


def save(folder, step, modules, optimizer, extra=None, settings=SETTINGS):
    config = json.dumps(settings)
    save_state(folder, step=step, modules=modules, optimizer=optimizer, extra=extra or {}, config=config)


def load(folder, modules, optimizer, settings=SETTINGS):
    return load_state(folder, modules=modules, optimizer=optimizer, config=json.dumps(settings))


def weights(modules):
    return {name: value.clone() for name, value in modules.state_dict().items()}


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_a_restored_run_goes_on_as_if_it_had_not_stopped(tmp_path):
    straight, optimizer = fresh()
    work(straight, optimizer, range(4))
    save(tmp_path / "new folder", 4, straight, optimizer, {"confused": torch.tensor([[1, -1]])})
    work(straight, optimizer, range(4, 8))

    resumed, optimizer = fresh(seed=9)
    step, extra = load(tmp_path / "new folder", resumed, optimizer)
    assert step == 4
    assert extra["confused"].tolist() == [[1, -1]]
    work(resumed, optimizer, range(4, 8))
    assert same(weights(resumed), weights(straight))


def test_nothing_saved_yet(tmp_path):
    with pytest.raises(CheckpointError, match=r"holds no saved state to resume\. Train without --resume first\."):
        load(tmp_path, *fresh())


@pytest.mark.parametrize("kept", [0, 5, 100, 0.5, 0.99])
def test_a_file_that_was_cut_off(tmp_path, kept):
    save(tmp_path, 4, *fresh())
    path = tmp_path / STATE_FILE
    whole = path.read_bytes()
    path.write_bytes(whole[: kept if isinstance(kept, int) else int(len(whole) * kept)])
    with pytest.raises(CheckpointError, match=rf"{STATE_FILE} is damaged .*Delete it and train anew"):
        load(tmp_path, *fresh())


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        {"step": "4"},
        {"step": "four", "config": "{}"},
        {"step": "4", "config": "{oops"},
        {"step": "4", "config": "[1]"},
    ],
)
def test_a_foreign_file(tmp_path, metadata):
    save_file({"weight": torch.zeros(2)}, tmp_path / STATE_FILE, metadata)
    with pytest.raises(CheckpointError, match="is damaged"):
        load(tmp_path, *fresh())


def test_tensors_of_other_modules(tmp_path):
    save(tmp_path, 4, *fresh())
    path = tmp_path / STATE_FILE
    tensors = {name: value for name, value in load_file(path).items() if "idle" not in name}
    save_file(tensors, path, {"step": "4", "config": json.dumps(SETTINGS)})
    with pytest.raises(CheckpointError, match="is damaged"):
        load(tmp_path, *fresh())


def test_other_settings_are_named(tmp_path):
    modules, optimizer = fresh()
    save(tmp_path, 4, modules, optimizer)
    other, optimizer = fresh(seed=9)
    before = weights(other)
    changed = {"steps": 9, "sampling": {"batch_size": 16, "flip": 0.5}, "seed": 1}
    with pytest.raises(CheckpointError, match=r"other settings \(sampling\.batch_size, seed\)\. Use those"):
        load(tmp_path, other, optimizer, changed)
    assert same(weights(other), before), "nothing was loaded"


@contextmanager
def disk_that_fails_after(limit_bytes):
    """No file may grow beyond this; the kernel then refuses the write, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("limit_bytes", [1, 900, 2000])
def test_a_failing_disk_leaves_the_old_state(tmp_path, limit_bytes):
    modules, optimizer = fresh()
    work(modules, optimizer, range(2))
    with disk_that_fails_after(limit_bytes), pytest.raises(TrainingStopped, match=r"after step 2 .*nothing was saved"):
        save(tmp_path, 2, modules, optimizer)
    work(modules, optimizer, range(2, 4))
    save(tmp_path, 4, modules, optimizer)
    saved = weights(modules)
    work(modules, optimizer, range(4, 6))
    with (
        disk_that_fails_after(limit_bytes),
        pytest.raises(TrainingStopped, match=r"after step 6 .*still holds the previous state.*--resume\.$"),
    ):
        save(tmp_path, 6, modules, optimizer)
    assert [path.name for path in tmp_path.iterdir()] == [STATE_FILE], "no debris"
    restored, optimizer = fresh(seed=9)
    assert load(tmp_path, restored, optimizer)[0] == 4
    assert same(weights(restored), saved)


def test_a_save_that_was_killed_leaves_the_old_state(tmp_path):
    save(tmp_path, 4, *fresh())
    (tmp_path / STATE_FILE).with_suffix(".partial").write_bytes(b"half of a newer one")
    assert load(tmp_path, *fresh())[0] == 4
    save(tmp_path, 8, *fresh())
    assert load(tmp_path, *fresh())[0] == 8
    assert len(list(tmp_path.iterdir())) == 1
