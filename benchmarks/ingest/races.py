"""Races of the whole way through Fourtower against what one part of it could do alone, in turns, in one run."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import count
from types import TracebackType
from typing import Any, Self

from benchmarks.encode.pictures import repeated
from benchmarks.ingest.processes import frozen
from benchmarks.ingest.shop import Line
from benchmarks.race import Race, in_turns


class Bare:
    """The process that does the bare side's work; it waits, loaded, while we have our turn."""

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "benchmarks.ingest.bare"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()  # which closes its pipes, too

    def seconds(self, work: str, **request: Any) -> float:
        """Have something done."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"work": work, **request}) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"The bare side of {work} failed; its error stands above.")
        return float(json.loads(answer)["seconds"])


def race_new(line: Line, bare: Bare, products: int) -> Race:
    """New products with a picture each, fetched from the slow host, against embedding the same files."""
    prefixes = (f"new{number}-" for number in count())
    files = [str(file) for file in repeated(line.servers.files, products)]

    def ours() -> float:
        prefix = next(prefixes)
        return line.time_through(line.lines(line.shop.event(number, 1, prefix) for number in range(products)))

    def alone() -> float:
        with frozen(line.worker, *line.ingesters):
            return bare.seconds("embed", model=str(line.model), files=files, batch=line.settings.pictures_per_run)

    return in_turns(products, ours, alone, line.settings.rounds)


def race_price(line: Line, bare: Bare) -> Race:
    """New prices from Kafka until they are verified, against raw upserts of the same rows on the same server."""
    settings = line.settings
    starts = count(2, settings.price_versions)  # the bare side has an index of its own

    def ours() -> float:
        return line.time_through(line.lines(line.prices(settings.price_versions)))

    def alone() -> float:
        with frozen(line.worker, *line.ingesters):
            return bare.seconds(
                "upsert",
                address=line.servers.index,
                alias=line.raw_alias,
                pictures=line.servers.pictures,
                products=settings.products,
                first_version=next(starts),
                versions=settings.price_versions,
                batch=settings.batch,
            )

    return in_turns(settings.products * settings.price_versions, ours, alone, settings.rounds)


def race_stale(line: Line, bare: Bare) -> Race:
    """Events that come again, and older ones, against a bare loop that only reads them."""
    settings = line.settings
    again = [event for _ in range(settings.stale_repeats) for event in line.repeated_prices(settings.price_versions)]
    items, lines = len(again), line.lines(again)
    starts = line.ends()

    def ours() -> float:
        starts.update(line.ends())
        return line.time_through(lines)

    def alone() -> float:
        where = {str(partition.number): starts.get(partition, 0) for partition in line.ends()}
        with frozen(line.worker, *line.ingesters):
            return bare.seconds(
                "poll", bootstrap=line.servers.broker.bootstrap, topic=line.topic, starts=where, count=items
            )

    return in_turns(items, ours, alone, settings.rounds)
