"""Two real processes that train together, against one with the joint batch."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from fourtower_encoders.checkpoint import load_model
from fourtower_encoders.gather import gather_rows, rank, share, sum_gradients, world_size
from fourtower_encoders.metrics_log import read_metrics
from fourtower_encoders.objective import VARIANTS

SCRIPT = Path(__file__).with_name("joint_gradients.py")
LOOPBACK = {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}


def finish(processes):
    """Wait for all; what they said is shown if one of them failed."""
    try:
        said = [process.communicate(timeout=250)[0] for process in processes]
    finally:
        for process in processes:
            if process.poll() is None:  # with the processes that it started itself
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
    assert [process.returncode for process in processes] == [0] * len(processes), "\n".join(said)
    return said


def start(command, **environment):
    return subprocess.Popen(
        list(map(str, command)),
        env=os.environ | LOOPBACK | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory):
    """What two processes found; see the script."""
    out = tmp_path_factory.mktemp("joint") / "report.json"
    finish([start([sys.executable, SCRIPT, out], RANK=str(number)) for number in range(2)])
    return json.loads(out.read_text())


@pytest.mark.parametrize("variant", VARIANTS)
def test_two_processes_get_the_gradients_of_one(two_processes, variant):
    found = two_processes[variant]
    assert found["names"], "the same parameters have a gradient"
    assert found["text"] == (variant != "dml")
    assert found["difference"] < 1e-4


def test_all_processes_use_the_same_negatives(two_processes):
    assert two_processes["same negatives"]


def test_the_command_trains_in_two_processes(catalog, tmp_path):
    """An odd number of rows, so that one is left over; hard negatives are left to the test above."""
    command = Path(sys.executable).with_name("fourtower")
    options = "--steps 4 --batch-size 9 --width 4 --image-size 16 --dim 8 --device cpu --json --hard-share 0"
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--no-python"]
    (said,) = finish(
        [start([*torchrun, command, "train", "--data", catalog, "--out", tmp_path / "run", *options.split()])]
    )
    assert said.count("Fitting means") == 1, "only the first process goes on after training"
    assert [line["step"] for line in read_metrics(tmp_path / "run")] == [4]
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "checkpoint",
        "curves.png",
        "metrics.jsonl",
        "state.safetensors",
    ]
    assert load_model(tmp_path / "run" / "checkpoint").config.dim == 8


def test_one_process_alone_asks_nobody():
    rows = (torch.ones(2, 3), torch.zeros(2))
    assert (world_size(), rank()) == (1, 0)
    assert gather_rows(rows) is rows
    layer = nn.Linear(2, 1)
    layer(torch.ones(1, 2)).sum().backward()
    before = layer.weight.grad.clone()
    sum_gradients(layer.parameters())
    share(layer.state_dict().values())
    assert torch.equal(layer.weight.grad, before)
