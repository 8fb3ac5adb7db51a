"""A small inverted index that ranks texts by BM25, for the in-memory store."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator

K1, B = 1.2, 0.75
_WORD = re.compile(r"\w+")


def tokens(text: str) -> list[str]:
    """The words of a text as they are compared, repetitions included."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


class Bm25:
    """Texts under keys; not safe to share between threads."""

    def __init__(self) -> None:
        self._postings: dict[str, dict[str, int]] = defaultdict(dict)
        self._texts: dict[str, Counter[str]] = {}
        self._lengths: dict[str, int] = {}
        self._total = 0

    def put(self, key: str, text: str) -> None:
        """Add or replace a text; one without words is left out."""
        self.remove(key)
        words = Counter(tokens(text))
        if not words:
            return
        self._texts[key] = words
        self._lengths[key] = words.total()
        self._total += words.total()
        for word, times in words.items():
            self._postings[word][key] = times

    def remove(self, key: str) -> None:
        """Forget a text; an unknown key is no error."""
        words = self._texts.pop(key, None)
        if words is None:
            return
        self._total -= self._lengths.pop(key)
        for word in words:
            del self._postings[word][key]
            if not self._postings[word]:
                del self._postings[word]

    def ranked(self, words: str) -> Iterator[tuple[str, float]]:
        """Keys of all texts that share a word with the query, best first; equal scores by key."""
        scores: dict[str, float] = defaultdict(float)
        for word in sorted(set(tokens(words))):
            for key, times in self._postings.get(word, {}).items():
                scores[key] += self._weight(word) * self._saturation(times, self._lengths[key])
        yield from sorted(scores.items(), key=lambda item: (-item[1], item[0]))

    def _weight(self, word: str) -> float:
        found = len(self._postings[word])
        return math.log(1 + (len(self._texts) - found + 0.5) / (found + 0.5))

    def _saturation(self, times: int, length: int) -> float:
        average = self._total / len(self._texts)
        return times * (K1 + 1) / (times + K1 * (1 - B + B * length / average))
