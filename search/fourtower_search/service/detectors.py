"""Detectors: plugins that propose boxes around what a photo shows, found as the entry points `fourtower.detectors`.

An entry point names something to call without arguments that gives a detector, such as a class; it is called once,
when the first photo comes. A detector is called with an upright picture, by several threads at a time.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from PIL import Image

from fourtower_search.errors import SearchError, Unsupported
from fourtower_search.plugins import known_plugins, load_plugin

GROUP: Final = "fourtower.detectors"
MOST_BOXES = 20
"""The surest ones are shown."""
LONGEST_LABEL = 60


@dataclass(frozen=True, slots=True)
class Box:
    """Something that a photo shows, in pixels of the upright picture."""

    left: float
    top: float
    right: float
    bottom: float
    score: float = 1.0
    """How sure the detector is, 0 to 1."""
    label: str = ""


class Detector(Protocol):
    """Finds things in pictures."""

    def __call__(self, image: Image.Image, /) -> Sequence[Box]:
        """What an upright RGB picture shows, in any order."""
        ...


@dataclass(frozen=True, slots=True)
class Proposal:
    """A box as shares of the photo's width and height."""

    x: float
    y: float
    width: float
    height: float
    score: float
    label: str


class InstalledDetectors:
    """All plugins that detect; each is opened when it is first asked for. Threads may share it."""

    def __init__(self) -> None:
        self._opened: dict[str, Detector] = {}
        self._lock = threading.Lock()

    def names(self) -> list[str]:
        """Of all that are installed, sorted."""
        return known_plugins(GROUP)

    def propose(self, image: Image.Image, name: str | None = None) -> list[Proposal]:
        """The boxes that a detector finds, surest first.

        Args:
            image: upright.
            name: of the detector; None: the first that is installed.

        Raises:
            InvalidQuery: there is no detector of this name.
            Unsupported: there is none at all, or it fails.
        """
        chosen = name or next(iter(self.names()), None)
        if chosen is None:
            raise Unsupported(f"No detector is installed; a package with an entry point of {GROUP} brings one.")
        detector = self._open(chosen)
        try:
            found = list(detector(image))
        except Exception as error:  # a plugin may fail in any way
            raise Unsupported(
                f"The detector {chosen!r} failed: {type(error).__name__}. Mend or uninstall it."
            ) from error
        return proposals(found, image.size, chosen)

    def _open(self, name: str) -> Detector:
        with self._lock:
            if name not in self._opened:
                factory = load_plugin(GROUP, name)
                try:
                    self._opened[name] = factory()
                except SearchError:
                    raise
                except Exception as error:  # a plugin may fail in any way
                    raise Unsupported(
                        f"The detector {name!r} can't be opened: {type(error).__name__}: {error}. Its entry point "
                        "must name something to call without arguments that gives a detector."
                    ) from error
            return self._opened[name]


def proposals(found: Sequence[Any], size: tuple[int, int], name: str) -> list[Proposal]:
    """A detector's boxes, checked and cut to the picture, surest first.

    Raises:
        Unsupported: what it gave are no boxes.
    """
    if not all(isinstance(each, Box) and _is_finite(each) for each in found):
        raise Unsupported(f"The detector {name!r} gave something that is no `Box` of finite numbers. Mend it.")
    cut = [_share(each, size) for each in found]
    return sorted((each for each in cut if each.width > 0 and each.height > 0), key=_rank)[:MOST_BOXES]


def _share(box: Box, size: tuple[int, int]) -> Proposal:
    left, right = (min(max(edge / size[0], 0.0), 1.0) for edge in (box.left, box.right))
    top, bottom = (min(max(edge / size[1], 0.0), 1.0) for edge in (box.top, box.bottom))
    score = min(max(float(box.score), 0.0), 1.0)
    return Proposal(left, top, right - left, bottom - top, score, box.label[:LONGEST_LABEL])


def _rank(proposal: Proposal) -> tuple[float, float, float]:
    return -proposal.score, proposal.x, proposal.y


def _is_finite(box: Box) -> bool:
    numbers = (box.left, box.top, box.right, box.bottom, box.score)
    real = all(isinstance(each, int | float) and math.isfinite(each) for each in numbers)
    return real and isinstance(box.label, str)
