"""A network in miniature: stands in front of a server and delays, throttles, holds, loses or breaks its traffic.

Its manners are switched while it runs, and apply to open connections as well as new ones.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

CHUNK = 65_536
PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class Manners:
    """How a proxy treats what passes through it."""

    latency_s: float = 0.0
    """Before each answer is passed on."""
    bytes_per_s: float | None = None
    """In each direction."""
    frozen: bool = False
    """Nothing passes; it all arrives when this ends."""
    silent: bool = False
    """A black hole: connections are accepted, and whatever is said is lost, both ways."""
    mute: bool = False
    """Requests arrive, their answers are lost."""
    refuse: bool = False
    """New connections are reset at once."""


class Proxy:
    """Listens on a port of its own and passes everything on to a server on this machine.

    A connection from which something was lost is reset when the manners change: its bytes would make no sense.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.manners = Manners()
        self._connections: set[_Connection] = set()
        self._drops = 0
        self._loop = asyncio.new_event_loop()
        self._changed = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self._server: asyncio.Server = self._do(self._listen())
        self.port = int(self._server.sockets[0].getsockname()[1])

    def behave(self, **manners: Any) -> None:
        """From now on behave like this, and in no other way: `behave(latency_s=2)`."""
        self._do(self._behave(Manners(**manners)))

    def heal(self) -> None:
        """Pass everything on again."""
        self.behave()

    def reset(self) -> None:
        """Break all connections; new ones are welcome."""
        self._do(self._reset())

    def drop_next_answer(self) -> None:
        """Lose the next bytes that the server says, and break the connection on which it says them."""
        self._do(self._drop_next())

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._connections)

    def close(self) -> None:
        """Break everything and listen no more."""
        if self._thread.is_alive():
            self._do(self._end())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(PATIENCE_S)
            self._loop.close()

    # In the loop's thread

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_S)

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=CHUNK)

    async def _behave(self, manners: Manners) -> None:
        self.manners = manners
        for connection in [each for each in self._connections if each.damaged]:
            connection.reset()
        self._wake()

    async def _reset(self) -> None:
        for connection in list(self._connections):
            connection.reset()
        self._wake()

    def _wake(self) -> None:
        """Have everybody who waits look again."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def _drop_next(self) -> None:
        self._drops += 1

    def take_drop(self) -> bool:
        """Whether these bytes are the ones to lose."""
        self._drops -= (due := self._drops > 0)
        return due

    async def _end(self) -> None:
        self.manners = Manners(refuse=True)
        await asyncio.sleep(0.02)  # who has just connected is accepted, or asyncio would forget its socket
        self._server.close()
        while asyncio.all_tasks() - {asyncio.current_task()}:
            await self._reset()
            await asyncio.sleep(0.01)
        await asyncio.sleep(0)  # transports that were aborted are closed in the next round

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection(self, writer)
        self._connections.add(connection)
        try:
            if self.manners.refuse:
                connection.reset()
                return
            while (
                self.manners.silent and not connection.broken
            ):  # nobody is there, so the server does not hear of it either
                connection.damaged = True
                await self.change()
            if not connection.damaged:
                await connection.carry(reader)
        finally:
            connection.reset()
            self._connections.discard(connection)

    async def change(self, *, within_s: float | None = None) -> None:
        """Wait for other manners, for a limited time."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), within_s)


class _Connection:
    """One client's connection, and the one to the server that belongs to it."""

    def __init__(self, proxy: Proxy, client: asyncio.StreamWriter) -> None:
        self._proxy = proxy
        self._ends = [client]
        self.damaged = self.broken = False

    async def carry(self, reader: asyncio.StreamReader) -> None:
        """Connect to the server and carry bytes to and fro until both have said all."""
        try:
            answers, server = await asyncio.open_connection("127.0.0.1", self._proxy.target, limit=CHUNK)
        except OSError:
            return
        self._ends.append(server)
        with suppress(OSError):
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(reader, server, answer=False))
                both.create_task(self._pump(answers, self._ends[0], answer=True))

    def reset(self) -> None:
        """Break it, so that both ends notice at once."""
        self.broken = True
        for end in self._ends:
            with suppress(OSError):  # it may be closed already
                end.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            end.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, answer: bool) -> None:
        with suppress(OSError):
            while data := await source.read(CHUNK):
                await self._deliver(sink, data, answer=answer)
            if not self.damaged:
                sink.write_eof()

    async def _deliver(self, sink: asyncio.StreamWriter, data: bytes, *, answer: bool) -> None:
        while self._proxy.manners.frozen and not self.broken:
            await self._proxy.change()
        manners = self._proxy.manners
        if answer and self._proxy.take_drop():
            self.reset()
            return
        self.damaged = self.damaged or manners.silent or (answer and manners.mute)
        if self.damaged or self.broken:
            return
        if answer and manners.latency_s:
            await self._proxy.change(within_s=manners.latency_s)
        while data and not self.broken and (rate := self._proxy.manners.bytes_per_s) is not None:
            piece, data = data[: max(1, int(rate / 10))], data[max(1, int(rate / 10)) :]
            sink.write(piece)
            await sink.drain()
            await self._proxy.change(within_s=len(piece) / rate)
        if not self.broken:
            sink.write(data)
            await sink.drain()


_AT_ONCE = struct.pack("ii", 1, 0)
