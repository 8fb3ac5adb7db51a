"""A real Redis for tests, which keeps nothing on disk: what a restart forgets is part of the contract."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.services.processes import Server, Service, free_port, start

if TYPE_CHECKING:
    from redis import Redis

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
        with self.connect() as client:
            client.flushall()

    def connect(self) -> Redis:
        """A client."""
        import redis

        return redis.Redis.from_url(self.url, socket_timeout=1)

    def _run(self) -> Service:
        log = self._folder / "server.log"
        return start(self._command(), port=self.port, log=log, ready=self._answers, timeout_s=20)

    def _command(self) -> list[str]:
        command = [str(_program()), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder)]
        return [*command, "--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction"]

    def _answers(self) -> bool:
        import redis

        try:
            with self.connect() as client:
                return bool(client.ping())
        except (redis.RedisError, OSError):
            return False


class SecureRedis(RedisServer):
    """A Redis that speaks TLS only, and where our processes come in as a user who may do no more than they need."""

    USER, PASSWORD, PREFIX = "shop", "a-long-password", "shop1"

    def __init__(self, folder: Path) -> None:
        import trustme

        super().__init__(folder)
        authority, self.ca_file = trustme.CA(), folder / "ca.pem"
        authority.cert_pem.write_to_path(self.ca_file)
        own = authority.issue_cert("localhost", "127.0.0.1")
        own.private_key_pem.write_to_path(folder / "key.pem")
        own.cert_chain_pems[0].write_to_path(folder / "certificate.pem")

    @property
    def url(self) -> str:
        """Where it answers, for that user."""
        return f"rediss://{self.USER}:{self.PASSWORD}@localhost:{self.port}/0"

    def connect(self) -> Redis:
        """A client of the operator's."""
        import redis

        return redis.Redis(port=self.port, ssl=True, ssl_ca_certs=str(self.ca_file), socket_timeout=1)

    def _command(self) -> list[str]:
        tls = {"--tls-port": str(self.port), "--port": "0", "--tls-auth-clients": "no", "--tls-ca-cert-file": "ca.pem"}
        tls |= {"--tls-cert-file": "certificate.pem", "--tls-key-file": "key.pem"}
        rights = ["on", f">{self.PASSWORD}", f"~{self.PREFIX}:*", "&*", "+@all", "-@admin", "-@dangerous"]
        words = [word for pair in tls.items() for word in pair]
        return [*super()._command(), *words, "--user", self.USER, *rights]


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
