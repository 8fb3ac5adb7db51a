"""How much memory processes hold, with all that they started, and how many descriptors: from /proc."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass
class Footprint:
    """Of one process group."""

    pid: int
    """Of the process that leads it."""
    rss: int = 0
    """Bytes of all its processes; pages that they share count once for each."""
    descriptors: int = 0
    """Of the process that has most."""


def footprints(leaders: Mapping[str, int]) -> dict[str, Footprint]:
    """Of the groups that these processes lead, by name."""
    groups = {pid: Footprint(pid) for pid in leaders.values()}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):  # it may end while we look
                _add(folder, groups)
    return {name: groups[pid] for name, pid in leaders.items()}


def _add(process: Path, groups: Mapping[int, Footprint]) -> None:
    group = int((process / "stat").read_text().rpartition(")")[2].split()[2])
    if (footprint := groups.get(group)) is None:
        return
    footprint.rss += int((process / "statm").read_text().split()[1]) * PAGE
    footprint.descriptors = max(footprint.descriptors, len(os.listdir(process / "fd")))
