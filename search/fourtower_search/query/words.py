"""Minus-words: `shoes -leather -"dark red"` asks for shoes and moves away from leather and from dark red."""

from __future__ import annotations

import re
from typing import NamedTuple

from fourtower_search.errors import InvalidQuery
from fourtower_search.query.parts import MAX_TEXT, Text

MINUS_WEIGHT = -1.0
"""Of a minus-word, where the words themselves weigh 1. On photos of a drawn catalog with one thing unwanted, Hit@1 was
0.42 with -0.5, 0.62 with -1, and 0.57 with -1.5."""

_MINUS = re.compile(
    r"""
    (?<!\S)-                                # one hyphen where a word could begin
    (?: "(?P<phrase>[^"]*[^"\s][^"]*)(?:"|$)  # a phrase; one that is never closed goes on to the end
      | (?P<word>[^\W\d]\S*) )              # a word: it starts with a letter, so `-15` stays a number
    """,
    re.VERBOSE,
)


class Words(NamedTuple):
    """A string taken apart."""

    positive: str
    """Everything but the minus-words, single spaces between; may be empty."""
    negative: tuple[str, ...]
    """Words and phrases without their minus and quotes."""


def split_words(text: str) -> Words:
    """Tell the minus-words of a string from the rest.

    A hyphen inside a word (`t-shirt`), a lone one, a double one, and one before a digit (`-15 °C`) are no minus;
    `-"15"` is.
    """
    negative = tuple(_spaced(found["phrase"] or found["word"]) for found in _MINUS.finditer(text))
    return Words(_spaced(_MINUS.sub(" ", text)), negative)


def text_parts(text: str, weight: float = 1.0, *, alone: bool = True) -> tuple[Text, ...]:
    """The parts that a string becomes: its words first, then what to move away from.

    Args:
        text: what a person typed.
        weight: of its words; each minus-word gets `MINUS_WEIGHT` times this.
        alone: the query has no other part, so there must be something positive.

    Raises:
        InvalidQuery: nothing to look for, or too much.
    """
    if len(text) > MAX_TEXT:
        raise InvalidQuery(f"The query has {len(text):,} characters; {MAX_TEXT:,} are allowed.")
    words = split_words(text)
    if alone and not words.positive:
        raise InvalidQuery(_nothing(words))
    positive = (Text(words.positive, weight),) if words.positive else ()
    return (*positive, *(Text(word, MINUS_WEIGHT * weight) for word in words.negative))


def _nothing(words: Words) -> str:
    if words.negative:
        return f"The query only says what it should not be ({', '.join(words.negative):.60}); add what to look for."
    return "The query is empty; say what to look for."


def _spaced(text: str) -> str:
    return " ".join(text.split())
