"""What each version of Milvus can do, known from its version string alone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

Version = tuple[int, int, int]

_LITE = re.compile(r"milvus[_-]?lite-v?(\d+)\.(\d+)(?:\.(\d+))?", re.IGNORECASE)
_SERVER = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?(?![\d.])")


@dataclass(frozen=True, slots=True)
class Features:
    """What can be used on one engine."""

    engine: str
    """Name and version, for messages."""
    lexical: bool = False
    """BM25 functions over analysed text, and with them hybrid search."""
    grouping: bool = False
    """Group-by in searches. Older servers ignore the wish without a word."""
    nullable: bool = False
    """Columns without a value. Not needed here: a missing value is the lowest of its type."""
    half_vectors: bool = False
    """16-bit float vectors."""
    inverted: bool = False
    """Inverted indexes for columns of any type; else a trie for strings and a sorted index for numbers."""
    one_writer: bool = False
    """Nothing in the engine puts concurrent writes to a collection in order."""


class Since(NamedTuple):
    """A feature and the server version that brought it."""

    feature: str
    version: Version
    what: str


SINCE: tuple[Since, ...] = (
    Since("grouping", (2, 4, 0), "one hit per product, found by the engine"),
    Since("half_vectors", (2, 4, 0), "vectors of half the size (float16, bfloat16)"),
    Since("inverted", (2, 4, 0), "inverted indexes for filters"),
    Since("lexical", (2, 5, 0), "full-text search (BM25)"),
    Since("nullable", (2, 5, 0), "columns without a value (not used)"),
)
"""Of the server; Milvus Lite 3 has all but half-size vectors. Documentation shows this table."""


def features_of(version: str) -> Features:
    """What the engine that calls itself `version` can do; a version that can't be read counts as the oldest."""
    if lite := _LITE.search(version):
        return _lite(_numbers(lite))
    server = _SERVER.match(version.strip())
    if server is None:
        return Features(f"Milvus {version.strip() or 'of unknown version'}"[:80])
    numbers = _numbers(server)
    return Features(f"Milvus {_dotted(numbers)}", **{since.feature: numbers >= since.version for since in SINCE})


def _lite(numbers: Version) -> Features:
    return Features(
        f"Milvus Lite {_dotted(numbers)}",
        lexical=True,
        grouping=True,
        nullable=True,
        inverted=True,
        one_writer=True,
    )


def _numbers(match: re.Match[str]) -> Version:
    major, minor, patch = match.groups(default="0")
    return int(major), int(minor), int(patch)


def _dotted(numbers: Version) -> str:
    return ".".join(map(str, numbers))
