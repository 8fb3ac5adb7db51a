"""A process that searches all the time, as a shop does, and writes down what it got and how long that took.

`python -m tests.faults.searcher HISTORY ORIGIN INDEX ALIAS`
"""

from __future__ import annotations

import random
import signal
import sys
import threading
import time
from pathlib import Path

from tests.faults.history import History
from tests.stream.generator import COLOURS, KINDS

from fourtower_search import F, SearchClient
from fourtower_search.errors import SearchError

EVERY_S = 0.3
TIMEOUT_S = 3.0
LIMIT = 20


def main() -> None:
    """Search until told to end."""
    path, origin, index, alias = sys.argv[1:]
    ending = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    history = History(Path(path), origin=float(origin))
    chance = random.Random(0)
    client = opened(index, alias, ending)
    while client is not None and not ending.wait(EVERY_S):
        began = time.monotonic()
        try:
            kind = chance.choice(KINDS)
            where = F.category == kind if chance.random() < 0.5 else None
            result = client.search(f"{chance.choice(COLOURS)} {kind}", where=where, limit=LIMIT)
            facts = {"ok": True, "ids": [hit.product_id for hit in result]}
        except SearchError as error:
            facts = {"ok": False, "error": type(error).__name__, "message": str(error)}
        facts |= {"began": round(began - history.origin, 3), "ms": round((time.monotonic() - began) * 1000, 1)}
        history.note("searcher", "search", **facts)


def opened(index: str, alias: str, ending: threading.Event) -> SearchClient | None:
    """A client, as soon as the index can be opened; None if there is to be none."""
    while not ending.is_set():
        try:
            return SearchClient(index, alias=alias, timeout_s=TIMEOUT_S)
        except SearchError:
            ending.wait(EVERY_S)
    return None


if __name__ == "__main__":
    main()
