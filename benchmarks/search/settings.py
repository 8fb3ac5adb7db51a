"""What is measured, and with how much work; `QUICK` only shows that everything runs."""

from __future__ import annotations

from pydantic import Field

from fourtower_encoders.config import Frozen
from fourtower_encoders.synth import SynthConfig


class Settings(Frozen):
    """The catalog, the sizes of the indexes, and how often each thing is done."""

    catalog: SynthConfig = SynthConfig(
        products=3000, seed=97, photos=1, val_share=0.0, test_share=0.9, tasks_per_kind=1000
    )
    """Drawn with another seed than the demo towers were trained on."""
    sizes: tuple[int, ...] = (10_000, 100_000)
    """Rows per index; the last size is the one that the main figures are of."""
    spread: float = Field(default=0.35, gt=0)
    """Length of the noise that is added to a copied half of length 1, where an index has more rows than the catalog."""
    depth: int = 100
    """Distinct products that a search looks at."""
    limit: int = 10
    """Products on a page."""
    calls: int = 300
    """Timed searches of each side."""
    warm_up: int = 30
    recall_queries: int = 100
    """Queries of each kind against the exact answer."""
    filter_shares: tuple[float, ...] = (0.01, 0.1, 0.5)
    """Shares of the products that filters leave."""
    bands: int = 5
    """Different filters of each share, for the recall."""
    hidden_share: float = 0.2
    """Share of the products that lose a half."""
    written: int = 6000
    """Products that one round writes, of each kind of change."""
    rounds: int = 3
    batch: int = 256
    """Products per batch, as a worker's task has it at most."""
    ahead: int = 32
    """Batches on their way."""


QUICK = Settings(
    catalog=SynthConfig(products=120, seed=97, size=64, photos=1, val_share=0.0, test_share=0.9, tasks_per_kind=12),
    sizes=(300, 600),
    depth=20,
    calls=4,
    warm_up=1,
    recall_queries=6,
    bands=2,
    filter_shares=(0.1,),
    written=64,
    rounds=1,
    batch=16,
    ahead=4,
)
