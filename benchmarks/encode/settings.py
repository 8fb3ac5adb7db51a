"""What is measured, and with how much work; `QUICK` only shows that everything runs."""

from __future__ import annotations

from benchmarks.train_demo import TOWERS as DEMO_TOWERS
from benchmarks.train_demo import TRAINING as DEMO_TRAINING
from fourtower_encoders.config import Frozen, HashedText, Preprocess, SmallResNet, TimmImage, TowerConfig
from fourtower_encoders.train import TrainConfig


def timm_towers(name: str, size: int) -> TowerConfig:
    """Towers with an image network of timm; the weights stay random, which costs the same."""
    return TowerConfig(image=TimmImage(name=name), text=HashedText(), preprocess=Preprocess(size=size))


class Settings(Frozen):
    """Work per round and number of rounds."""

    rounds: int = 7
    files: int = 128
    """Different JPEG files."""
    picture_px: int = 512
    """Their width and height."""
    embed_pictures: int = 256
    """Pictures that a round embeds; the files repeat."""
    embed_batch: int = 32
    towers: TowerConfig = timm_towers("vit_tiny_patch16_224", 224)
    demo_towers: TowerConfig = DEMO_TOWERS
    training: TrainConfig = DEMO_TRAINING.model_copy(update={"steps": 6})
    """One call of `train` per round."""
    train_products: int = 300
    gpu_towers: TowerConfig = timm_towers("vit_base_patch16_224", 224)
    gpu_pictures: int = 4096
    gpu_batch: int = 256
    gpu_train_steps: int = 200
    share: int = 256
    """Pictures per share of work that encoding processes take, as a worker's task does."""


_TINY = TowerConfig(image=SmallResNet(width=8), preprocess=Preprocess(size=32))
_FEW = DEMO_TRAINING.sampling.model_copy(update={"batch_size": 8})
QUICK = Settings(
    rounds=1,
    files=4,
    picture_px=96,
    embed_pictures=6,
    embed_batch=4,
    towers=_TINY,
    demo_towers=_TINY,
    training=DEMO_TRAINING.model_copy(update={"steps": 2, "sampling": _FEW}),
    train_products=16,
    gpu_towers=_TINY,
    gpu_pictures=8,
    gpu_batch=4,
    gpu_train_steps=2,
    share=4,
)
