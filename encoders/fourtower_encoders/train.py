"""Trains the towers: one loop, read from top to bottom."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from fourtower_encoders.batches import Batch, Sampler, SamplingConfig
from fourtower_encoders.config import Frozen
from fourtower_encoders.gather import gather_rows, rank, share, sum_gradients, world_size
from fourtower_encoders.metrics_log import MetricsLog
from fourtower_encoders.mining import confused_products
from fourtower_encoders.model import Embeddings, FourTower
from fourtower_encoders.objective import LossConfig, Objective, Variant, masks
from fourtower_encoders.prefetch import Prefetch
from fourtower_encoders.stops import explained, finite
from fourtower_encoders.training_data import TrainingData
from fourtower_encoders.training_state import load_state, save_state


class TrainConfig(Frozen):
    """Everything that decides the result of a run, besides towers and data."""

    variant: Variant = "4-tower"
    first_variant: Variant | None = None
    """Another variant for the first half of the steps: the paper starts four towers from three."""
    steps: int = Field(default=2400, ge=1)
    seed: int = Field(default=0, ge=0, lt=2**31)
    learning_rate: float = Field(default=2e-3, gt=0)
    warmup: float = Field(default=0.08, ge=0, le=1)
    """Share of the steps in which the learning rate rises; afterwards it follows a half cosine down."""
    weight_decay: float = 0.05
    clip_norm: float = 5.0
    loss: LossConfig = LossConfig()
    sampling: SamplingConfig = SamplingConfig()
    mine_every: int = Field(default=500, ge=1)
    """Steps between two searches for confused products; used when `sampling.hard_share` is positive."""
    save_every: int = Field(default=500, ge=1)
    log_every: int = Field(default=20, ge=1)
    precision: Literal["bf16", "fp32"] = "bf16"

    def variant_at(self, step: int) -> Variant:
        """Whose losses a step trains."""
        return self.first_variant if self.first_variant and 2 * step < self.steps else self.variant


@dataclass(frozen=True)
class StepReport:
    """What a progress bar wants to know."""

    step: int
    terms: dict[str, float]
    images_per_s: float


OnStep = Callable[[StepReport], None]
OnSave = Callable[[int, FourTower], None]


def train(
    model: FourTower,
    data: TrainingData,
    config: TrainConfig,
    *,
    out: Path | None = None,
    resume: bool = False,
    device: str = "cpu",
    on_step: OnStep | None = None,
    on_save: OnSave | None = None,
) -> FourTower:
    """Train the towers in place.

    Args:
        model: the towers to start from.
        data: the training split in memory.
        config: how to train.
        out: folder for the resumable state and `metrics.jsonl`; None keeps nothing.
        resume: continue from the state in `out`.
        device: where to compute.
        on_step: called every `log_every` steps.
        on_save: called every `save_every` steps and at the end, with the number of finished steps.

    Raises:
        TrainingStopped: memory or disk ran out, or the loss is no longer a number.
        CheckpointError: `resume` without a state that fits.
    """
    with explained(out, batch_size=config.sampling.batch_size):
        run = _Run(model, data, config, torch.device(device))
        start = run.restore(out) if resume and out is not None else 0
        log = MetricsLog(out if rank() == 0 else None, keep_until=start)
        speed = _Speed()
        model.train()
        for first, last in _stretches(start, config):  # batches are prepared ahead, but not past new negatives
            run.mine(first)
            with Prefetch(run.sampler.draw, range(first, last)) as batches:
                for step, batch in batches:
                    terms = run.update(step, batch)
                    done, finished = step + 1, step + 1 == config.steps
                    speed.count(2 * len(batch.product) * world_size())
                    if done % config.log_every == 0 or finished:
                        report = StepReport(done, finite(terms, done), speed.reset())
                        log.write(done, report.terms, run.rate(step), report.images_per_s)
                        if on_step is not None and rank() == 0:
                            on_step(report)
                    if done % config.save_every == 0 or finished:
                        run.check(terms, done)  # what is saved is always usable
                        run.save(out, done)
                        if on_save is not None and rank() == 0:
                            on_save(done, model)
    return model.eval()


class _Run:
    """The moving parts of a training run."""

    def __init__(self, model: FourTower, data: TrainingData, config: TrainConfig, device: torch.device) -> None:
        self.model, self.data, self.config, self.device = model, data, config, device
        self.objective = Objective(config.variant, config.loss)
        if world_size() > 1 and device.type == "cuda":  # statistics of the joint batch, as one process would have
            nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
        self.modules = nn.ModuleDict({"towers": model, "objective": self.objective}).to(device)
        model.to(memory_format=torch.channels_last)
        self.optimizer = _optimizer(self.modules, config)
        self.sampler = Sampler(data, config.sampling, model.config.preprocess.size, config.seed, rank(), world_size())
        self.gradient_norm = torch.zeros(())
        share(self.modules.state_dict().values())

    def update(self, step: int, batch: Batch) -> dict[str, Tensor]:
        """Change the weights once; return the loss terms."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate(step)
        batch = batch.to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bf16"):
            images = (batch.query_image, batch.product_image)
            mine: Embeddings = self.model(*images, batch.query_text, batch.product_text)
        joint = gather_rows(mine)
        numbers = gather_rows((batch.product, batch.group, batch.text, batch.query, batch.answered))
        luck = torch.Generator().manual_seed(self.config.seed * 1_000_003 + step)  # the same on every process
        self.objective.variant = self.config.variant_at(step)
        terms = self.objective(joint, masks(*numbers), luck)
        self.optimizer.zero_grad()
        torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
        sum_gradients(self.model.parameters())
        self.gradient_norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip_norm)
        self.optimizer.step()
        return {name: value.detach() for name, value in terms.items()}

    def check(self, terms: dict[str, Tensor], step: int) -> None:
        """Refuse a loss or a gradient that is no number; the former alone can't tell about the last update."""
        finite(terms, step)
        finite({"norm": self.gradient_norm}, step, kind="gradient")

    def rate(self, step: int) -> float:
        """The learning rate of a step."""
        return self.config.learning_rate * one_cycle(step, self.config.steps, self.config.warmup)

    def mine(self, step: int) -> None:
        """Search anew for confused products, once the towers have learned something."""
        if self.config.sampling.hard_share > 0 and step > 0 and step % self.config.mine_every == 0:
            # Rounding may differ between processes; what the batches depend on may not.
            confused = torch.from_numpy(confused_products(self.model, self.data, self.device)).to(self.device)
            share([confused])
            self.sampler.confused = confused.cpu().numpy()

    def save(self, out: Path | None, step: int) -> None:
        """Replace the state in `out`; only the first process writes."""
        if rank() > 0 or out is None:
            return
        confused = self.sampler.confused
        extra = {} if confused is None else {"confused": torch.from_numpy(confused)}
        settings = self._settings()
        save_state(out, step=step, modules=self.modules, optimizer=self.optimizer, extra=extra, config=settings)

    def restore(self, out: Path) -> int:
        """Continue from the state in `out`; return the number of finished steps."""
        settings = self._settings()
        step, extra = load_state(out, modules=self.modules, optimizer=self.optimizer, config=settings)
        self.sampler.confused = extra["confused"].numpy() if "confused" in extra else None
        return step

    def _settings(self) -> str:
        """All that must be equal for a resumed run to continue the old one, as JSON."""
        origin = {"source", "pretrained", "weights"}  # no longer matters once there is a state
        towers = self.model.config.model_dump(mode="json", exclude={"image": origin, "text": origin})
        data = {"products": len(self.data.views), "pairs": len(self.data.pair_photo), "pictures": len(self.data.pixels)}
        return json.dumps(self.config.model_dump(mode="json") | {"towers": towers, "data": data})


class _Speed:
    """Images per second since the last look."""

    def __init__(self) -> None:
        self._since, self._images = time.perf_counter(), 0

    def count(self, images: int) -> None:
        self._images += images

    def reset(self) -> float:
        now = time.perf_counter()
        speed = self._images / max(now - self._since, 1e-9)
        self._since, self._images = now, 0
        return speed


def one_cycle(step: int, steps: int, warmup: float) -> float:
    """The learning rate's share of its peak: a linear rise, then half a cosine down to zero."""
    rise = max(1, round(steps * warmup))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))


def _optimizer(run: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """AdamW; biases, norms and temperatures (all below two dimensions) do not decay."""
    trainable = [parameter for parameter in run.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trainable if p.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in trainable if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.98), fused=True)


def _stretches(start: int, config: TrainConfig) -> Iterator[tuple[int, int]]:
    """Split the remaining steps where new negatives are mined."""
    length = config.mine_every if config.sampling.hard_share > 0 else config.steps
    while start < config.steps:
        end = min(config.steps, (start // length + 1) * length)
        yield start, end
        start = end
