"""Keeps what answers searches, and replaces it by the next generation without failing or mixing a query."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from fourtower_search.errors import CollectionGone, SearchError

CLOSED = "This client was closed; make another one."
log = logging.getLogger(__name__)


class Closeable(Protocol):
    """Something that holds connections or memory."""

    def close(self) -> None:
        """Let go of them."""
        ...


_T = TypeVar("_T", bound=Closeable)
_R = TypeVar("_R")


@dataclass
class _Lent(Generic[_T]):
    """A generation and how many calls use it now."""

    name: str
    thing: _T
    users: int = 0
    retired: bool = False


class Serving(Generic[_T]):
    """Lends the current generation to calls; each call keeps what it was lent until it ends.

    When the name of the current generation changes, the next one is loaded in the background, then lent in
    the old one's place, which is closed when its last call has ended.
    """

    def __init__(self, current: Callable[[], str], load: Callable[[str], _T], *, refresh_s: float) -> None:
        """Load what is current.

        Args:
            current: says the name of the generation that should be served.
            load: opens a generation by name.
            refresh_s: how often, at most, `current` is asked while calls come in.
        """
        self._current, self._load, self._refresh_s = current, load, refresh_s
        self._lock = threading.Lock()
        self._looking = threading.Lock()
        name = current()
        self._lent = _Lent(name, load(name))
        self._asked = time.monotonic()
        self._asking = self._closed = False

    @contextmanager
    def lend(self) -> Iterator[_T]:
        """What answers now, for the length of one call.

        Raises:
            SearchError: it was closed.
        """
        lent = self._take()
        try:
            yield lent.thing
        finally:
            self._give_back(lent)

    def call(self, use: Callable[[_T], _R]) -> _R:
        """What `use` makes of the current generation; if that was dropped, what it makes of the live one."""
        try:
            with self.lend() as thing:
                return use(thing)
        except CollectionGone:
            if not self._left(thing):
                raise
        with self.lend() as thing:
            return use(thing)

    def iterate(self, use: Callable[[_T], Iterator[_R]]) -> Generator[_R]:
        """The same for what comes one by one: all of it from one generation, which may be dropped before the first."""
        begun = False
        try:
            with self.lend() as thing:
                for each in use(thing):
                    begun = True
                    yield each
                return
        except CollectionGone:
            if begun or not self._left(thing):
                raise
        with self.lend() as thing:
            yield from use(thing)

    def refresh(self) -> None:
        """Ask what is current, and switch to it if it is another one; what goes wrong is logged, the old one stays."""
        with self._looking:
            self._look()

    def _look(self) -> None:
        doing = "It can't be found out which generation is live"
        try:
            name = self._current()
            doing = f"The next generation, {name}, can't be loaded"
            if name != self._lent.name:
                self._switch(_Lent(name, self._load(name)))
        except SearchError as error:
            log.warning("%s; %s goes on answering. %s", doing, self._lent.name, error)
        except Exception:
            log.warning("%s; %s goes on answering.", doing, self._lent.name, exc_info=True)
        finally:
            with self._lock:
                self._asked, self._asking = time.monotonic(), False

    def close(self) -> None:
        """Close what is lent, at once or when its last call has ended."""
        with self._lock:
            self._closed = True
        self._retire(self._lent)

    def _left(self, thing: _T) -> bool:
        """Whether something else is lent now; of many calls that ask together, one looks for it."""
        with self._looking:
            if self._lent.thing is thing:
                self._look()
            return self._lent.thing is not thing

    def _take(self) -> _Lent[_T]:
        with self._lock:
            if self._closed:
                raise SearchError(CLOSED)
            self._lent.users += 1
            due = not self._asking and not self._closed and time.monotonic() - self._asked >= self._refresh_s
            self._asking = self._asking or due
            lent = self._lent
        if due:
            threading.Thread(target=self.refresh, name="fourtower-refresh", daemon=True).start()
        return lent

    def _give_back(self, lent: _Lent[_T]) -> None:
        with self._lock:
            lent.users -= 1
            close = lent.retired and lent.users == 0
        if close:
            lent.thing.close()

    def _switch(self, following: _Lent[_T]) -> None:
        with self._lock:
            before, closed = self._lent, self._closed
            if not closed:
                self._lent = following
        self._retire(following if closed else before)

    def _retire(self, lent: _Lent[_T]) -> None:
        with self._lock:
            close = not lent.retired and lent.users == 0
            lent.retired = True
        if close:
            lent.thing.close()
