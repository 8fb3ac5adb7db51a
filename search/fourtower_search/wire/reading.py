"""Reads decoded JSON of a service, value by value: what has another type than it should is refused by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from fourtower_search.errors import IndexMismatch

_T = TypeVar("_T")
_LARGEST = 2**63


def as_object(value: Any, name: str) -> dict[str, Any]:
    """An object of JSON."""
    if type(value) is not dict:
        raise unfit(name, "an object")
    return value


def as_list(value: Any, name: str) -> list[Any]:
    """A list."""
    if type(value) is not list:
        raise unfit(name, "a list")
    return value


def as_text(value: Any, name: str) -> str:
    """Text."""
    if type(value) is not str:
        raise unfit(name, "text")
    return value


def as_integer(value: Any, name: str) -> int:
    """A whole number of 64 bits."""
    if type(value) is not int or not -_LARGEST <= value < _LARGEST:
        raise unfit(name, "a whole number")
    return value


def as_number(value: Any, name: str) -> float:
    """A finite number; JSON may say 1 for 1.0."""
    if type(value) is float and math.isfinite(value):
        return value
    return float(as_integer(value, name))


def as_bool(value: Any, name: str) -> bool:
    """True or false."""
    if type(value) is not bool:
        raise unfit(name, "true or false")
    return value


def optional(value: Any, name: str, read: Callable[[Any, str], _T]) -> _T | None:
    """A value, or null, which is as good as none."""
    return None if value is None else read(value, name)


def texts(value: Any, name: str) -> tuple[str, ...]:
    """A list of texts."""
    return tuple([as_text(each, name) for each in as_list(value, name)])


def numbers(value: Any, name: str) -> dict[str, float]:
    """Numbers by name."""
    return {key: as_number(each, name) for key, each in as_object(value, name).items()}


def chosen(value: Any, name: str, known: Mapping[str, _T] | frozenset[str]) -> str:
    """One of some words."""
    word = as_text(value, name)
    if word not in known:
        raise unfit(name, "a word that is known here")
    return word


def unfit(name: str, expected: str) -> IndexMismatch:
    """What is raised for a value of another kind."""
    return IndexMismatch(
        f"The service's answer can't be read: {name} is not {expected}. "
        "Use the same version of Fourtower on both sides."
    )
