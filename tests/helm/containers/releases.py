"""A rendered release whose pods run as processes, in the roots of the images, beside real servers."""

from __future__ import annotations

import functools
import http.server
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from tests.helm.containers.network import PodNetwork, outside
from tests.helm.containers.pods import Container, Object, Pod, Volumes, pod_of
from tests.helm.containers.running import Running
from tests.helm.images.building import Builder
from tests.helm.images.roots import Mount
from tests.helm.rendering import CHART
from tests.services.kafka import KafkaBroker
from tests.services.processes import Service
from tests.services.redis import SecureRedis

RELEASE = "shop-fourtower"
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


def values(servers: Servers, name: str) -> Object:
    """As near to production as the servers of tests go; only Milvus Lite knows neither TLS nor users.

    Topics, group and index are called after `name`: releases of several tests share the brokers.
    """
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
        "milvus": {"address": f"milvus://127.0.0.1:{servers.milvus.port}", "alias": name},
        "consumerGroup": name,
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
            "topic": {
                "partitions": 3,
                "updates": f"{name}.updates",
                "dead_letters": f"{name}.dlq",
                "replays": f"{name}.replay",
            },
            "redis": {"prefix": SecureRedis.PREFIX},
            "ingester": {"session_timeout_s": 10},
        },
    }


@dataclass
class Release:
    """A rendered release, of which pods can be started."""

    helm: str
    values: Object
    volumes: Volumes
    folder: Path
    servers: Servers
    builder: Builder
    objects: list[Object] = field(default_factory=list)
    running: dict[str, tuple[Pod, Running, PodNetwork]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.upgrade({})

    def upgrade(self, changes: Object) -> None:
        """Render it anew, with more values over those it has; what runs is left as it is."""
        self.values = merged(self.values, changes)
        done = subprocess.run(
            [self.helm, "template", "shop", str(CHART), "--namespace", "shop", "--values", "-"],
            input=yaml.safe_dump(self.values),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        self.objects = [each for each in yaml.safe_load_all(done.stdout) if each]
        self.volumes.learn(self.objects)

    def find(self, kind: str, name: str) -> Object:
        """The object of a kind; `name` may be the beginning of its name, which ends with a hash then."""
        names = {each["metadata"]["name"]: each for each in self.objects if each["kind"] == kind}
        full = f"{RELEASE}-{name}"
        return names.get(full) or next(each for found, each in names.items() if found.startswith(f"{full}-"))

    def network(self) -> PodNetwork:
        """That of one pod: it reaches the servers, and the service of search where that runs."""
        network = PodNetwork()
        for port in self.servers.ports:
            network.relay(port, outside(port))
        if "search" in self.running:
            network.relay(80, functools.partial(self.running["search"][2].connect, 8000))
        return network

    def start(self, kind: str, name: str) -> tuple[Pod, Running, PodNetwork]:
        """Start a workload's pod: its init containers, one after the other, then its container."""
        pod, network = pod_of(self.find(kind, name), self.volumes), self.network()
        for each in pod.init:
            done = self.run(each, pod, network)
            code = done.wait_or_kill(120)
            if code != 0:
                network.close()
            assert code == 0, f"{each.name}: {done.output}"
        [container] = pod.containers
        return pod, self.run(container, pod, network), network

    def end(self, component: str) -> tuple[int, float, float]:
        """End one that runs, as the kubelet does; returns its exit code, how long it took, and how long it may take."""
        pod, running, network = self.running.pop(component)
        code, seconds = running.stop(pod.grace_s)
        network.close()
        return code, seconds, pod.grace_s

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

    def run(self, container: Container, pod: Pod, network: PodNetwork) -> Running:
        """Start one container of a pod."""
        image = container.image.rpartition("/")[2].partition(":")[0]
        log = self.folder / f"{pod.name}-{container.name}-{time.monotonic_ns()}.log"
        hosts = self.folder / "hosts"
        hosts.write_text(f"127.0.0.1 localhost {RELEASE}-search\n")
        mounts = (Mount("/etc/hosts", hosts),)
        return Running(container, root=self.builder.root(image), network=network, mounts=mounts, log=log)


def merged(values: Object, changes: Object) -> Object:
    """Values with changes over them, as helm lays one file over another."""
    found = dict(values)
    for name, value in changes.items():
        before = found.get(name)
        found[name] = merged(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return found
