"""A real Redis for tests, which keeps nothing on disk: what a restart forgets is part of the contract."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.services.processes import Server, Service, free_port, start

PROGRAMS = ("redis-server", "valkey-server")


class RedisServer(Server):
    """A Redis; empty after every start."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(self._run)

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"redis://127.0.0.1:{self.port}/0"

    def flush(self) -> None:
        """Forget everything, as FLUSHALL does."""
        import redis

        with redis.Redis.from_url(self.url) as client:
            client.flushall()

    def _run(self) -> Service:
        command = [str(_program()), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder)]
        command += ["--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction"]
        return start(command, port=self.port, log=self._folder / "server.log", ready=self._answers, timeout_s=20)

    def _answers(self) -> bool:
        import redis

        try:
            with redis.Redis.from_url(self.url, socket_timeout=1) as client:
                return bool(client.ping())
        except (redis.RedisError, OSError):
            return False


def _program() -> str | None:
    return next((found for program in PROGRAMS if (found := shutil.which(program))), None)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis for tests that leave it running; each should use a prefix of its own."""
    require_redis()
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def new_redis(tmp_path: Path) -> Iterator[Callable[[], RedisServer]]:
    """Starts a Redis of the test's own, to be killed, frozen and started again."""
    require_redis()
    servers: list[RedisServer] = []

    def started() -> RedisServer:
        server = RedisServer(tmp_path / f"redis-{len(servers)}")
        servers.append(server)
        server.start()
        return server

    yield started
    for server in servers:
        server.stop()


def require_redis() -> None:
    """Skip the test where there is no Redis."""
    if _program() is None:
        pytest.skip("redis-server is not installed; `make services` installs it")
