"""Filters as text: `price < 50 and brand in ("a", "b") and not title matches "red leather"`.

    or          = and {"or" and}
    and         = unary {"and" unary}
    unary       = {"not"} ("(" or ")" | comparison)
    comparison  = name [sign value | "between" value "and" value | ["not"] "in" list | "exists"
                  | "matches" string | "contains" (string | ("all" | "any") list)]
    list        = "(" [value {"," value}] ")"

A name alone stands for `name == true`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn, TypeVar

from fourtower_search.filters.constants import Constant, constant
from fourtower_search.filters.fields import F, Field
from fourtower_search.filters.tokens import Kind, Token, fault, tokens
from fourtower_search.filters.tree import MAX_DEPTH, Comparison, Filter, all_of, any_of, check_size
from fourtower_search.index.conditions import Operator

_SIGNS: dict[str, Operator] = {"=": "==", "==": "==", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_LONGEST_NUMBER = 400
"""Digits; more would take long to read, and no column holds them."""
One = TypeVar("One", str, Constant)


def from_text(text: str) -> Filter:
    """Read the text form.

    Raises:
        InvalidFilter: what was expected instead, and in which column.
    """
    where = _Parser(list(tokens(text))).whole()
    check_size(where)
    return where


class _Parser:
    def __init__(self, found: list[Token]) -> None:
        self._tokens = found
        self._at = 0
        self._depth = 0

    def whole(self) -> Filter:
        where = self._or()
        if self._next.kind != "end":
            self._fail("expected and, or, or the end")
        return where

    def _or(self) -> Filter:
        parts = [self._and()]
        while self._took("keyword", "or"):
            parts.append(self._and())
        return any_of(*parts)

    def _and(self) -> Filter:
        parts = [self._unary()]
        while self._took("keyword", "and"):
            parts.append(self._unary())
        return all_of(*parts)

    def _unary(self) -> Filter:
        negated = False
        while self._took("keyword", "not"):
            negated = not negated
        where = self._group() if self._took("sign", "(") else self._comparison()
        return ~where if negated else where

    def _group(self) -> Filter:
        if self._depth == MAX_DEPTH:
            raise fault(self._last.column, f"more than {MAX_DEPTH} parentheses inside each other")
        self._depth += 1
        where = self._or()
        self._depth -= 1
        self._need("sign", ")", "expected and, or, or )")
        return where

    def _comparison(self) -> Filter:
        name = self._next
        if name.kind not in ("name", "quoted"):
            after = f" after {self._last}" if self._at else ""
            self._fail(f"expected the name of an attribute{after}")
        self._at += 1
        return self._said_of(F[name.text], name.text)

    def _said_of(self, field: Field, name: str) -> Filter:
        token = self._next
        if token.kind == "sign" and token.text in _SIGNS:
            self._at += 1
            return Comparison(name, _SIGNS[token.text], self._value())
        if self._took("keyword", "not"):
            self._need("keyword", "in", "expected in")
            return ~field.isin(self._list(self._value))
        if token.kind != "keyword" or token.text not in ("between", "in", "exists", "matches", "contains"):
            return Comparison(name, "==", True)
        self._at += 1
        return self._said_with(token.text, field)

    def _said_with(self, word: str, field: Field) -> Filter:
        match word:
            case "between":
                low = self._value()
                self._need("keyword", "and", "expected and between the ends of the range")
                return field.between(low, self._value())
            case "in":
                return field.isin(self._list(self._value))
            case "exists":
                return field.exists()
            case "matches":
                return field.matches(self._string())
        return self._contains(field)

    def _contains(self, field: Field) -> Filter:
        if self._took("name", "all"):
            return field.contains_all(self._list(self._string))
        if self._took("name", "any"):
            return field.contains_any(self._list(self._string))
        return field.contains(self._string())

    def _list(self, one: Callable[[], One]) -> list[One]:
        self._need("sign", "(", "expected a list like (1, 2)")
        if self._took("sign", ")"):
            return []
        found = [one()]
        while self._took("sign", ","):
            found.append(one())
        self._need("sign", ")", "expected , or )")
        return found

    def _value(self) -> Constant:
        token = self._next
        if token.kind == "string":
            return constant(self._string())
        if token.kind == "keyword" and token.text in ("true", "false"):
            self._at += 1
            return token.text == "true"
        if token.kind != "number":
            self._fail(f"expected a value after {self._last}", hint=_quotes(token))
        self._at += 1
        return _number(token)

    def _string(self) -> str:
        token = self._next
        if token.kind != "string":
            self._fail(f"expected a text in quotes after {self._last}", hint=_quotes(token))
        self._at += 1
        return token.text

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    @property
    def _last(self) -> Token:
        return self._tokens[self._at - 1]

    def _took(self, kind: Kind, text: str) -> bool:
        token = self._next
        found = token.kind == kind and token.text == text
        self._at += found
        return found

    def _need(self, kind: Kind, text: str, expected: str) -> None:
        if not self._took(kind, text):
            self._fail(expected)

    def _fail(self, expected: str, *, hint: str = "") -> NoReturn:
        raise fault(self._next.column, f"{expected}, not {self._next}{hint}")


def _number(token: Token) -> Constant:
    if len(token.text) > _LONGEST_NUMBER:
        raise fault(token.column, f"a number of {len(token.text)} digits")
    if token.text.removeprefix("-").isdigit():
        return int(token.text)
    return constant(float(token.text))


def _quotes(token: Token) -> str:
    return f'; a text is written in quotes: "{token.text}"' if token.kind in ("name", "quoted") else ""
