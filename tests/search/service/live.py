"""A service that really listens, in a thread of the test, and strangers who speak to it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import uvicorn

from fourtower_search.service.settings import ServiceSettings

WAIT_S = 30.0


def settings_of(**changes):
    """Settings of a test, which listen on a free port; a machine that is busy with other tests may take its time."""
    return ServiceSettings(**{"port": 0, "probe_port": 0, "grace_s": 5.0, "timeout_s": 60.0, **changes})


@contextmanager
def running(app) -> Iterator[str]:
    """The address of an application while it runs."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan="on", timeout_graceful_shutdown=5)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="test-service")
    thread.start()
    try:
        until(lambda: server.started or not thread.is_alive())
        assert server.started, "the application did not start"
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(WAIT_S)
        assert not thread.is_alive(), "the application did not end"


def stranger(address, **settings):
    """A client that knows nothing but HTTP."""
    return httpx.Client(base_url=address, timeout=WAIT_S, trust_env=False, **settings)


def until(condition, seconds=WAIT_S):
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


class Held:
    """A re-ranker that holds searches until it is let go."""

    def __init__(self):
        self.go, self.entered = threading.Event(), threading.Semaphore(0)

    def __call__(self, query, candidates):
        self.entered.release()
        assert self.go.wait(WAIT_S)
        return [each.score for each in candidates]


def broken(query, candidates):
    """A re-ranker that fails, with something in its message that belongs into no log and no answer."""
    raise RuntimeError("SECRET of the caller")


def posted(path, data):
    """A request as it goes over the line."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    return head.encode() + f"Content-Length: {len(data)}\r\n\r\n".encode() + data


def form(parts, boundary="seam"):
    """A form as bytes, written by hand: (headers, content) each; and its content type."""
    lines = [f"--{boundary}\r\n".encode() + head + b"\r\n\r\n" + content + b"\r\n" for head, content in parts]
    return b"".join([*lines, f"--{boundary}--\r\n".encode()]), f"multipart/form-data; boundary={boundary}"


def named(name, content, *, file=None):
    """One part of a form."""
    said = f'Content-Disposition: form-data; name="{name}"' + (f'; filename="{file}"' if file is not None else "")
    return said.encode(), content


def error_of(response, status, code):
    """The error of an answer, which has the one shape."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    said = response.json()
    assert set(said) == {"code", "message", "detail", "request_id"}
    assert said["code"] == code
    assert said["request_id"] == response.headers["x-request-id"]
    return said
