"""Fetching from a real server on loopback that misbehaves in every way we could think of."""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import httpcore
import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from fourtower_encoders.errors import ImageRejected, ImageUnavailable, InvalidConfig
from fourtower_encoders.fetching import FetchPolicy, ImageFetcher, _retry_after_s

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


@pytest.fixture
def host() -> Iterator[Host]:
    yield from serve(Host())


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


@pytest.fixture
def fetcher(host: Host) -> Iterator[ImageFetcher]:
    with ImageFetcher(policy_for(host), resolver=only("127.0.0.1")) as fetcher:
        yield fetcher


def test_a_picture_arrives(host: Host, fetcher: ImageFetcher) -> None:
    assert fetcher.fetch(host.url("picture", "img.shop.test")) == PICTURE
    assert fetcher.fetch(host.url("picture", "img.shop.test")) == PICTURE
    assert host.connections == 1
    for headers in host.headers:
        assert headers.pop("user-agent").startswith("fourtower/")
        assert headers == {
            "host": f"img.shop.test:{host.port}",
            "accept": "image/jpeg, image/png, image/webp, image/gif",
            "accept-encoding": "identity",
        }


def test_proxies_of_the_environment_are_ignored(
    host: Host, fetcher: ImageFetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert fetcher.fetch(host.url("picture")) == PICTURE


def test_many_threads_share_a_fetcher(host: Host) -> None:
    policy = policy_for(host, max_connections=3, deadline_s=20.0)
    with ImageFetcher(policy) as fetcher, ThreadPoolExecutor(12) as threads:
        for data in threads.map(fetcher.fetch, [host.url("picture")] * 60):
            assert data == PICTURE
    assert host.connections <= 3


def test_threads_and_hosts_that_compete_for_few_connections(host: Host) -> None:
    urls = [host.url("picture", f"{number % 5}.test") for number in range(100)]
    policy = policy_for(host, max_connections=2, deadline_s=20.0, retries=0)
    with ImageFetcher(policy, resolver=only("127.0.0.1")) as fetcher, ThreadPoolExecutor(8) as threads:
        assert set(threads.map(fetcher.fetch, urls)) == {PICTURE}


def test_waiting_for_a_connection_ends_with_the_deadline(host: Host) -> None:
    origin = httpcore.Origin(b"http", b"elsewhere.test", 80)
    policy = policy_for(host, max_connections=1, deadline_s=0.2)
    busy = pytest.raises(ImageUnavailable, match="all 1 connections are busy")
    with ImageFetcher(policy) as fetcher, fetcher._connections.to(origin, timeout_s=1.0), busy:
        fetcher.fetch(host.url("picture"))


def test_a_connection_that_the_host_has_closed_is_replaced(host: Host, fetcher: ImageFetcher) -> None:
    assert [fetcher.fetch(host.url("hangs_up")) for _ in range(3)] == [PICTURE] * 3
    assert host.connections == 3


# Where a name leads


DISGUISES = ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0", "localhost", "127.0.0.1."]
DISGUISES_6 = ["[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[::]"]


@pytest.mark.parametrize("name", DISGUISES + DISGUISES_6)
def test_no_disguise_of_a_private_address_gets_through(host: Host, name: str) -> None:
    # Ranges are for hosts named in allow_hosts; whatever "*" lets in has to be public.
    policy = policy_for(host, allow_hosts=("*",))
    with ImageFetcher(policy) as fetcher, pytest.raises(ImageRejected, match="its address is not public"):
        fetcher.fetch(host.url("picture", name))
    assert host.connections == 0


@pytest.mark.parametrize(
    "addresses",
    [["10.0.0.1"], ["127.0.0.1", "10.0.0.1"], ["127.0.0.1", "169.254.169.254"], ["fe80::1%1"], ["nonsense"]],
)
def test_one_bad_address_spoils_the_answer(host: Host, addresses: list[str]) -> None:
    with (
        ImageFetcher(policy_for(host), resolver=only(*addresses)) as fetcher,
        pytest.raises(ImageRejected, match="not public"),
    ):
        fetcher.fetch(host.url("picture", "a.test"))
    assert host.connections == 0


def test_a_name_is_asked_for_once_and_the_checked_address_used(host: Host) -> None:
    answers = [["127.0.0.1"], ["169.254.169.254"]]
    with ImageFetcher(policy_for(host), resolver=lambda *_: answers.pop(0)) as fetcher:
        assert fetcher.fetch(host.url("picture", "rebinding.test")) == PICTURE
        assert len(answers) == 1
        with pytest.raises(ImageRejected, match="not public"):  # a second connection asks, and checks, again
            fetcher.fetch(host.url(f"lead_to/http:!!other.test:{host.port}!picture", "rebinding.test"))


def test_the_next_address_is_tried(host: Host) -> None:
    with ImageFetcher(policy_for(host), resolver=only("127.0.0.9", "127.0.0.1")) as fetcher:
        assert fetcher.fetch(host.url("picture", "a.test")) == PICTURE


def fails(_host: str, _port: int) -> list[str]:
    raise socket.gaierror(socket.EAI_NONAME, "unknown")


@pytest.mark.parametrize("resolver", [fails, only()])
def test_unknown_names_are_unavailable(host: Host, resolver: Callable[[str, int], list[str]]) -> None:
    with ImageFetcher(policy_for(host), resolver=resolver) as fetcher, pytest.raises(ImageUnavailable, match="name"):
        fetcher.fetch(host.url("picture", "a.test"))


def test_a_resolver_that_hangs_is_left_behind(host: Host) -> None:
    def hangs(_host: str, _port: int) -> list[str]:
        host.over.wait()
        return []

    policy = policy_for(host, connect_timeout_s=0.1, retries=0)
    with ImageFetcher(policy, resolver=hangs) as fetcher, pytest.raises(ImageUnavailable, match="not resolved in time"):
        fetcher.fetch(host.url("picture", "a.test"))


def test_a_closed_port_is_unavailable(host: Host) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening
        port = taken.getsockname()[1]
        with (
            ImageFetcher(policy_for(host, ports=(port,))) as fetcher,
            pytest.raises(ImageUnavailable, match="3 attempts"),
        ):
            fetcher.fetch(f"http://127.0.0.1:{port}/")


# Redirects


def test_redirects_are_followed(host: Host, fetcher: ImageFetcher) -> None:
    assert fetcher.fetch(host.url("redirect/redirect/redirect/redirect")) == PICTURE


@pytest.mark.parametrize("path", ["loop", "redirect/redirect/redirect/redirect/redirect"])
def test_redirects_are_counted(host: Host, fetcher: ImageFetcher, path: str) -> None:
    with pytest.raises(ImageRejected, match="more than 4 redirects"):
        fetcher.fetch(host.url(path))
    assert host.asked.total() == 5


@pytest.mark.parametrize(
    ("location", "why"),
    [
        ("http:!!evil.example!", "allow_hosts"),
        ("http:!!127.0.0.1:22!", "FetchPolicy.ports"),
        ("file:!!!etc!passwd", "use http or https"),
        ("http:!!a:b@127.0.0.1!", "user name"),
        ("http:!!127.1!", "allow_hosts"),
        ("http:!![::", "not a valid URL"),
    ],
)
def test_every_hop_is_vetted(host: Host, fetcher: ImageFetcher, location: str, why: str) -> None:
    with pytest.raises(ImageRejected, match=why):
        fetcher.fetch(host.url(f"lead_to/{location}"))


# Answers without an end


@pytest.mark.parametrize("path", ["endless", "endless_chunks"])
def test_endless_bodies_are_cut(host: Host, fetcher: ImageFetcher, path: str) -> None:
    with pytest.raises(ImageRejected, match="more than max_bytes = 1000000"):
        fetcher.fetch(host.url(path))
    assert host.asked.total() == 1


@pytest.mark.parametrize("path", ["slow_body", "slow_headers", "endless_prelude", "endless_headers"])
def test_the_deadline_bounds_everything(host: Host, path: str) -> None:
    policy = policy_for(host, deadline_s=0.5)
    start = time.monotonic()
    with ImageFetcher(policy) as fetcher, pytest.raises(ImageUnavailable, match=f"http://127.0.0.1:{host.port}/{path}"):
        fetcher.fetch(host.url(path))
    assert time.monotonic() - start < 1.5


def test_silence_is_a_timeout_and_retried(host: Host) -> None:
    policy = policy_for(host, read_timeout_s=0.1, retries=1)
    with ImageFetcher(policy) as fetcher, pytest.raises(ImageUnavailable, match="2 attempts: ReadTimeout"):
        fetcher.fetch(host.url("silent"))
    assert host.asked["silent"] == 2


# Answers that are wrong


@pytest.mark.parametrize("kind", ["text/html", "text/plain; charset=x", "application/json", "video/mp4"])
def test_what_is_no_picture_is_refused(host: Host, fetcher: ImageFetcher, kind: str) -> None:
    with pytest.raises(ImageRejected, match="is not a picture"):
        fetcher.fetch(host.url(f"typed/{kind}".replace(" ", "%20")))


@pytest.mark.parametrize("kind", ["image/jpeg", "IMAGE/PNG;q=1", "application/octet-stream", "binary/octet-stream", ""])
def test_what_may_be_a_picture_is_taken(host: Host, fetcher: ImageFetcher, kind: str) -> None:
    assert fetcher.fetch(host.url(f"typed/{kind}")) == PICTURE


@pytest.mark.parametrize("status", [201, 204, 206, 304, 400, 401, 403, 404, 410, 451])
def test_refusals_of_the_host_are_final(host: Host, fetcher: ImageFetcher, status: int) -> None:
    with pytest.raises(ImageRejected, match=f"answers {status}"):
        fetcher.fetch(host.url(f"status/{status}"))
    assert host.asked["status"] == 1


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_passing_failures_are_retried(host: Host, fetcher: ImageFetcher, status: int) -> None:
    assert fetcher.fetch(host.url(f"second_time/{status}")) == PICTURE
    with pytest.raises(ImageUnavailable, match=f"3 attempts: the host answers {status}"):
        fetcher.fetch(host.url(f"status/{status}"))
    assert host.asked["status"] == 3


@pytest.mark.parametrize("path", ["garbage", "too_short"])
def test_broken_answers_are_retried(host: Host, fetcher: ImageFetcher, path: str) -> None:
    with pytest.raises(ImageUnavailable, match="RemoteProtocolError"):
        fetcher.fetch(host.url(path))
    assert host.asked[path] == 3


def test_retry_after_is_honoured(host: Host, fetcher: ImageFetcher) -> None:
    start = time.monotonic()
    assert fetcher.fetch(host.url("busy/1")) == PICTURE
    assert time.monotonic() - start >= 1.0


@pytest.mark.parametrize("wait", ["60", formatdate(time.time() + 3600, usegmt=True).replace(" ", "%20")])
def test_a_wait_beyond_the_deadline_is_not_begun(host: Host, fetcher: ImageFetcher, wait: str) -> None:
    with pytest.raises(ImageUnavailable, match="1 attempts: the host answers 429"):
        fetcher.fetch(host.url(f"busy/{wait}"))
    assert host.asked["busy"] == 1


@given(st.one_of(st.text(), st.from_regex(r"Mon, \d+ Jan \d+ \d+:\d+:\d+ [+-]\d+", fullmatch=True)))
def test_any_retry_after_gets_an_answer(value: str) -> None:
    assert _retry_after_s(value) >= 0.0


def test_an_announced_size_is_believed_before_reading(host: Host, fetcher: ImageFetcher) -> None:
    for size in ("1000001", "9" * 19):
        with pytest.raises(ImageRejected, match="more than max_bytes"):
            fetcher.fetch(host.url(f"announces/{size}"))


@pytest.mark.parametrize("size", ["-5", "1,2", "abc", "9" * 30])
def test_senseless_sizes_are_unavailable(host: Host, fetcher: ImageFetcher, size: str) -> None:
    with pytest.raises(ImageUnavailable, match="RemoteProtocolError"):
        fetcher.fetch(host.url(f"announces/{size}"))


def test_a_body_longer_than_announced_ends_there(host: Host, fetcher: ImageFetcher) -> None:
    assert fetcher.fetch(host.url("too_long")) == PICTURE[:10]
    assert fetcher.fetch(host.url("picture")) == PICTURE


def test_compressed_answers_are_refused(host: Host, fetcher: ImageFetcher) -> None:
    with pytest.raises(ImageRejected, match="compressed"):
        fetcher.fetch(host.url("bomb"))


# Conditional requests


def test_unchanged_pictures_are_not_sent_again(host: Host, fetcher: ImageFetcher) -> None:
    first = fetcher.fetch_if_changed(host.url("tagged/v1"), None)
    assert (first.data, first.etag) == (PICTURE, '"v1"')
    again = fetcher.fetch_if_changed(host.url("tagged/v1"), first.etag)
    assert (again.data, again.etag) == (None, '"v1"')
    changed = fetcher.fetch_if_changed(host.url("tagged/v2"), first.etag)
    assert (changed.data, changed.etag) == (PICTURE, '"v2"')
    assert fetcher.fetch_if_changed(host.url("picture"), '"v1"').etag is None


@pytest.mark.parametrize("etag", ["", "v1", '"v1', '"a"b"', '"a"\r\nx: "y"', '"é"', "*"])
def test_malformed_etags_are_not_sent(host: Host, fetcher: ImageFetcher, etag: str) -> None:
    assert fetcher.fetch_if_changed(host.url("tagged/v1"), etag).data == PICTURE
    assert "if-none-match" not in host.headers[-1]


# TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def secure(authority: trustme.CA) -> Iterator[Host]:
    host = Host()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sni_callback = lambda _socket, name, _context: host.names.append(name)
    authority.issue_cert("img.shop.test", "127.0.0.1").configure_cert(context)
    host.socket = context.wrap_socket(host.socket, server_side=True, do_handshake_on_connect=False)
    yield from serve(host)


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return tmp_path / "ca.pem"


def test_tls_verifies_the_name_not_the_address(secure: Host, ca_file: Path) -> None:
    policy = policy_for(secure, ca_file=ca_file)
    with ImageFetcher(policy, resolver=only("127.0.0.1")) as fetcher:
        assert fetcher.fetch(f"https://img.shop.test.:{secure.port}/picture") == PICTURE
        assert fetcher.fetch(f"https://127.0.0.1:{secure.port}/picture") == PICTURE
        assert secure.names == ["img.shop.test", None]
        with pytest.raises(ImageUnavailable, match=r"1 attempts.*Hostname mismatch"):
            fetcher.fetch(f"https://other.test:{secure.port}/picture")


def test_unknown_authorities_are_not_trusted(secure: Host) -> None:
    with (
        ImageFetcher(policy_for(secure)) as fetcher,
        pytest.raises(ImageUnavailable, match=r"1 attempts.*CERTIFICATE_VERIFY"),
    ):
        fetcher.fetch(f"https://127.0.0.1:{secure.port}/picture")
    assert secure.asked.total() == 0


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_useless_ca_file_is_found_at_once(host: Host, tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "ca.pem").write_text(content)
    with pytest.raises(InvalidConfig, match="ca_file"):
        ImageFetcher(policy_for(host, ca_file=tmp_path / "ca.pem"))


def test_a_silent_handshake_is_a_timeout(host: Host) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        policy = policy_for(host, ports=(port,), connect_timeout_s=0.1, retries=0)
        with ImageFetcher(policy) as fetcher, pytest.raises(ImageUnavailable, match="ConnectTimeout"):
            fetcher.fetch(f"https://127.0.0.1:{port}/picture")
