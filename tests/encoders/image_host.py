"""A host on loopback that answers requests for pictures in every way we could think of."""

from __future__ import annotations

import gzip
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

from fourtower_encoders.fetching import FetchPolicy

PICTURE = b"\x89PNG, or so the host says" * 10


class Host(ThreadingHTTPServer):
    """Answers each path as the function of that name in `Answers` says, and remembers what it was asked."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.port = self.server_address[1]
        self.asked: Counter[str] = Counter()
        self.headers: list[dict[str, str]] = []
        self.connections = 0
        self.names: list[str | None] = []
        self.over = threading.Event()

    def process_request(self, request: socket.socket, client_address: tuple[str, int]) -> None:
        self.connections += 1
        super().process_request(request, client_address)

    def handle_error(self, request: socket.socket, client_address: tuple[str, int]) -> None:
        """Clients that hang up are what these tests are about."""

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}/{path}"


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Host

    def do_GET(self) -> None:
        name, _, argument = unquote(self.path).strip("/").partition("/")
        self.server.asked[name] += 1
        self.server.headers.append({key.lower(): value for key, value in self.headers.items()})
        getattr(self, name)(argument)

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, status: int = 200, body: bytes = PICTURE, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"content_type": "image/png", "content_length": str(len(body)), **headers}.items():
            if value:
                self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def drip(self, pieces: bytes, pause_s: float = 0.05) -> None:
        """Send the same thing again and again, until the client leaves or the test ends."""
        while not self.server.over.wait(pause_s):
            self.wfile.write(pieces)

    def picture(self, _: str) -> None:
        self.answer(set_cookie="a=b")

    def status(self, argument: str) -> None:
        self.answer(int(argument))

    def typed(self, argument: str) -> None:
        self.answer(content_type=argument)

    def redirect(self, argument: str) -> None:
        self.answer(302, b"", location=f"/{argument}" if argument else "/picture")

    def loop(self, _: str) -> None:
        self.answer(301, b"", location="/loop")

    def lead_to(self, argument: str) -> None:
        self.answer(307, b"", location=argument.replace("!", "/"))

    def second_time(self, argument: str) -> None:
        self.answer(200 if self.server.asked["second_time"] > 1 else int(argument))

    def busy(self, argument: str) -> None:
        status = 200 if self.server.asked["busy"] > 1 else 429
        self.answer(status, retry_after=argument)

    def endless(self, _: str) -> None:
        self.answer(body=b"", content_length="", connection="close")
        self.drip(b"x" * 100_000, 0.0)

    def endless_chunks(self, _: str) -> None:
        self.answer(body=b"", content_length="", transfer_encoding="chunked")
        self.drip(b"10000\r\n" + b"x" * 65536 + b"\r\n", 0.0)

    def slow_body(self, _: str) -> None:
        self.answer(body=b"", content_length="1000000")
        self.drip(b"x")

    def slow_headers(self, _: str) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nx: ")
        self.drip(b"x")

    def endless_headers(self, _: str) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        self.drip(b"x: y\r\n" * 10_000, 0.0)

    def endless_prelude(self, _: str) -> None:
        self.drip(b"HTTP/1.1 100 Continue\r\n\r\n" * 100, 0.01)

    def silent(self, _: str) -> None:
        self.server.over.wait()

    def garbage(self, _: str) -> None:
        self.wfile.write(b"\0\1\2 who knows\r\n\r\n")
        self.close_connection = True

    def too_short(self, _: str) -> None:
        self.answer(content_length="1000")
        self.close_connection = True

    def too_long(self, _: str) -> None:
        self.answer(content_length="10")
        self.close_connection = True

    def announces(self, argument: str) -> None:
        self.answer(content_length=argument)
        self.close_connection = True

    def bomb(self, _: str) -> None:
        self.answer(body=gzip.compress(bytes(10_000_000)), content_encoding="gzip")

    def hangs_up(self, _: str) -> None:
        self.answer()
        self.close_connection = True

    def tagged(self, argument: str) -> None:
        if self.headers.get("if-none-match") == f'"{argument}"':
            self.answer(304, b"", content_type="", content_length="")
        else:
            self.answer(etag=f'"{argument}"')


def serve(host: Host) -> Iterator[Host]:
    thread = threading.Thread(target=host.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield host
    finally:
        host.over.set()
        host.shutdown()
        thread.join()
        host.server_close()


def policy_for(host: Host, **changes: object) -> FetchPolicy:
    settings: dict[str, object] = {
        "allow_hosts": ("127.0.0.1", "*.test"),
        "allow_private": ("127.0.0.0/8",),
        "ports": (host.port,),
        "read_timeout_s": 0.5,
        "deadline_s": 2.0,
        "backoff_s": 0.01,
        "max_bytes": 1_000_000,
    }
    return FetchPolicy.model_validate(settings | changes)


def only(*addresses: str) -> Callable[[str, int], list[str]]:
    return lambda _host, _port: list(addresses)
