"""Remembers the embeddings of recent queries, within a bound of bytes; the least recently used go first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
OVERHEAD = 400
"""Bytes that an entry takes beside its numbers: key, array header, the table's own."""


class CacheStats(NamedTuple):
    """How a cache has done."""

    hits: int
    misses: int
    entries: int
    bytes: int


class EmbeddingCache:
    """Embeddings by key, safe to use from several threads; what it gives must not be changed."""

    def __init__(self, max_bytes: int = 64_000_000) -> None:
        """Set the bound; 0 remembers nothing."""
        self._max_bytes = max_bytes
        self._entries: OrderedDict[bytes, Array] = OrderedDict()
        self._bytes = self._hits = self._misses = 0
        self._lock = threading.Lock()

    def get(self, key: bytes) -> Array | None:
        """What is stored under a key."""
        with self._lock:
            found = self._entries.get(key)
            if found is None:
                self._misses += 1
            else:
                self._hits += 1
                self._entries.move_to_end(key)
            return found

    def put(self, key: bytes, embedding: Array) -> None:
        """Store a copy, unless it is larger than the whole cache."""
        size = embedding.nbytes + OVERHEAD
        if size > self._max_bytes:
            return
        copy = embedding.copy()
        copy.flags.writeable = False
        with self._lock:
            if key in self._entries:
                return
            self._entries[key] = copy
            self._bytes += size
            while self._bytes > self._max_bytes:
                _, oldest = self._entries.popitem(last=False)
                self._bytes -= oldest.nbytes + OVERHEAD

    def stats(self) -> CacheStats:
        """Hits and misses so far, and what is stored now."""
        with self._lock:
            return CacheStats(self._hits, self._misses, len(self._entries), self._bytes)
