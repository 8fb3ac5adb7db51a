"""The servers that a release connects to, and one release for the tests of each file."""

from __future__ import annotations

import functools
import hashlib
import http.server
import tarfile
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.helm.containers.pods import Volumes
from tests.helm.containers.releases import Release, Servers, values
from tests.helm.images.building import Builder
from tests.services.kafka import PASSWORD, USER, KafkaBroker
from tests.services.milvus import start_lite
from tests.services.processes import free_port
from tests.services.redis import SecureRedis, require_redis

import fourtower_encoders


@pytest.fixture(scope="module")
def servers(kafka_broker: KafkaBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Kafka with TLS and a password, Redis with both, Milvus, and a server of models."""
    require_redis()
    folder = tmp_path_factory.mktemp("servers")
    archive = folder / "files" / "first.tar.gz"
    archive.parent.mkdir()
    with tarfile.open(archive, "w:gz") as file:
        file.add(Path(fourtower_encoders.__file__).parent / "demo", "first")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(archive.parent))
    models = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=models.serve_forever, daemon=True).start()
    redis = SecureRedis(folder / "redis")
    redis.start()
    milvus = start_lite(folder / "milvus", port=free_port())
    yield Servers(kafka_broker, redis, milvus, models, hashlib.sha256(archive.read_bytes()).hexdigest())
    milvus.stop()
    redis.stop()
    models.shutdown()
    models.server_close()


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """An API key, and the file that knows it."""
    from fourtower_search.service.key_file import edit_keys
    from fourtower_search.service.keys import new_key

    file = tmp_path_factory.mktemp("keys") / "keys.json"
    made, stored = new_key("test", ["search"])
    edit_keys(file, lambda before: [*before, stored])
    return made, file.read_text()


@pytest.fixture(scope="module")
def release(
    servers: Servers, key: tuple[str, str], helm: str, builder: Builder, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Release]:
    """Rendered, its pods not yet started."""
    folder = tmp_path_factory.mktemp("release")
    secrets = {
        "kafka": {"username": USER, "password": PASSWORD},
        "kafka-ca": {"ca.crt": servers.broker.ca_file.read_text()},
        "redis": {"url": servers.redis.url},
        "redis-ca": {"ca.crt": servers.redis.ca_file.read_text()},
        "keys": {"keys.json": key[1]},
        "cursor": {"cursor-key": "0123456789abcdef0123456789abcdef"},
        "test": {"api-key": key[0]},
    }
    volumes = Volumes(folder / "volumes", secrets=secrets)
    own = values(servers, f"shop_{uuid.uuid4().hex[:8]}")
    made = Release(helm, own, volumes, folder, servers, builder)
    yield made
    made.close()


@pytest.fixture(scope="module")
def started(release: Release) -> Release:
    """What `helm install` would start, in its order."""
    release.complete("Job", "bootstrap")
    release.keep("ingester", "StatefulSet", "g1-ingester")
    release.keep("worker", "Deployment", "g1-worker-cpu")
    release.keep("search", "Deployment", "search")
    release.keep("toolbox", "Deployment", "toolbox")
    return release
