"""A stand-in for a service: a plain socket that answers as a test says, well or badly."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from fourtower_search.answering import IndexFacts
from fourtower_search.schema import Attribute, CatalogSchema
from fourtower_search.wire.facts import facts_form

FACTS = IndexFacts(
    generation="shop_g1",
    schema=CatalogSchema(attributes={"released": Attribute(type="time"), "price": Attribute(type="float")}),
    model_id="0123",
    model="demo",
    demo=True,
    dim=4,
    engine="memory",
    lexical=True,
)
SCHEMA = facts_form(FACTS)


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def form(self):
        return json.loads(self.body)


def reply(form, status=200, **headers):
    """JSON as an answer."""
    return raw(json.dumps(form).encode(), status, **{"content_type": "application/json", **headers})


def raw(body, status=200, **headers):
    """Bytes as an answer."""
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def problem(code, status, message="A sentence.", *, detail=None, **headers):
    """An error in our shape."""
    return reply({"code": code, "message": message, "detail": detail, "request_id": "r"}, status, **headers)


class Stand:
    """Answers each request with the next of some answers, the last one again and again.

    An answer is bytes, or a function of the connection that may do anything with it; after such a one it is closed.
    `/schema` is answered well unless it is asked for.
    """

    def __init__(self, tls=None):
        self.asked: list[Asked] = []
        self.connections = 0
        self._answers: list[bytes | Callable[[socket.socket], None]] = [reply({})]
        self._schema: list[bytes | Callable[[socket.socket], None]] = [reply(SCHEMA)]
        self._tls = tls
        self._closing = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.address = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._threads = [threading.Thread(target=self._accept, name="stand")]
        self._threads[0].start()

    def answers(self, *answers):
        """What is answered from now on, but to `/schema`."""
        self._answers, self.asked = list(answers), []

    def schema(self, *answers):
        """What is answered to `/schema`."""
        self._schema = list(answers)

    def close(self):
        self._closing.set()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()

    def wait(self):
        """Until the stand is closed: for answers that never come."""
        assert self._closing.wait(60)

    def _accept(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(connection,), name="stand-connection")
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection):
        with suppress(OSError, ValueError), connection:  # whoever calls may hang up at any moment, and in any state
            connection.settimeout(30)
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with connection, connection.makefile("rb") as lines:
                while not self._closing.is_set() and self._answer(connection, lines):
                    connection.settimeout(0.05)
                    while not self._closing.is_set():
                        with suppress(TimeoutError):
                            if not (lines.peek(1) if self._tls else connection.recv(1, socket.MSG_PEEK)):
                                return
                            break
                    connection.settimeout(30)

    def _answer(self, connection, lines):
        first = lines.readline(10_000).decode("latin-1")
        if first.count(" ") != 2:
            return False
        method, path, _ = first.split()
        headers = {}
        while line := lines.readline().decode().strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        self.asked.append(Asked(method, path, headers, lines.read(int(headers.get("content-length", 0)))))
        answers = self._schema if path == "/schema" else self._answers
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if callable(answer):
            answer(connection)
            return False
        connection.sendall(answer)
        return True
