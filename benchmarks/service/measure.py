"""Measures the service beside the SDK, in turns, and then asks too much of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.cores import REST, WORKER
from benchmarks.service.queries import draw_catalog, queries
from benchmarks.service.settings import Kind, Settings
from benchmarks.service.sides import Side

TARGETS = {"service_vs_sdk_rps": 0.8, "overload_p99_ratio": 5.0}
AT_MOST = ("overload_p99_ratio",)
KINDS: tuple[Kind, ...] = ("text", "image")
COMPARED = 8
"""Clients of the figures."""
Found = dict[str, Any]
Say = Callable[[str], None]


@dataclass
class Cell:
    """What every side showed for one kind of query and so many clients, turn by turn."""

    kind: Kind
    clients: int
    turns: dict[str, list[Found]] = field(default_factory=dict)

    def ratio(self, ours: str, other: str = "sdk") -> float:
        """Our answers per second as a share of another side's: the median round, each of which has both."""
        pairs = zip(self.turns[ours], self.turns[other], strict=True)
        return float(median(mine["per_s"] / theirs["per_s"] for mine, theirs in pairs))

    def summary(self) -> Found:
        """Medians over rounds, by side."""
        names = ("per_s", "p50_ms", "p95_ms", "p99_ms")
        sides = {
            side: {name: median(turn[name] for turn in turns) for name in names} for side, turns in self.turns.items()
        }
        return {"kind": self.kind, "clients": self.clients, "sides": sides}


class Sides:
    """All processes of one run; each index is a copy, because a file of Milvus Lite belongs to one process."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self._folder, self._settings = folder, settings
        self._open = ExitStack()

    def __enter__(self) -> Sides:
        catalog = self._folder / "catalog"
        draw_catalog(catalog, self._settings.products)
        db = _index(catalog, self._folder / "products.db")
        asked = {kind: queries(catalog, kind, self._settings.queries) for kind in KINDS}
        self._sdk = self._started("sdk", WORKER, db=self._copy(db, "sdk"), queries=asked)
        self._callers = self._started("callers", REST, queries=asked)
        self._ports = {
            name: self._started("service", WORKER, db=self._copy(db, name), batch=batch).ready["port"]
            for name, batch in (("service", self._settings.batch), ("unbatched", 1))
        }
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def turn(self, side: str, kind: Kind, clients: int, *, seconds: float) -> Found:
        """Some clients ask one side, one thing after the other."""
        order = {"kind": kind, "clients": clients, "seconds": seconds}
        return self._sdk.tell(**order) if side == "sdk" else self._callers.tell(port=self._ports[side], **order)

    def overload(self, per_s: float) -> Found:
        """Ask the service more than it can answer."""
        settings = self._settings
        order = {
            "per_s": per_s,
            "callers": settings.callers,
            "seconds": settings.overload_s,
            "settle_s": settings.settle_s,
        }
        return self._callers.tell(port=self._ports["service"], kind="text", **order)

    def _started(self, role: str, core: int, **facts: Any) -> Side:
        return self._open.enter_context(Side(role, core, **facts))

    def _copy(self, db: Path, name: str) -> str:
        copy = self._folder / f"{name}.db"
        (shutil.copytree if db.is_dir() else shutil.copy)(db, copy)
        return str(copy)


def measure(folder: Path, settings: Settings, say: Say) -> Found:
    """Everything, as details of the result file."""
    with Sides(folder, settings) as sides:
        cells = [_cell(sides, kind, clients, settings) for kind in KINDS for clients in settings.clients]
        for cell in cells:
            say(f"{cell.kind}, {cell.clients} clients: {cell.ratio('service'):.3f} of the SDK's answers per second")
        return {"cells": [_details(cell) for cell in cells], "overload": _overload(sides, cells, settings)}


def _cell(sides: Sides, kind: Kind, clients: int, settings: Settings) -> Cell:
    cell = Cell(kind, clients, {"sdk": [], "service": [], "unbatched": []})
    for side in cell.turns:
        sides.turn(side, kind, clients, seconds=min(1.0, settings.seconds))  # to warm up
    for number in range(settings.rounds):
        for side in list(cell.turns)[:: -1 if number % 2 else 1]:
            cell.turns[side].append(sides.turn(side, kind, clients, seconds=settings.seconds))
    return cell


def _details(cell: Cell) -> Found:
    return {
        **cell.summary(),
        "service_vs_sdk": cell.ratio("service"),
        "unbatched_vs_sdk": cell.ratio("unbatched"),
        "batched_vs_unbatched": cell.ratio("service", "unbatched"),
    }


def _overload(sides: Sides, cells: list[Cell], settings: Settings) -> Found:
    """The accepted ones' slowest answers, compared with one caller's alone; what the service can do is known by now."""
    texts = [cell for cell in cells if cell.kind == "text"]
    capacity = max(cell.summary()["sides"]["service"]["per_s"] for cell in texts)
    alone = min(texts, key=lambda cell: cell.clients).summary()["sides"]["service"]["p99_ms"]
    found = sides.overload(settings.overload * capacity)
    return {**found, "capacity_per_s": capacity, "offered_per_s": settings.overload * capacity, "alone_p99_ms": alone}


def figures(details: Mapping[str, Any]) -> dict[str, float]:
    """What has targets, and what stands beside it."""
    cells = {(cell["kind"], cell["clients"]): cell for cell in details["cells"]}
    most = max(clients for _, clients in cells)
    compared = COMPARED if ("text", COMPARED) in cells else most
    overload = details["overload"]
    return dict(_ratios(cells, compared, most)) | {
        "overload_p99_ratio": overload["p99_ms"] / overload["alone_p99_ms"],
        "overload_answered_share": overload["per_s"] / overload["capacity_per_s"],
    }


def _ratios(cells: Mapping[tuple[str, int], Found], compared: int, most: int) -> Iterator[tuple[str, float]]:
    yield "service_vs_sdk_rps", min(cells[kind, compared]["service_vs_sdk"] for kind in KINDS)
    for kind in KINDS:
        yield f"service_vs_sdk_rps_{kind}", cells[kind, compared]["service_vs_sdk"]
        yield f"batched_vs_unbatched_{kind}_{most}", cells[kind, most]["batched_vs_unbatched"]


def _index(catalog: Path, db: Path) -> Path:
    from fourtower_encoders.embedder import Embedder
    from fourtower_workers import demonstration

    with Embedder.load("demo", runtime="onnx") as embedder:
        demonstration.index(catalog, db, embedder, progress=lambda _: None)
    return db
