"""The budget that all arms share, chosen on validation data before any test figure was looked at."""

from __future__ import annotations

import hashlib

from fourtower_encoders.batches import SamplingConfig
from fourtower_encoders.config import Frozen, HashedText, Preprocess, SmallResNet, TowerConfig
from fourtower_encoders.synth import SynthConfig


class Protocol(Frozen):
    """Towers, data and steps of one experiment; part of every result file."""

    name: str
    towers: TowerConfig
    steps: int
    learning_rate: float
    sampling: SamplingConfig
    catalog: SynthConfig | None = None
    """None: the data lie in a folder of their own."""
    looks: int = 4
    """How often test figures are taken along the way, for the curves; nothing is chosen by them."""

    @property
    def digest(self) -> str:
        """Names the protocol; results of another one are not mixed in."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]


SYNTHETIC = Protocol(
    name="synthetic",
    towers=TowerConfig(image=SmallResNet(width=16), text=HashedText(), preprocess=Preprocess(size=48)),
    steps=800,
    learning_rate=3e-3,
    sampling=SamplingConfig(batch_size=128),
    catalog=SynthConfig(products=6000, seed=2024, size=64, val_share=0.06, test_share=0.2),
)

GROCERY = Protocol(
    name="grocery",
    towers=TowerConfig(image=SmallResNet(width=16), text=HashedText(), preprocess=Preprocess(size=64)),
    steps=900,
    learning_rate=3e-3,
    sampling=SamplingConfig(batch_size=64, min_crop=0.7),
)
"""Real photos: 81 products, of which 64 stand in every batch, so that photos meet nearly all of them each time."""
