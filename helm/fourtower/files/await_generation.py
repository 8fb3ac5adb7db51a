"""Waits until a generation is recorded and its consumers' first offsets are noted; run before its ingester and workers.

An ingester that reads earlier would keep `fourtower reindex start` from noting where its group begins.
"""

import signal
import sys
import time
from contextlib import closing

from fourtower_search.errors import SearchError
from fourtower_workers.assignment import generations_of
from fourtower_workers.settings import WorkerSettings

EVERY_S = 5
SAY_EVERY_S = 60


def why_not(settings: WorkerSettings) -> str:
    """What is missing; nothing once the generation may be filled."""
    try:
        with closing(generations_of(settings)) as generations:
            records = generations.records(timeout_s=settings.open_timeout_s)
            live = generations.current(timeout_s=settings.open_timeout_s)
    except SearchError as error:
        return str(error)
    found = next((record for record in records if record.generation == settings.generation), None)
    if found is None:
        return f"Generation {settings.generation} of {settings.alias} does not exist yet."
    was_live = live is not None and found.generation <= live.generation
    return "" if was_live or found.life.seeding is not None else "The generation is being created."


def main() -> None:
    """Look again and again."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # to the first process of a container it means nothing else
    settings = WorkerSettings()
    said = float("-inf")
    while problem := why_not(settings):
        if time.monotonic() - said > SAY_EVERY_S:
            said = time.monotonic()
            print(f"{problem} Waiting; `fourtower reindex start` creates it.", flush=True)
        time.sleep(EVERY_S)
    print(f"Generation {settings.generation} of {settings.alias} is there.", flush=True)


main()
