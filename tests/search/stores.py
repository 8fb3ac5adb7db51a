"""Stores that lack something or note something, each around a real one."""

from __future__ import annotations

from dataclasses import replace

from tests.search.index.faults import Wrapped

from fourtower_search.errors import IndexUnavailable


class WithoutWords(Wrapped):
    """An engine without full-text search."""

    def __init__(self, store):
        super().__init__(store)
        self.capabilities = replace(store.capabilities, engine="Milvus 2.3.5", lexical=False)


class Counting(Wrapped):
    """Notes every search: how many queries it had, and how many rows it asked for."""

    def __init__(self, store):
        super().__init__(store)
        self.searches, self.lookups = [], 0

    def search(self, vectors, where, *, limit, **how):
        self.searches.append((len(vectors), limit))
        return self.inner.search(vectors, where, limit=limit, **how)

    def lexical(self, words, where, **how):
        self.lookups += 1
        return self.inner.lexical(words, where, **how)


class Frozen(Wrapped):
    """An engine that lets every read's time pass."""

    def _hang(self, timeout_s):
        raise IndexUnavailable(f"Milvus did not answer within {timeout_s:g} s.")

    def search(self, vectors, where, *, timeout_s, **how):
        self._hang(timeout_s)

    def lexical(self, words, where, *, timeout_s, **how):
        self._hang(timeout_s)

    def rows(self, where, *, timeout_s, **how):
        self._hang(timeout_s)

    def keys(self, where, *, timeout_s, **how):
        self._hang(timeout_s)

    def count(self, where, *, timeout_s, **how):
        self._hang(timeout_s)
