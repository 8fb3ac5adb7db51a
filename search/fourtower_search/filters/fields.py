"""`F`: how filters are written in Python, as in `(F.price < 50) & F.brand.isin(["a", "b"])`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NoReturn

from fourtower_search.errors import InvalidFilter
from fourtower_search.filters.constants import constant, constants, text, texts
from fourtower_search.filters.tree import Between, Comparison, Contains, Exists, Filter, IsIn, Matches

FIELD = re.compile(r"\w{1,64}")
"""Whether the catalog has such an attribute is found out later."""


class Field:
    """An attribute of products; its operators make filters."""

    __slots__ = ("_field",)
    __hash__ = None  # type: ignore[assignment]  # `==` makes a filter, so fields can't be keys

    def __init__(self, name: str) -> None:
        self._field = field_name(name)

    def __eq__(self, value: object) -> Filter:  # type: ignore[override]
        return Comparison(self._field, "==", constant(value))

    def __ne__(self, value: object) -> Filter:  # type: ignore[override]
        return Comparison(self._field, "!=", constant(value))

    def __lt__(self, value: object) -> Filter:
        return Comparison(self._field, "<", constant(value))

    def __le__(self, value: object) -> Filter:
        return Comparison(self._field, "<=", constant(value))

    def __gt__(self, value: object) -> Filter:
        return Comparison(self._field, ">", constant(value))

    def __ge__(self, value: object) -> Filter:
        return Comparison(self._field, ">=", constant(value))

    def between(self, low: object, high: object) -> Filter:
        """From `low` to `high`, both included."""
        return Between(self._field, constant(low), constant(high))

    def isin(self, values: Iterable[object]) -> Filter:
        """Equal to one of these; nothing is in an empty list."""
        return IsIn(self._field, constants(values))

    def exists(self) -> Filter:
        """The product has this attribute."""
        return Exists(self._field)

    def matches(self, words: str) -> Filter:
        """All of these words occur, in any order; for `title` and searchable attributes."""
        return Matches(self._field, text(words))

    def contains(self, item: str) -> Filter:
        """This string is among an attribute's several strings."""
        return Contains(self._field, (text(item),), "all")

    def contains_all(self, items: Iterable[str]) -> Filter:
        """All of these are; any attribute that exists has all of none."""
        return _contains(self._field, texts(items), all_needed=True)

    def contains_any(self, items: Iterable[str]) -> Filter:
        """At least one of these is."""
        return _contains(self._field, texts(items), all_needed=False)

    def __repr__(self) -> str:
        return f"F[{self._field!r}]"

    def _refuse(self, _other: object = None) -> NoReturn:
        raise InvalidFilter(
            f"{self._field} alone is no filter; compare it, each comparison in parentheses: "
            f"(F.{self._field} == ...) & (...)."
        )

    # Without these, `F.a > 1 & F.b > 2` would end in a riddle.
    __and__ = __rand__ = __or__ = __ror__ = __invert__ = __bool__ = _refuse


class Fields:
    """Every attribute by its name: `F.price`, or `F["price"]`."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Field:
        if name.startswith("_"):
            raise AttributeError(f"F has no attribute {name}; write F[{name!r}] if the catalog has it.")
        return Field(name)

    def __getitem__(self, name: str) -> Field:
        return Field(name)

    def __repr__(self) -> str:
        return "F"


F = Fields()


def field_name(name: object) -> str:
    """A name that an attribute could have.

    Raises:
        InvalidFilter: it could not.
    """
    if not isinstance(name, str) or not FIELD.fullmatch(name):
        raise InvalidFilter(f"{name!r:.60} is no name of an attribute; names are letters, digits and _.")
    return name


def _contains(field: str, items: tuple[str, ...], *, all_needed: bool) -> Filter:
    # One item has one form, however it was written, so that equal filters are equal trees.
    return Contains(field, items, "all" if all_needed or len(items) == 1 else "any")
