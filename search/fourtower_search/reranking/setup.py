"""What a plugin that re-ranks is given, and how re-rankers are opened by their plugins' names."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from fourtower_search.errors import InvalidQuery, SearchError, Unsupported
from fourtower_search.plugins import known_plugins, load_plugin
from fourtower_search.ranking.rerank import Reranker
from fourtower_search.schema import CatalogSchema

GROUP: Final = "fourtower.rerankers"


@dataclass(frozen=True, slots=True)
class RerankerSetup:
    """Where a re-ranker will work."""

    name: str
    """Of the plugin, for messages."""
    model_id: str
    """Of the towers whose embeddings the index holds."""
    schema: CatalogSchema
    options: Mapping[str, str] = field(default_factory=dict)

    def option(self, name: str) -> str:
        """An option that must be given.

        Raises:
            InvalidQuery: it is not.
        """
        if name not in self.options:
            raise InvalidQuery(f"The re-ranker {self.name!r} needs the option {name!r}; pass it where you name it.")
        return self.options[name]


def named_reranker(named: str | None) -> tuple[str | None, dict[str, dict[str, str]]]:
    """What a command line means: a plugin's name, or the file of a learned model; the name, and the plugins' options.

    A learned model is opened by the plugin `listwise`.
    """
    if named is None or not named.endswith(".json"):
        return named, {}
    return "listwise", {"listwise": {"path": named}}


RerankerFactory = Callable[[RerankerSetup], Reranker]
"""What an entry point of the group `fourtower.rerankers` names."""


class InstalledRerankers(Mapping[str, Reranker]):
    """All plugins that re-rank, by name; each is opened when it is first asked for, and then kept.

    Threads may share it.
    """

    def __init__(
        self, model_id: str, schema: CatalogSchema, *, options: Mapping[str, Mapping[str, str]] | None = None
    ) -> None:
        """Nothing is opened yet.

        Args:
            model_id: of the towers whose embeddings the index holds.
            schema: of the catalog.
            options: for plugins that need some, by name.
        """
        self._model_id, self._schema, self._options = model_id, schema, options or {}
        self._opened: dict[str, Reranker] = {}
        self._lock = threading.Lock()

    def __getitem__(self, name: str) -> Reranker:
        """Open a plugin, or take the opened one.

        Raises:
            KeyError: there is no plugin of this name.
            InvalidQuery: an option is missing.
            Unsupported: the plugin can't be used as it is installed.
            IndexMismatch: the re-ranker does not belong to this model or catalog.
        """
        with self._lock:
            if name not in self._opened:
                self._opened[name] = self._open(name)
            return self._opened[name]

    def _open(self, name: str) -> Reranker:
        if name not in self._names:
            raise KeyError(name)
        return open_reranker(RerankerSetup(name, self._model_id, self._schema, self._options.get(name, {})))

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    @cached_property
    def _names(self) -> tuple[str, ...]:
        """Whoever asks for the facts of an index asks for these; what is installed is looked for once."""
        return tuple(known_plugins(GROUP))


class Rerankers(Mapping[str, Reranker]):
    """Re-rankers that were given, before those that are installed; only the one that is asked for is opened."""

    def __init__(self, given: Mapping[str, Reranker], installed: Mapping[str, Reranker]) -> None:
        self._given, self._installed = given, installed

    def __getitem__(self, name: str) -> Reranker:
        """One of either."""
        return self._given[name] if name in self._given else self._installed[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted({*self._given, *self._installed}))

    def __len__(self) -> int:
        return len({*self._given, *self._installed})


def open_reranker(setup: RerankerSetup) -> Reranker:
    """Open one plugin.

    Raises:
        InvalidQuery: there is no plugin of this name, or an option is missing.
        Unsupported: the plugin can't be used as it is installed.
        IndexMismatch: the re-ranker does not belong to this model or catalog.
    """
    factory = load_plugin(GROUP, setup.name)
    try:
        reranker = factory(setup)
    except SearchError:
        raise
    except Exception as error:  # a plugin may fail in any way
        raise Unsupported(
            f"The re-ranker {setup.name!r} can't be opened: {type(error).__name__}: {error}. Its entry point must "
            "name a function that takes a RerankerSetup and returns a re-ranker."
        ) from error
    if not callable(reranker):
        raise Unsupported(
            f"The re-ranker {setup.name!r} is {type(reranker).__name__!r}, which can't be called with a query and its "
            "candidates; mend the plugin."
        )
    opened: Reranker = reranker
    return opened
