"""Asks a process of ours for its figures, and whether it is ready."""

from __future__ import annotations

from urllib.request import urlopen

TIMEOUT_S = 2.0


def scraped(port: int) -> dict[str, float]:
    """All figures by name and labels, as they are written.

    Raises:
        OSError: the process does not answer.
    """
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=TIMEOUT_S) as answer:
        return parsed(answer.read().decode())


def ready(port: int) -> bool:
    """Whether a process says that it can work."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=TIMEOUT_S) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def parsed(text: str) -> dict[str, float]:
    """Figures by name and labels."""
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def total(figures: dict[str, float], name: str) -> float:
    """The sum of a figure over its labels."""
    return sum(value for key, value in figures.items() if key.partition("{")[0] == name)
