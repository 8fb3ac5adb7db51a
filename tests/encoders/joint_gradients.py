"""Run by `test_gather.py` as two processes: do they get the gradients of one process with the joint batch?

Writes, for each variant, the largest difference of any gradient relative to its largest entry.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist

from fourtower_encoders.batches import SamplingConfig
from fourtower_encoders.config import HashedText, Preprocess, SmallResNet, TowerConfig
from fourtower_encoders.gather import rank
from fourtower_encoders.model import FourTower
from fourtower_encoders.objective import VARIANTS, Variant
from fourtower_encoders.train import TrainConfig, _Run
from fourtower_encoders.training_data import TrainingData

TOWERS = TowerConfig(
    image=SmallResNet(width=4, norm="group"),  # batch norm would look at each process's own rows
    text=HashedText(buckets=64, width=8),
    preprocess=Preprocess(size=16),
    dim=8,
    heads_per_role=True,
)
PRODUCTS = 12


def arrays() -> TrainingData:
    """Noise, with shared groups, texts and queries, so that every mask has entries off the diagonal."""
    rng = np.random.default_rng(3)
    numbers = np.arange(PRODUCTS)
    return TrainingData(
        pixels=rng.integers(0, 256, (3 * PRODUCTS, 18, 18, 3), dtype=np.uint8),
        pair_photo=np.arange(2 * PRODUCTS),
        pair_product=np.repeat(numbers, 2),
        views=[np.array([2 * PRODUCTS + number]) for number in numbers],
        titles=rng.integers(1, 64, (PRODUCTS, 6)),
        queries=rng.integers(1, 64, (4, 6)),
        answered=(numbers % 3)[:, None],
        group=numbers // 4,
        text=numbers // 2,
        category=numbers % 2,
        bad={},
    )


def gradients(variant: Variant, seed: int) -> dict[str, torch.Tensor]:
    """All gradients of a first update; towers and temperatures without one are left out."""
    sampling = SamplingConfig(batch_size=8, photos_per_product=2)
    config = TrainConfig(variant=variant, precision="fp32", clip_norm=1e9, sampling=sampling)
    torch.manual_seed(seed)
    run = _Run(FourTower(TOWERS), arrays(), config, torch.device("cpu"))
    run.update(0, run.sampler.draw(0))
    return {name: p.grad.clone() for name, p in run.modules.named_parameters() if p.grad is not None}


def same_negatives() -> bool:
    """Whether all processes agree on the negatives, although batch norm made their towers differ."""
    torch.manual_seed(0)
    towers = FourTower(TOWERS.model_copy(update={"image": SmallResNet(width=4)}))
    sampling = SamplingConfig(batch_size=8, hard_share=0.5)
    run = _Run(towers, arrays(), TrainConfig(mine_every=4, sampling=sampling), torch.device("cpu"))
    for step in range(4):
        run.update(step, run.sampler.draw(step))
    run.mine(4)
    found: list[np.ndarray | None] = [None, None]
    dist.all_gather_object(found, run.sampler.confused)
    return bool(np.array_equal(*found)) and bool((found[0] >= 0).any())


def main(out: Path) -> None:
    """Compare; the first process writes what it found."""
    torch.set_num_threads(1)
    alone = {variant: gradients(variant, seed=0) for variant in VARIANTS}
    dist.init_process_group(
        "gloo",
        init_method=f"file://{out.with_suffix('.meeting')}",
        rank=int(os.environ["RANK"]),
        world_size=2,
    )
    report: dict[str, object] = {}
    for variant in VARIANTS:
        # The second process starts from other weights, which are to be replaced by those of the first.
        joint, expected = gradients(variant, seed=rank()), alone[variant]
        differences = [((joint[n] - expected[n]).abs().max() / expected[n].abs().max()).item() for n in expected]
        report[variant] = {
            "names": sorted(joint) == sorted(expected),
            "text": any(".text_" in name for name in joint),
            "difference": max(differences),
        }
    report["same negatives"] = same_negatives()
    if rank() == 0:
        out.write_text(json.dumps(report))
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
