"""`fourtower serve` as a process: its probes, its metrics, its end."""

import json
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from tests.search.service.live import error_of, posted, stranger, until

from fourtower_encoders.synth import SynthConfig, write_catalog
from fourtower_workers.cli import COMMANDS
from fourtower_workers.index_cli import load
from fourtower_workers.serve_cli import serve

MAIN = "from fourtower_workers.cli import main; main()"
LISTENS = re.compile(r"Listening on (http://[^ ;]+); probes and metrics on port (\d+)")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A folder with a small index."""
    folder = tmp_path_factory.mktemp("served")
    write_catalog(folder / "catalog", SynthConfig(products=48, size=64, photos=1, tasks_per_kind=8))
    load(folder / "catalog" / "events.jsonl", index=str(folder / "products.db"))
    return folder


class Process:
    """The command, running, and where it listens."""

    def __init__(self, folder, *arguments):
        command = [sys.executable, "-c", MAIN, "serve", "--port", "0", "--probe-port", "0", *arguments]
        self.errors = Path(folder, f"errors-{time.monotonic_ns()}.log")
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=errors)

    def __enter__(self):
        until(lambda: LISTENS.search(self.said) or self.process.poll() is not None, 60)
        found = LISTENS.search(self.said)
        assert found, self.said
        self.address, self.probes = found[1], f"http://127.0.0.1:{found[2]}"
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    @property
    def said(self):
        return self.errors.read_text()

    def probe(self, path):
        return httpx.get(self.probes + path, timeout=30, trust_env=False)

    def wait(self):
        return self.process.wait(60)


def refusal(*arguments):
    """What a command that does not start says, and its exit code."""
    done = command("serve", *arguments)
    return done.returncode, done.stderr


def command(*arguments, **options):
    words = [sys.executable, "-c", MAIN, *arguments]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=120, **options)


def test_it_is_listed_with_its_own_help():
    assert COMMANDS["serve"].target == "fourtower_workers.serve_cli:serve"
    assert COMMANDS["serve"].short_help == serve.__doc__.partition("\n")[0]


def test_it_serves_shows_how_it_is_and_ends_when_told_to(built):
    with Process(built, "--log-format", "json") as running, stranger(running.address) as http:
        assert running.probe("/livez").status_code == 200
        until(lambda: running.probe("/readyz").status_code == 200)
        assert http.post("/search", json={"query": "mug", "limit": 2}).status_code == 200
        assert http.post("/search", json={"limt": 2}).status_code == 422
        assert http.get("/").status_code == 200
        metrics = running.probe("/metrics").text
        assert 'fourtower_service_requests_total{route="/search",status="200"} 1.0' in metrics
        assert 'fourtower_service_requests_total{route="/search",status="422"} 1.0' in metrics
        for name in ("request_seconds_bucket", "waiting", "running", "batched_searches_total", "embeddings_total"):
            assert f"fourtower_service_{name}" in metrics
        running.process.send_signal(signal.SIGTERM)
        assert running.wait() == 0
        lines = [json.loads(line) for line in running.said.splitlines()]
        assert {line["level"] for line in lines} == {"info"}


def test_told_to_end_it_finishes_what_it_has_begun(built):
    with Process(built) as running:
        until(lambda: running.probe("/readyz").status_code == 200)
        host, port = running.address.removeprefix("http://").split(":")
        request = posted("/search", b'{"query": "mug", "limit": 2}')
        with socket.create_connection((host, int(port)), timeout=30) as begun:
            begun.sendall(request[:-10])
            with stranger(running.address) as http:  # after this answer, what was sent before it has been read
                assert http.post("/search", json={"query": "mug"}).status_code == 200
            running.process.send_signal(signal.SIGTERM)
            until(lambda: refused(host, int(port)))
            assert running.process.poll() is None
            begun.sendall(request[-10:])
            assert begun.recv(100).startswith(b"HTTP/1.1 200")
        assert running.wait() == 0


def refused(host, port):
    try:
        socket.create_connection((host, port), timeout=5).close()
    except OSError:
        return True
    return False


def test_it_starts_nowhere_where_others_could_reach_it_without_keys(built):
    code, said = refusal("--host", "0.0.0.0", "--port", "0")
    assert code == 2
    assert said.startswith("fourtower: ")
    assert len(said.splitlines()) == 1
    assert "--keys" in said
    assert "--insecure" in said
    with Process(built, "--host", "0.0.0.0", "--insecure") as running:
        assert "everybody who reaches" in running.said


def test_with_keys_it_answers_those_who_have_one(built):
    made = command("keys", "create", "web", "--scope", "search", "--file", "keys.json", cwd=built)
    assert made.returncode == 0, made.stderr
    [secret] = re.findall(r"ft_\S+", made.stdout)
    with Process(built, "--host", "0.0.0.0", "--keys", "keys.json") as running:
        with stranger(running.address.replace("0.0.0.0", "127.0.0.1")) as http:
            until(lambda: running.probe("/readyz").status_code == 200)
            error_of(http.post("/search", json={"query": "mug"}), 401, "unauthenticated")
            answer = http.post("/search", json={"query": "mug"}, headers={"X-API-Key": secret})
            assert answer.status_code == 200
        assert secret not in running.said


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--index", "none.db", "--port", "0", "--probe-port", "0"], 1, "There is no index"),
        (["--port", "-1"], 2, "FOURTOWER_SERVICE_PORT"),
        (["--host", "192.0.2.1", "--insecure"], 2, "can't listen"),
        (["--keys", "none.json"], 2, "none.json"),
        (["--log-format", "xml"], 2, "FOURTOWER_SERVICE_LOG_FORMAT"),
    ],
)
def test_what_can_not_work_is_said_in_one_sentence(tmp_path, monkeypatch, arguments, code, said):
    monkeypatch.chdir(tmp_path)
    found, text = refusal(*arguments)
    last = text.splitlines()[-1]
    assert (found, said in last, last.startswith("fourtower: ")) == (code, True, True), text


def test_all_settings_are_listed():
    done = command("serve", "--settings", "--json", "--token", "SECRET")
    assert done.returncode == 0
    assert "FOURTOWER_SERVICE_MAX_BODY_BYTES" in done.stdout
    assert "SECRET" not in done.stdout
