"""What stands before the application, on a real server."""

import json
import logging
import socket
from urllib.parse import urlsplit

import httpx
import pytest
from tests.search.service.live import running, settings_of

from fourtower_search.service.guard import SECURITY_HEADERS, Guard
from fourtower_search.service.origins import host_name

LIMIT = 10_000


async def echo(scope, receive, send):
    """Answers how much came, under which id; slowly, and in pieces, where it is asked to."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    if scope["path"] == "/early":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"cache-control", b"max-age=60")]})
        await send({"type": "http.response.body", "body": b"first ", "more_body": True})
    count = 0
    try:
        while True:
            message = await receive()
            count += len(message.get("body", b""))
            if message["type"] == "http.disconnect" or not message.get("more_body"):
                break
    except Exception:
        if scope["path"] != "/swallows":
            raise
    if scope["path"] != "/early":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    for piece in (str(count), " ", scope["state"]["request_id"]):
        await send({"type": "http.response.body", "body": piece.encode(), "more_body": True})
    await send({"type": "http.response.body"})


def serving(**settings):
    body_s = settings.pop("body_s", 60.0)
    return running(Guard(echo, settings=settings_of(max_body_bytes=LIMIT, **settings), body_s=body_s))


@pytest.fixture(scope="module")
def address():
    with serving() as address:
        yield address


@pytest.fixture
def http(address):
    with httpx.Client(base_url=address, trust_env=False) as client:
        yield client


def pieces(size, each=999):
    """A body without a length."""
    for start in range(0, size, each):
        yield b"x" * min(each, size - start)


def spoken(address, *lines, body=b""):
    """The answer to a request as it is written, to the end of the connection."""
    to = urlsplit(address)
    with socket.create_connection((to.hostname, to.port), timeout=30) as connection:
        connection.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1") + body)
        answer = b""
        while piece := connection.recv(65_536):
            answer += piece
    return answer


def status_of(answer):
    return int(answer.split(b" ", 2)[1])


def test_every_answer_has_an_id_which_the_application_knows(http):
    answers = [http.get("/") for _ in range(3)]
    ids = [each.headers["X-Request-Id"] for each in answers]
    assert len(set(ids)) == 3
    assert [each.text.split()[1] for each in answers] == ids


@pytest.mark.parametrize("given", ["abc", "0b8f7f4e-6e9c-4b1e", "trace:1.2_3", "a" * 100])
def test_a_sane_id_of_the_caller_is_kept(http, given):
    assert http.get("/", headers={"X-Request-Id": given}).headers["X-Request-Id"] == given


@pytest.mark.parametrize("given", ["", "a" * 101, "a b", "a\tb", "<b>", '"', "é", "-x", "a;b", "%0a", "{}"])
def test_an_id_that_could_break_a_log_is_replaced(http, given):
    answer = http.get("/", headers={"X-Request-Id": given.encode()})
    assert answer.headers["X-Request-Id"] == answer.text.split()[1]
    assert len(answer.headers["X-Request-Id"]) == 32


def test_of_two_ids_neither_is_taken(http):
    answer = http.get("/", headers=[("X-Request-Id", "a"), ("X-Request-Id", "b")])
    assert len(answer.headers["X-Request-Id"]) == 32


@pytest.mark.parametrize("size", [0, 1, LIMIT - 1, LIMIT])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_up_to_the_limit_passes(http, size, chunked):
    answer = http.post("/", content=pieces(size) if chunked else b"x" * size)
    assert (answer.status_code, answer.text.split()[0]) == (200, str(size))


@pytest.mark.parametrize("size", [LIMIT + 1, 50 * LIMIT])
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("path", ["/", "/swallows"])
def test_a_larger_body_is_refused(address, size, chunked, path):
    with httpx.Client(base_url=address, trust_env=False) as http:
        answer = http.post(path, content=pieces(size) if chunked else b"x" * size)
        assert answer.status_code == 413
        assert answer.json() == {
            "code": "too_large",
            "message": "The request is larger than 10,000 bytes.",
            "detail": None,
            "request_id": answer.headers["X-Request-Id"],
        }
        assert answer.headers["Connection"] == "close"
        assert http.get("/").status_code == 200


def test_a_body_that_is_declared_too_large_is_not_waited_for(address):
    answer = spoken(address, "POST / HTTP/1.1", "Host: localhost", f"Content-Length: {LIMIT + 1}")
    assert status_of(answer) == 413


def test_a_body_that_is_larger_than_declared_is_not_read_on(address):
    answer = spoken(address, "POST / HTTP/1.1", "Host: localhost", "Content-Length: 5", body=b"x" * 100)
    assert b"\r\n1\r\n5\r\n" in answer, "five bytes were counted"


def test_an_answer_that_began_already_ends_where_the_body_is_too_large(address, caplog):
    caplog.set_level(logging.CRITICAL + 1)  # the server tells of a broken answer
    with httpx.Client(base_url=address, trust_env=False) as http, pytest.raises(httpx.TransportError):
        http.post("/early", content=pieces(20 * LIMIT))


def test_a_body_that_never_comes_is_not_waited_for_for_ever():
    with serving(body_s=0.2) as address:
        answer = spoken(address, "POST / HTTP/1.1", "Host: localhost", "Content-Length: 10", body=b"12345")
        assert b"\r\n1\r\n5\r\n" in answer, "five bytes were counted"


def test_answers_stream_through_and_what_they_say_of_themselves_stays(http):
    with http.stream("GET", "/early") as answer:
        assert answer.headers["Cache-Control"] == "max-age=60"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "".join(answer.iter_text()).startswith("first 0")


@pytest.mark.parametrize("path", ["/", "/early"])
def test_every_answer_has_security_headers(http, path):
    answer = http.get(path)
    assert {name for name in SECURITY_HEADERS if name not in answer.headers} == set()


def test_refusals_have_them_too(http):
    answer = http.post("/", content=b"x" * (LIMIT + 1))
    assert {name: answer.headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:8000", "LOCALHOST", "localhost.", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:8000"],
)
def test_on_this_machine_it_answers_to_this_machines_names(address, host):
    assert status_of(spoken(address, "GET / HTTP/1.1", f"Host: {host}")) == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil.example#localhost",
        "localhost@evil.example",
        "[::1].evil.example:80",
        "[::2]",
        "10.0.0.1",
        "",
    ],
)
def test_without_keys_a_foreign_name_is_refused_as_a_page_may_have_got_it_to_mean_this_machine(address, host):
    answer = spoken(address, "GET / HTTP/1.1", f"Host: {host}")
    assert status_of(answer) == 421
    assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["code"] == "misdirected"


def test_a_request_without_a_name_or_with_two_is_refused(address):
    assert status_of(spoken(address, "GET / HTTP/1.0")) == 421
    assert status_of(spoken(address, "GET / HTTP/1.1", "Host: localhost", "Host: localhost")) in {400, 421}


def test_it_answers_to_the_names_that_it_was_given_and_no_others():
    with serving(allow_names="shop.example, search.internal:8000") as address:
        by_name = {
            host: status_of(spoken(address, "GET / HTTP/1.1", f"Host: {host}"))
            for host in ("shop.example", "SHOP.example:99", "search.internal", "localhost", "www.shop.example")
        }
    assert list(by_name.values()) == [200, 200, 200, 421, 421]


@pytest.mark.parametrize("settings", [{"keys": "keys.json"}, {"host": "0.0.0.0", "insecure": True}])
def test_where_keys_protect_it_or_others_reach_it_any_name_will_do(settings):
    with serving(**settings) as address:
        assert status_of(spoken(address, "GET / HTTP/1.1", "Host: shop.example")) == 200


def test_an_ipv6_address_may_be_given_as_it_is():
    assert host_name("::1") == host_name("[::1]:80") == "[::1]"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "https://shop.example"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://[broken"}, 403),
        ({"Origin": "http://localhost:3000", "Host": "localhost:8000"}, 403),
        ({"Origin": "http://localhost:8000", "Host": "localhost:8000"}, 200),
        ({"Origin": "https://localhost:8000", "Host": "localhost:8000"}, 200),
        ({"Sec-Fetch-Site": "cross-site", "X-API-Key": "any"}, 200),
        ({"Sec-Fetch-Site": "cross-site", "Authorization": "Bearer any"}, 200),
        ({"Sec-Fetch-Site": "cross-site", "Authorization": "Basic any"}, 403),
    ],
)
def test_a_page_of_another_site_can_not_have_a_browser_search_here(http, headers, status):
    answer = http.post("/", headers=headers, content=b"{}")
    assert answer.status_code == status
    assert status == 200 or answer.json()["code"] == "forbidden"
    assert http.get("/", headers=headers).status_code == 200, "what only reads is harmless"


def test_without_origins_no_script_of_another_site_is_told_anything(http):
    asked = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    for answer in (http.options("/", headers=asked), http.get("/", headers=asked)):
        assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.fixture(scope="module")
def open_to_a_shop():
    with serving(allow_origins="https://shop.example") as address, httpx.Client(base_url=address) as http:
        yield http


def test_scripts_of_an_allowed_origin_may_post_and_read_also_what_is_refused(open_to_a_shop):
    by_script = {"Origin": "https://shop.example", "Sec-Fetch-Site": "cross-site"}
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key, content-type"}
    allowed = open_to_a_shop.options("/", headers={**by_script, **asked})
    assert (allowed.status_code, allowed.headers["Access-Control-Allow-Origin"]) == (200, "https://shop.example")
    for body, status in ((b"{}", 200), (b"x" * (LIMIT + 1), 413)):
        answer = open_to_a_shop.post("/", headers=by_script, content=body)
        assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (status, "https://shop.example")
        assert "X-Request-Id" in answer.headers["Access-Control-Expose-Headers"]
        assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize("origin", ["https://evil.example", "http://shop.example", "https://shop.example.evil", "null"])
def test_those_of_other_origins_may_not(open_to_a_shop, origin):
    answer = open_to_a_shop.post("/", headers={"Origin": origin, "Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("origin", ["shop.example", "https://shop.example/", "https://shop.example/page", "*.example"])
def test_an_origin_that_would_never_match_is_no_setting(origin):
    with pytest.raises(ValueError, match="is no origin"):
        settings_of(allow_origins=origin)


def test_websockets_are_refused(address):
    answer = spoken(
        address,
        "GET / HTTP/1.1",
        "Host: localhost",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Version: 13",
    )
    assert status_of(answer) != 101


async def test_a_websocket_that_a_server_passes_on_is_closed(address):
    sent = []

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message)

    await Guard(echo, settings=settings_of())({"type": "websocket", "headers": []}, receive, send)
    assert [(message["type"], message["code"]) for message in sent] == [("websocket.close", 1008)]


pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"
