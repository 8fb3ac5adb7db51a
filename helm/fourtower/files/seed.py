"""Creates a generation and fills it from the live one, unless that was done; its arguments are those of `start`.

Run again at any time: `fourtower reindex start` goes on where it was interrupted.
"""

import signal
import subprocess
import sys
from contextlib import closing

from fourtower_workers.assignment import generations_of
from fourtower_workers.settings import WorkerSettings


def state(settings: WorkerSettings) -> str:
    """`done`, `missing` or `unfinished`."""
    with closing(generations_of(settings)) as generations:
        records = generations.records(timeout_s=settings.open_timeout_s)
        live = generations.current(timeout_s=settings.open_timeout_s)
    found = next((record for record in records if record.generation == settings.generation), None)
    if found is None:
        return "missing"
    if live is not None and found.generation <= live.generation:
        return "done"
    return "done" if found.life.seeding is not None and found.life.seeding.done else "unfinished"


def main() -> int:
    """The exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # to the first process of a container it means nothing else
    settings = WorkerSettings()
    name = f"Generation {settings.generation} of {settings.alias}"
    if state(settings) == "done":
        print(f"{name} is filled already.")
        return 0
    command = ["fourtower", "reindex", "start", *sys.argv[1:]]
    code = subprocess.run(command, check=False).returncode  # noqa: S603  the chart's own options
    if state(settings) == "missing":
        print(
            f"{name} was not created: a new generation has the number after the highest one that ever was, which "
            "stands above. Give it that name (g and the number) in the values' `generations`, or drop it again.",
            file=sys.stderr,
        )
        return 1
    return code


sys.exit(main())
