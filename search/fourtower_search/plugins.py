"""Finds plugins by name among the entry points of installed packages; the built-in ones are found the same way."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

from fourtower_search.errors import InvalidQuery, Unsupported

Group = Literal["fourtower.rerankers", "fourtower.encoders", "fourtower.detectors"]


def known_plugins(group: Group) -> list[str]:
    """The names in a group, sorted; nothing is imported."""
    return sorted({entry.name for entry in entry_points(group=group)})


def load_plugin(group: Group, name: str) -> Any:
    """What the entry point of this name stands for.

    Raises:
        InvalidQuery: there is none; the message lists those that there are.
        Unsupported: it can't be imported, or several packages claim the name.
    """
    found = {_place(entry): entry for entry in entry_points(group=group, name=name)}
    if not found:
        known = ", ".join(known_plugins(group)) or "none; install a package that brings one"
        raise InvalidQuery(f"There is no plugin {name!r:.80} in {group}. Known: {known}.")
    if len(found) > 1:
        raise Unsupported(
            f"Several packages bring {group} {name!r}: {', '.join(sorted(found))}. Uninstall all but one."
        )
    place, entry = next(iter(found.items()))
    try:
        return entry.load()
    except Exception as error:  # a plugin may fail in any way
        raise Unsupported(
            f"The plugin {name!r} of {group} ({place}) can't be imported: {type(error).__name__}: {error}. "
            "Mend or uninstall it."
        ) from error


def _place(entry: EntryPoint) -> str:
    """The package and what it names; an editable install beside a wheel may list the same thing twice."""
    package = f"package {entry.dist.name}, " if entry.dist else ""
    return f"{package}{entry.value}"
