"""A real Kubernetes API server for tests: what it refuses or warns of here, it does in every cluster of its version."""

from __future__ import annotations

import json
import os
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

Object = dict[str, Any]
ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "fourtower"
RESTRICTED = "restricted"


class Refused(AssertionError):
    """The server, or helm, did not accept something."""


class ScriptFailed(Exception):
    """One of our scripts ended with an error, which is the message."""


class ApiServer:
    """A running API server, and the programs that speak to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kubeconfig = Path(_output("kubernetes", "start", str(folder)))
        self._kubectl = kubernetes() / "kubectl"
        self._helm = helm()
        self._environment = os.environ | {
            "KUBECONFIG": str(self.kubeconfig),
            "HELM_CACHE_HOME": str(folder / "helm" / "cache"),
            "HELM_CONFIG_HOME": str(folder / "helm" / "config"),
            "HELM_DATA_HOME": str(folder / "helm" / "data"),
        }

    def stop(self) -> None:
        """End it."""
        _output("kubernetes", "stop", str(self.folder))

    def learn_kinds(self) -> None:
        """Define the kinds of KEDA and of the Prometheus operator, as their projects do."""
        wanted = ("scaledobjects", "triggerauthentications", "servicemonitors", "prometheusrules")
        folders = [Path(line) for line in _output("kubernetes", "crds").splitlines()]
        files = [file for folder in folders for file in sorted(folder.glob("*.yaml")) if file.stem.endswith(wanted)]
        assert len(files) >= len(wanted), f"definitions are missing in {folders}"
        for file in files:
            self.kubectl("create", "-f", str(file))
        self.kubectl("wait", "--for=condition=Established", "--timeout=60s", "crd", "--all")

    def kubectl(self, *words: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run kubectl.

        Raises:
            Refused: it did not succeed.
        """
        return self._run([str(self._kubectl), *words], given)

    def helm(self, *words: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run helm, likewise."""
        return self._run([self._helm, *words], given)

    def get(self, kind: str, name: str, namespace: str) -> Object:
        """One object."""
        found: Object = json.loads(self.kubectl("get", kind, name, "-n", namespace, "-o", "json").stdout)
        return found

    def all(self, kinds: str, namespace: str) -> list[Object]:
        """All objects of some kinds."""
        found = json.loads(self.kubectl("get", kinds, "-n", namespace, "-o", "json").stdout)
        return list(found["items"])

    @contextmanager
    def namespace(self, **security: str) -> Iterator[str]:
        """A namespace of a test's own, with modes of pod security such as `enforce="restricted"`."""
        name = f"shop-{uuid.uuid4().hex[:8]}"
        self.kubectl("create", "namespace", name)
        labels = [f"pod-security.kubernetes.io/{mode}={level}" for mode, level in security.items()]
        if labels:
            self.kubectl("label", "namespace", name, *labels)
        try:
            yield name
        finally:  # without controllers its contents would stay; nothing else uses it
            self.kubectl("delete", "namespace", name, "--wait=false")

    def _run(self, command: list[str], given: str | None) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command, input=given, env=self._environment, capture_output=True, text=True, timeout=300, check=False
        )
        if done.returncode:
            raise Refused(f"{' '.join(command[1:5])}: {done.stdout[-2000:]}{done.stderr[-4000:]}")
        return done


@cache
def helm() -> str:
    """The program; built if it is not there."""
    return _output("helm")


@cache
def kubernetes() -> Path:
    """The folder of kube-apiserver and kubectl; builds them, and installs etcd, if they are not there."""
    return Path(_output("kubernetes", "build"))


def wait_until(condition: Callable[[], Any], *, what: str, timeout_s: float = 60) -> Any:
    """Wait for something to be true, and return it."""
    deadline = time.monotonic() + timeout_s
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"after {timeout_s:g} s still not so: {what}")
        time.sleep(0.2)
    return found


def _output(script: str, *words: str) -> str:
    done = subprocess.run([str(ROOT / "scripts" / script), *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ScriptFailed(done.stderr.strip())
    return done.stdout.strip()
