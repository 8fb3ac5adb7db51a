"""What is measured, and with how much work; `QUICK` only shows that everything runs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from benchmarks.encode.settings import timm_towers
from benchmarks.train_demo import TOWERS as DEMO_TOWERS
from fourtower_encoders.config import Frozen, Preprocess, SmallResNet, TowerConfig


class Settings(Frozen):
    """The work of each measurement, and how the processes under test are set."""

    milvus: Literal["lite", "server"] = "server"
    """Which Milvus: Lite's own server, whose engine is written in Python, or the one of Milvus 2.3."""
    towers: TowerConfig = timm_towers("vit_tiny_patch16_224", 224)
    demo_towers: TowerConfig = DEMO_TOWERS
    rounds: int = 3
    """Of each race, after one that does not count."""
    files: int = 128
    """Different JPEG files."""
    picture_px: int = 512
    """Their width and height."""
    picture_latency_ms: int = 100
    """That the picture host takes for an answer."""
    new_products: int = 512
    """That a round indexes and embeds."""
    demo_products: int = 1536
    """The same for the demo towers, which are faster."""
    products: int = 6000
    """Whose prices change: more than the ingester holds, so that it folds nothing."""
    price_versions: int = 3
    """Of each of them in one round."""
    stale_repeats: int = 6
    """How often they come again in a round where all are stale: it should last for seconds."""
    two_versions: int = 4
    """Of each of them where one ingester is compared with two."""
    searchable_s: float = 20.0
    """Seconds of load at each level."""
    searchable_levels: tuple[float, ...] = (0.25, 0.5, 0.75)
    """Of the capacity that was measured before."""
    probes_per_s: float = 20.0
    """Events that are waited for."""
    overload: float = 10.0
    """How many times more new products are offered than can be encoded."""
    overload_s: float = 60.0
    partitions: int = 6
    batch: int = Field(default=256, le=256)
    """Events per task."""
    linger_ms: int = 50
    """How long a batch may wait to become full."""
    in_flight: int = 16
    """Batches that were sent and not answered."""
    pictures_per_run: int = 32
    """Per run of the network, on both sides."""
    children: int = 2
    """Of the worker."""
    threads: int = 16
    """In each child, for fetching and decoding."""


_TINY = TowerConfig(image=SmallResNet(width=8), preprocess=Preprocess(size=32))
QUICK = Settings(
    milvus="lite",
    towers=_TINY,
    demo_towers=_TINY,
    rounds=1,
    files=4,
    picture_px=96,
    picture_latency_ms=5,
    new_products=24,
    demo_products=24,
    products=60,
    price_versions=2,
    stale_repeats=1,
    two_versions=2,
    searchable_s=1.0,
    searchable_levels=(0.25, 0.5),
    probes_per_s=10.0,
    overload=2.0,
    overload_s=3.0,
    partitions=3,
    batch=16,
    threads=4,
    children=1,
)
