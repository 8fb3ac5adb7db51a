"""What all endpoints share: the client, once it is open, its queue, its limits, who may ask, and the figures."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from functools import cached_property, partial
from typing import TypeVar

from starlette.requests import Request

from fourtower_encoders.errors import EncoderError
from fourtower_encoders.images import ImageLimits
from fourtower_search.client import SearchClient
from fourtower_search.errors import IndexUnavailable, InvalidQuery, SearchError
from fourtower_search.index.deadline import Deadline
from fourtower_search.plugins import known_plugins
from fourtower_search.query.request import SearchRequest
from fourtower_search.results import SearchResult
from fourtower_search.service.access import Access
from fourtower_search.service.admission import Admission
from fourtower_search.service.callers import while_connected
from fourtower_search.service.detectors import GROUP as DETECTORS
from fourtower_search.service.fetchers import Fetchers
from fourtower_search.service.keys import ApiKey
from fourtower_search.service.metrics import ServiceMetrics
from fourtower_search.service.settings import ServiceSettings
from fourtower_search.service.uploads import Posted, Room

NOT_YET = "The service has not opened its index yet; try again in a moment."
RETRY_S, LONGEST_RETRY_S = 1.0, 15.0
"""Between attempts to open an index that does not answer."""
log = logging.getLogger("fourtower.service")
_T = TypeVar("_T")


class Service:
    """One service, alone or in a host's application; used by one event loop at a time."""

    def __init__(self, settings: ServiceSettings, *, access: Access, client: SearchClient | None = None) -> None:
        """Take the client of a host, or none: then `opened` opens one."""
        self.settings, self.access = settings, access
        self.metrics = ServiceMetrics()
        self.fetchers = Fetchers(settings)
        self.failure: Exception | None = None
        """Why the index can't be opened, and never will as things are."""
        self._client, self._admission = client, None if client is None else self._queue(client)
        self.image_limits = ImageLimits(max_pixels=settings.max_pixels)
        self._room = Room(settings.max_body_bytes)

    async def carry(self, request: Request) -> None:
        """A dependency of all routes: they find the service, and the rules of access, at the request."""
        request.state.fourtower, request.state.access = self, self.access

    @property
    def client(self) -> SearchClient:
        """What answers.

        Raises:
            IndexUnavailable: it is not open yet.
        """
        if self._client is None:
            raise IndexUnavailable(NOT_YET, retry_after_s=2)
        return self._client

    @property
    def admission(self) -> Admission:
        """The queue before the client.

        Raises:
            IndexUnavailable: there is no client yet.
        """
        client = self.client
        if self._admission is None:  # a host's application may be started again after its end
            self._admission = self._queue(client)
        return self._admission

    @cached_property
    def detectors(self) -> tuple[str, ...]:
        """The names of those that are installed, looked for once."""
        return tuple(known_plugins(DETECTORS))

    def unready(self) -> str:
        """Why searches can't be answered; nothing once they could, whatever happens to the index later."""
        return "" if self._client is not None else str(self.failure or NOT_YET)

    @asynccontextmanager
    async def posted(self, request: Request) -> AsyncIterator[Posted]:
        """The body of a request that there is room for.

        Raises:
            Overloaded: it would be turned away anyway, so nothing is read.
        """
        self.admission.check()
        async with self._room.read(request, max_images=self.settings.max_images) as posted:
            yield posted

    async def search(
        self, request: Request, wanted: list[SearchRequest], key: ApiKey | None = None
    ) -> list[SearchResult]:
        """One result per wanted search, unless the caller leaves."""
        timeout_s, caller = self._seconds(request), None if key is None else key.id
        if len(wanted) > 1:
            self.access.charge(key, len(wanted) - 1)
        results = self.admission.search(wanted, timeout_s=timeout_s, caller=caller)
        return await while_connected(request, results)

    async def run(
        self, request: Request, call: Callable[[SearchClient, float], _T], key: ApiKey | None = None, *, kind: str
    ) -> _T:
        """What a call of the client, with the time that is left for it, gives."""
        timeout_s, caller = self._seconds(request), None if key is None else key.id
        client, deadline = self.client, Deadline(timeout_s)
        work = self.admission.run(lambda: call(client, deadline.left()), timeout_s=timeout_s, caller=caller, kind=kind)
        return await while_connected(request, work)

    @asynccontextmanager
    async def opened(self, *, failed: Callable[[], None] = lambda: None) -> AsyncIterator[None]:
        """Open the index that the settings name in the background, and close it at the end.

        Args:
            failed: called when it can't be opened and never will.
        """
        stack, ended = ExitStack(), threading.Event()
        opening = asyncio.create_task(self._open(stack, ended, failed))
        try:
            yield
        finally:
            ended.set()
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)
            await self.stop()
            self._client = None
            await asyncio.to_thread(stack.close)

    async def stop(self) -> None:
        """Let what was taken end, and take nothing more."""
        admission, self._admission = self._admission, None
        if admission is not None:
            await asyncio.to_thread(admission.close, self.settings.grace_s)
        self.fetchers.close()

    async def _open(self, stack: ExitStack, ended: threading.Event, failed: Callable[[], None]) -> None:
        wait_s = RETRY_S
        while self._client is None:
            try:
                client = await asyncio.to_thread(partial(open_client, self.settings, self.fetchers, stack, ended))
                self._admission, self._client = self._queue(client), client
                log.info("The index %s is open; searches are answered.", self.settings.index)
            except IndexUnavailable as error:
                log.warning("The index can't be opened yet: %s", error)
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, LONGEST_RETRY_S)
            except Exception as error:
                self.failure = error
                log.error("The index can't be opened: %s", _said(error))
                failed()
                return

    def _queue(self, client: SearchClient) -> Admission:
        settings = self.settings
        admission = Admission(client, threads=settings.threads, waiting=settings.waiting, batch=settings.batch)
        self.metrics.watch(admission.load, client)
        return admission

    def _seconds(self, request: Request) -> float:
        """How long the caller waits, which may be less than the service would."""
        said = request.headers.get("X-Timeout-S")
        if said is None:
            return self.settings.timeout_s
        try:
            seconds = float(said)
        except ValueError:
            seconds = 0.0
        if not 0 < seconds < 1e6:  # neither NaN
            raise InvalidQuery(f"X-Timeout-S is {said!r:.40}; it must be a number of seconds.")
        return min(seconds, self.settings.timeout_s)


def service_of(request: Request) -> Service:
    """The service that a request came to."""
    service = request.state.fourtower
    assert isinstance(service, Service)
    return service


def open_client(
    settings: ServiceSettings, fetchers: Fetchers, stack: ExitStack, ended: threading.Event
) -> SearchClient:
    """A client as settings say; `stack` closes it, or it is closed here if the service ended meanwhile."""
    secret, token = settings.cursor_key.get_secret_value(), settings.token.get_secret_value()
    with ExitStack() as own:
        client = own.enter_context(
            SearchClient(
                settings.index,
                model=settings.model or None,
                alias=settings.alias,
                token=token or None,
                ca_file=settings.ca_file,
                image_root=settings.image_root,
                fetcher=fetchers.get(),
                cursor_key=secret.encode() if secret else None,
                timeout_s=settings.timeout_s,
            )
        )
        if not ended.is_set():
            stack.push(own.pop_all())
        return client


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, SearchError | EncoderError) else type(error).__name__
