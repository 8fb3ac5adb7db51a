"""Names the consumer groups that fill generations: each generation has one of its own."""

from __future__ import annotations

import re

from fourtower_search.index.generations import GenerationRecord

_SUFFIX = re.compile(r"\.g\d+$")


def group_of(record: GenerationRecord, group: str) -> str:
    """The group that fills a generation; `group` is that of the settings, which fills those that record none."""
    return record.life.group or first_group(group)


def next_group(group: str, generation: int) -> str:
    """The group that will fill a generation."""
    return f"{first_group(group)}.g{generation}"


def ingester_of(record: GenerationRecord) -> str:
    """The command of the ingester that fills a generation which is not live."""
    group = f" --group {record.life.group}" if record.life.group else ""
    return f"fourtower ingest --generation {record.generation}{group} --no-dead-letters"


def worker_of(record: GenerationRecord) -> str:
    """The command of the worker that fills a generation."""
    return f"fourtower worker --generation {record.generation}"


def first_group(group: str) -> str:
    """The group of the settings; where they name that of a later generation, the one from which its name comes."""
    return _SUFFIX.sub("", group)
