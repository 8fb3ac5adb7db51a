"""The towers of Fourtower: pictures and words in, unit vectors in one space out.

The names below are loaded when they are first used, so importing this package is free.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fourtower_encoders.config import TowerConfig
    from fourtower_encoders.embedder import Embedder
    from fourtower_encoders.errors import EncoderError
    from fourtower_encoders.joint import QueryParams

__all__ = ["Embedder", "EncoderError", "QueryParams", "TowerConfig"]

_HOMES = {
    "Embedder": "embedder",
    "EncoderError": "errors",
    "QueryParams": "joint",
    "TowerConfig": "config",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value  # the next use doesn't come here
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
