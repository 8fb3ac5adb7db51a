"""Cuts the text form of a filter into names, values and signs, each with its position."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from fourtower_search.errors import InvalidFilter

MAX_TEXT = 100_000
KEYWORDS = frozenset({"and", "or", "not", "in", "between", "exists", "matches", "contains", "true", "false"})
"""In any case; an attribute of such a name is written in backticks."""

Kind = Literal["name", "quoted", "keyword", "sign", "number", "string", "end"]
_TOKEN = re.compile(
    r"""
    (?P<space>\s+)
    | (?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?!\w))
    | (?P<name>[^\W\d]\w*)
    | `(?P<quoted>\w+)`
    | (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<sign>==|!=|<=|>=|[<>=(),])
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "/": "/", "\\": "\\", '"': '"', "'": "'"}


class Token(NamedTuple):
    """A piece of the text."""

    kind: Kind
    text: str
    """Of a string what it stands for, of a keyword its lower-case form, of a quoted name the name."""
    column: int
    """From 1."""

    def __str__(self) -> str:
        return "the end" if self.kind == "end" else f"{self.text!r:.40}"


def tokens(text: str) -> Iterator[Token]:
    """All pieces of a text, at last one that marks its end.

    Raises:
        InvalidFilter: something is neither name, value nor sign.
    """
    if len(text) > MAX_TEXT:
        raise InvalidFilter(f"The filter is {len(text):,} characters long; {MAX_TEXT:,} are possible.")
    position = 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            raise fault(position + 1, _unreadable(text[position]))
        if found.lastgroup != "space":
            yield _token(found)
        position = found.end()
    yield Token("end", "", len(text) + 1)


def fault(column: int, problem: str) -> InvalidFilter:
    """What is wrong, and where."""
    return InvalidFilter(f"Column {column}: {problem}.")


def _token(found: re.Match[str]) -> Token:
    column = found.start() + 1
    match found.lastgroup:
        case "name":
            lower = found["name"].lower()
            return Token("keyword", lower, column) if lower in KEYWORDS else Token("name", found["name"], column)
        case "quoted":
            return Token("quoted", found["quoted"], column)
        case "number":
            return Token("number", found["number"], column)
        case "sign":
            return Token("sign", found["sign"], column)
        case _:
            return Token("string", _unescaped(found["string"], column), column)


def _unescaped(literal: str, column: int) -> str:
    def meaning(escape: re.Match[str]) -> str:
        code = escape[1]
        if len(code) > 1:
            return chr(int(code[1:], 16))
        if code not in _ESCAPED:
            raise fault(column + 1 + escape.start(), rf"\{code} has no meaning in a text; write a backslash as \\")
        return _ESCAPED[code]

    return _ESCAPE.sub(meaning, literal[1:-1])


def _unreadable(character: str) -> str:
    if character in "\"'":
        return f"the text that begins here has no closing {character}"
    if character in "&|!~":
        return f"{character} is not used here; write and, or, not"
    if character.isdigit():
        return "a number ends in a letter; a text is written in quotes"
    return f"{character!r} is not expected here"
