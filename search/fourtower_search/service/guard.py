"""Stands before the application: request ids, whom it may be called by, sizes of bodies, and security headers."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fourtower_search.service.origins import Origins, names_of
from fourtower_search.service.refusals import Refused
from fourtower_search.service.settings import ServiceSettings

BODY_S = 60.0
"""How long a body may take to arrive."""
SANE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,99}")
"""What is logged and sent back must be able to break neither."""
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Of every answer that does not bring its own."""
READ_BY_SCRIPTS = ("Retry-After", "Server-Timing", "X-Request-Id")
SENT_BY_SCRIPTS = ("Authorization", "Content-Type", "X-API-Key", "X-Request-Id", "X-Timeout-S")


class Guard:
    """Pure ASGI middleware: answers stream through it, and bodies are counted while they do.

    It sets `scope["state"]["request_id"]` before anything else runs.
    """

    def __init__(self, app: ASGIApp, *, settings: ServiceSettings, body_s: float = BODY_S) -> None:
        """Take the application.

        Args:
            app: what to guard.
            settings: names, origins and sizes that are allowed.
            body_s: how long a body may take to arrive.
        """
        self._app, self._limit, self._body_s = app, settings.max_body_bytes, body_s
        self._names, self._origins = names_of(settings), Origins(settings.allow_origins)
        self._inner: ASGIApp = self._bounded
        if settings.allow_origins:
            self._inner = CORSMiddleware(
                self._bounded,
                allow_origins=settings.allow_origins,
                allow_methods=("GET", "POST"),
                allow_headers=SENT_BY_SCRIPTS,
                expose_headers=READ_BY_SCRIPTS,
            )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": "there are no WebSockets here"})
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        request_id = _request_id(headers)
        scope.setdefault("state", {})["request_id"] = request_id

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                _mark(MutableHeaders(scope=message), request_id)
            await send(message)

        try:
            self._names.check(headers)
        except Refused as refused:
            await _answer(refused, request_id, marked)
        else:
            await self._inner(scope, receive, marked)

    async def _bounded(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Behind CORS, so that scripts that are allowed can read also what is refused here."""
        body = _Body(receive, send, limit=self._limit, seconds=self._body_s)
        try:
            self._check(scope["method"], Headers(scope=scope))
            await self._app(scope, body.receive, body.send)
            refused = body.refused
        except Exception as error:
            refused = body.refused or (error if isinstance(error, Refused) else None)
            if refused is None or body.started:
                raise
        if refused is not None and not body.started:
            await _answer(refused, scope["state"]["request_id"], send)

    def _check(self, method: str, headers: Headers) -> None:
        self._origins.check(method, headers)
        declared = headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > self._limit:
            raise _too_large(self._limit)


class _Body:
    """Counts a body while the application reads it; once it was too large, only that can be answered."""

    def __init__(self, receive: Receive, send: Send, *, limit: int, seconds: float) -> None:
        self._receive, self._send, self._limit = receive, send, limit
        self._end = asyncio.get_running_loop().time() + seconds
        self._bytes, self._whole = 0, False
        self.refused: Refused | None = None
        self.started = False

    async def receive(self) -> Message:
        if self._whole:
            return await self._receive()  # waits until the caller leaves
        if self.refused is not None:
            raise self.refused
        try:
            async with asyncio.timeout_at(self._end):
                message = await self._receive()
        except TimeoutError:
            return {"type": "http.disconnect"}  # as good as gone
        self._bytes += len(message.get("body", b""))
        self._whole = not message.get("more_body", False)
        if self._bytes > self._limit:
            self.refused = _too_large(self._limit)
            raise self.refused
        return message

    async def send(self, message: Message) -> None:
        if self.refused is not None and not self.started:
            if message["type"] != "http.response.start" or message["status"] != self.refused.status_code:
                return  # what the application makes of a body that broke off
            MutableHeaders(scope=message)["Connection"] = "close"
        self.started = True
        await self._send(message)


def _too_large(limit: int) -> Refused:
    # What still comes of the body is not read: the connection can't be used again.
    return Refused("too_large", f"The request is larger than {limit:,} bytes.", headers={"Connection": "close"})


def _request_id(headers: Headers) -> str:
    """The caller's own, if it gave one that can be used."""
    given = headers.getlist("x-request-id")
    return given[0] if len(given) == 1 and SANE_ID.fullmatch(given[0]) else uuid.uuid4().hex


def _mark(headers: MutableHeaders, request_id: str) -> None:
    headers["X-Request-Id"] = request_id
    for name, value in SECURITY_HEADERS.items():
        headers.setdefault(name, value)


async def _answer(refused: Refused, request_id: str, send: Send) -> None:
    """The errors' shape, without any framework."""
    form: Mapping[str, object] = {
        "code": refused.code,
        "message": refused.message,
        "detail": None,
        "request_id": request_id,
    }
    body = json.dumps(form).encode()
    own = {"Content-Type": "application/json", "Content-Length": str(len(body)), **(refused.headers or {})}
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in own.items()]
    await send({"type": "http.response.start", "status": refused.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": body})
