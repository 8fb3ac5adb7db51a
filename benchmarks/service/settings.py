"""What is measured, and with how much work; `QUICK` only shows that everything runs."""

from __future__ import annotations

from typing import Literal

from fourtower_encoders.config import Frozen

Kind = Literal["text", "image"]


class Settings(Frozen):
    """The work of each measurement."""

    products: int = 2000
    """Of the drawn catalog, in a Milvus Lite file that each side has a copy of."""
    queries: int = 400
    """Different ones of each kind, in turns; nothing remembers their embeddings."""
    rounds: int = 5
    """In each of them every side has its turn; the order changes."""
    seconds: float = 4.0
    """Of one turn."""
    clients: tuple[int, ...] = (1, 8, 32)
    """Who ask one thing after the other, at the same time."""
    batch: int = 16
    """Searches that the service answers together when they wait together."""
    overload: float = 4.0
    """How many times more is asked than the service can answer."""
    overload_s: float = 15.0
    settle_s: float = 2.0
    """Of overload before it counts, in which the queue fills, once."""
    callers: int = 128
    """Connections of those who ask too much."""


QUICK = Settings(
    products=60, queries=12, rounds=1, seconds=0.4, clients=(1, 4), overload_s=1.0, settle_s=0.5, callers=32
)
