"""Every container of a rendered release, run by its own command in its own environment against real servers.

What a kubelet would do is done here: volumes, secrets, init containers, probes, the end by SIGTERM. Each runs as its
user, as process 1 of its own, with nothing writable but its mounts.
"""

from __future__ import annotations

import functools
import hashlib
import http.server
import os
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.helm.containers.network import PodNetwork, outside
from tests.helm.containers.pods import Object, Pod, Volumes, pod_of
from tests.helm.containers.running import Running, request
from tests.helm.images.roots import Mount, can_contain, make_base
from tests.helm.rendering import CHART
from tests.services.kafka import PASSWORD, USER, KafkaBroker
from tests.services.milvus import start_lite
from tests.services.processes import Service, free_port
from tests.services.redis import SecureRedis, require_redis

import fourtower_encoders
import fourtower_workers

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(not can_contain(), reason="needs the rights to mount folders"),
]
RELEASE = "shop-fourtower"
LONG_RUNNING = ["search", "ingester", "worker", "toolbox"]
STARTED_IN_S = 180
CATALOG = '[attributes.color]\ntype = "string"\n'


@dataclass
class Servers:
    """What the release connects to."""

    broker: KafkaBroker
    redis: SecureRedis
    milvus: Service
    models: http.server.ThreadingHTTPServer
    sha256: str

    @property
    def ports(self) -> list[int]:
        return [self.broker.secure_port, self.redis.port, self.milvus.port, self.models.server_port]


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


def values(servers: Servers) -> Object:
    """As near to production as the servers of tests go; only Milvus Lite knows neither TLS nor users."""
    return {
        "insecure": {"milvus": True, "models": True, "network": True},
        "networkPolicy": {"enabled": False},
        "kafka": {
            "bootstrap": servers.broker.secure_bootstrap,
            "saslMechanism": "PLAIN",
            "auth": {"existingSecret": "kafka"},
            "tls": {"existingSecret": "kafka-ca"},
        },
        "redis": {"auth": {"existingSecret": "redis"}, "tls": {"existingSecret": "redis-ca"}},
        "milvus": {"address": f"milvus://127.0.0.1:{servers.milvus.port}", "alias": "products"},
        "models": {
            "first": {
                "source": "download",
                "url": f"http://127.0.0.1:{servers.models.server_port}/first.tar.gz",
                "sha256": servers.sha256,
            }
        },
        "generations": {
            "g1": {
                "live": True,
                "model": "first",
                "catalog": {"inline": CATALOG},
                "workers": {"cpu": {"settings": {"threads": 1}}},
            }
        },
        "search": {
            "replicas": 1,
            "keys": {"existingSecret": "keys"},
            "cursorKey": {"existingSecret": "cursor"},
            "drainSeconds": 1,
        },
        "test": {"apiKey": {"existingSecret": "test"}},
        "toolbox": {"enabled": True},
        "settings": {
            "topic": {"partitions": 3},
            "redis": {"prefix": SecureRedis.PREFIX},
            "ingester": {"session_timeout_s": 10},
        },
    }


@dataclass
class Release:
    """A rendered release, of which pods can be started."""

    objects: list[Object]
    volumes: Volumes
    folder: Path
    servers: Servers
    running: dict[str, tuple[Pod, Running, PodNetwork]] = field(default_factory=dict)

    def find(self, kind: str, name: str) -> Object:
        return next(
            each for each in self.objects if each["kind"] == kind and each["metadata"]["name"] == f"{RELEASE}-{name}"
        )

    def start(self, kind: str, name: str) -> tuple[Pod, Running, PodNetwork]:
        """Start a workload's pod: its init containers, one after the other, then its container."""
        pod = pod_of(self.find(kind, name), self.volumes)
        network = PodNetwork()
        for port in self.servers.ports:
            network.relay(port, outside(port))
        if "search" in self.running:
            network.relay(80, functools.partial(self.running["search"][2].connect, 8000))
        for each in pod.init:
            done = self._run(each, pod, network)
            assert done.wait(120) == 0, f"{each.name}: {done.output}"
        [container] = pod.containers
        return pod, self._run(container, pod, network), network

    def keep(self, component: str, kind: str, name: str) -> Running:
        """Start one that goes on running."""
        self.running[component] = self.start(kind, name)
        return self.running[component][1]

    def complete(self, kind: str, name: str, *, timeout_s: float = 240) -> str:
        """Run one to its end, which must be a good one; returns what it printed."""
        _, running, network = self.start(kind, name)
        try:
            code = running.wait(timeout_s)
            assert code == 0, f"{name} ended with {code}:\n{running.output[-4000:]}\n{self.logs()}"
            return running.output
        finally:
            running.kill()
            network.close()

    def logs(self) -> str:
        return "\n".join(f"--- {name}\n{run.output[-2000:]}" for name, (_, run, _) in self.running.items())

    def close(self) -> None:
        for _, running, network in self.running.values():
            running.kill()
            network.close()

    def _run(self, container: Any, pod: Pod, network: PodNetwork) -> Running:
        image = container.image.rpartition("/")[2].partition(":")[0]
        log = self.folder / f"{pod.name}-{container.name}-{time.monotonic_ns()}.log"
        root, mounts = image_of(image, self.folder)
        hosts = self.folder / "hosts"
        hosts.write_text(f"127.0.0.1 localhost {RELEASE}-search\n")
        mounts = (*mounts, Mount("/etc/hosts", hosts))
        return Running(container, root=root, network=network, mounts=mounts, log=log)


def image_of(name: str, folder: Path) -> tuple[Path, tuple[Mount, ...]]:
    """An image's root folder, and what is mounted into it.

    FOURTOWER_STAGES names a folder with the roots that the tests of images have built; without it, the environment that
    runs the tests stands in for what the images install.
    """
    built = Path(os.environ.get("FOURTOWER_STAGES", "")) / name
    if os.environ.get("FOURTOWER_STAGES") and built.exists():
        return built, ()
    root = folder / "image"
    if not root.exists():
        root.mkdir()
        make_base(root)
    environment = Path(sys.prefix)
    sources = Path(fourtower_workers.__file__).parents[2]
    found = {"/opt/fourtower": environment, str(environment): environment.resolve()}
    found |= {str(path): path for path in (sources, environment.resolve())}
    return root, tuple(Mount(target, source) for target, source in sorted(found.items()))


@pytest.fixture(scope="module")
def release(
    servers: Servers, key: tuple[str, str], helm: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Release]:
    """Rendered, its pods not yet started."""
    done = subprocess.run(
        [helm, "template", "shop", str(CHART), "--namespace", "shop", "--values", "-"],
        input=yaml.safe_dump(values(servers)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    objects = [each for each in yaml.safe_load_all(done.stdout) if each]
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
    volumes.learn(objects)
    made = Release(objects, volumes, folder, servers)
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


@pytest.mark.parametrize("component", [name for name in LONG_RUNNING if name != "toolbox"])
def test_a_pod_starts_and_becomes_ready_by_its_own_probes(started: Release, component: str) -> None:
    running = started.running[component][1]
    startup = running.container.spec["startupProbe"]
    allowed_s = startup["periodSeconds"] * startup["failureThreshold"]
    assert running.wait_until("startupProbe", allowed_s) < allowed_s
    running.wait_until("readinessProbe", STARTED_IN_S)
    assert running.probe("livenessProbe") == ""


def test_the_release_passes_its_own_test(started: Release) -> None:
    """A product is published, found by the search service, deleted, and gone."""
    for component in ("ingester", "worker", "search"):
        started.running[component][1].wait_until("readinessProbe", STARTED_IN_S)
    said = started.complete("Pod", "test")
    assert "found" in said
    assert "gone" in said


def test_searches_need_a_key_and_figures_do_not(started: Release, key: tuple[str, str]) -> None:
    network = started.running["search"][2]
    assert request(network, 8000, "/stats")[0] == 401
    status, body = request(network, 8001, "/metrics")
    assert status == 200
    assert "fourtower_service_requests_total" in body


@pytest.mark.parametrize(
    ("component", "metric"), [("ingester", "ingest_lag_records"), ("worker", "worker_events_total")]
)
def test_figures_are_where_prometheus_looks_for_them(started: Release, component: str, metric: str) -> None:
    running, network = started.running[component][1:]
    running.wait_until("readinessProbe", STARTED_IN_S)
    assert f"fourtower_{metric}" in request(network, 8001, "/metrics")[1]


def test_the_reconciler_finds_nothing_to_mend(started: Release) -> None:
    started.complete("CronJob", "reconcile")


def test_a_second_bootstrap_changes_nothing(started: Release) -> None:
    started.complete("Job", "bootstrap")


def test_commands_work_in_the_toolbox(started: Release) -> None:
    running = started.running["toolbox"][1]
    for words in (["status", "--once"], ["reindex", "status"], ["dlq", "list"], ["topics", "show"]):
        assert running.execute(["fourtower", *words], timeout_s=60) == ""


@pytest.mark.parametrize("component", ["search", "ingester", "worker"])
def test_a_pod_stays_alive_while_its_servers_are_away(started: Release, component: str) -> None:
    """Cut off from all of them, it may become unready; a restart would help nobody."""
    running, network = started.running[component][1:]
    running.wait_until("startupProbe", STARTED_IN_S)
    with network.cut_off():
        for _ in range(20):
            time.sleep(1)
            assert running.alive, running.output[-4000:]
            assert running.probe("livenessProbe") == ""
    running.wait_until("readinessProbe", STARTED_IN_S)


@pytest.mark.parametrize("component", LONG_RUNNING)
def test_a_pod_ends_well_within_its_grace_period(started: Release, component: str) -> None:
    pod, running, network = started.running[component]
    if "readinessProbe" in running.container.spec:
        running.wait_until("readinessProbe", STARTED_IN_S)
    code, seconds = running.stop(pod.grace_s)
    assert code == 0, running.output[-4000:]
    assert seconds < pod.grace_s
    network.close()
    del started.running[component]


@pytest.mark.parametrize(
    ("kind", "name"),
    [("StatefulSet", "g1-ingester"), ("Deployment", "g1-worker-cpu"), ("Deployment", "search")],
)
def test_a_pod_can_be_told_to_end_while_it_starts(started: Release, kind: str, name: str) -> None:
    """As process 1 it would not notice a signal before it has said what that means to it."""
    pod, running, network = started.start(kind, name)
    try:
        running.wait_until_it_heeds_sigterm()
        _, seconds = running.stop(pod.grace_s)
        assert seconds < pod.grace_s
    finally:
        running.kill()
        network.close()
