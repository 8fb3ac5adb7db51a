"""The training loop, which draws and augments its batches, against a loop over one ready batch."""

from __future__ import annotations

from pathlib import Path

import torch

from benchmarks.race import Race, race
from fourtower_encoders.batches import Batch, Sampler
from fourtower_encoders.config import TowerConfig
from fourtower_encoders.manifest import load_dataset
from fourtower_encoders.model import FourTower
from fourtower_encoders.objective import Objective, masks
from fourtower_encoders.synth import SynthConfig, write_catalog
from fourtower_encoders.tokens import build_tokenizer
from fourtower_encoders.train import TrainConfig, train
from fourtower_encoders.training_data import MARGIN, TrainingData, load_training_data


def draw_training_data(folder: Path, towers: TowerConfig, *, products: int) -> TrainingData:
    """Draw a small catalog and read its training split."""
    size = max(32, round(towers.preprocess.size * MARGIN))
    write_catalog(folder, SynthConfig(products=products, size=size, photos=1))
    return load_training_data(load_dataset(folder, "train"), build_tokenizer(towers.text), towers.preprocess)


def race_training(
    data: TrainingData, towers: TowerConfig, config: TrainConfig, *, rounds: int, device: str = "cpu"
) -> Race:
    """Race whole calls of `train` against as many steps of the bare loop: same towers, loss, batch and precision."""
    trained = _towers(towers)
    loop = BareLoop(_towers(towers), data, config, device)
    items = 2 * len(loop.batch.product) * config.steps
    return race(lambda: train(trained, data, config, device=device), loop.run, items=items, rounds=rounds)


class BareLoop:
    """Forward, loss, backward, optimizer step, over and over the same batch, which lies on the device."""

    def __init__(self, model: FourTower, data: TrainingData, config: TrainConfig, device: str) -> None:
        self.config, self.device = config, torch.device(device)
        self.model = model.to(self.device).to(memory_format=torch.channels_last)
        self.objective = Objective(config.variant, config.loss).to(self.device)
        parameters = [*self.model.parameters(), *self.objective.parameters()]
        self.optimizer = torch.optim.AdamW(parameters, lr=config.learning_rate, fused=True)
        sampler = Sampler(data, config.sampling, model.config.preprocess.size, config.seed)
        self.batch: Batch = sampler.draw(0).to(self.device)

    def run(self) -> None:
        """As many steps as the configuration says."""
        self.model.train()
        for step in range(self.config.steps):
            self._step(step)
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def _step(self, step: int) -> None:
        batch = self.batch
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bf16"):
            embeddings = self.model(batch.query_image, batch.product_image, batch.query_text, batch.product_text)
        related = masks(batch.product, batch.group, batch.text, batch.query, batch.answered)
        terms = self.objective(embeddings, related, torch.Generator().manual_seed(step))
        self.optimizer.zero_grad()
        torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()


def _towers(config: TowerConfig) -> FourTower:
    torch.manual_seed(0)
    return FourTower(config, pretrained=False)
