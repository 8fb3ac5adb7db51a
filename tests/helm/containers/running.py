"""Starts rendered containers as processes: in the image's root, read-only, as its user, as its first process."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from tests.helm.containers.network import PodNetwork
from tests.helm.containers.pods import Container, Object
from tests.helm.images.roots import Mount, contained

IMAGE_ENVIRONMENT = {
    "PATH": "/opt/fourtower/bin:/usr/local/bin:/usr/bin:/bin",
    "HOME": "/tmp",
    "USER": "fourtower",
    "PYTHONUNBUFFERED": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}


class Running:
    """One container that was started.

    Args:
        container: what to run.
        root: its image's root folder.
        network: its pod's.
        mounts: what the machine of the test adds, such as the image's environment.
        log: what it prints.
    """

    def __init__(
        self, container: Container, *, root: Path, network: PodNetwork, mounts: tuple[Mount, ...], log: Path
    ) -> None:
        self.container, self.log = container, log
        self._network = network
        self._env = IMAGE_ENVIRONMENT | container.env
        command = contained(
            root,
            container.command,
            env=self._env,
            user=container.user,
            workdir="/tmp",
            mounts=(*mounts, *container.mounts),
            readonly=True,
        )
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                ["nsenter", f"--net=/proc/{network.pid}/ns/net", *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def output(self) -> str:
        """What it has printed."""
        return self.log.read_text(errors="replace")

    def wait(self, timeout_s: float) -> int:
        """Wait for its end, and return its exit code."""
        return self._process.wait(timeout=timeout_s)

    def wait_or_kill(self, timeout_s: float) -> int | None:
        """Wait for its end, and return its exit code; None where it had to be killed."""
        try:
            return self.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            return None

    def probe(self, kind: str) -> str:
        """Ask as the kubelet does; nothing where the answer is good."""
        probe = self.container.spec[kind]
        if "exec" in probe:
            return self.execute(probe["exec"]["command"], probe.get("timeoutSeconds", 1))
        return self._ask(probe["httpGet"], probe.get("timeoutSeconds", 1))

    def wait_until(self, kind: str, timeout_s: float) -> float:
        """Wait until a probe is content; returns how long that took."""
        began = time.monotonic()
        while problem := self.probe(kind):
            assert self.alive, f"{self.container.name} has ended:\n{self.output[-4000:]}"
            waited = time.monotonic() - began
            assert waited < timeout_s, f"{kind} of {self.container.name}: {problem}\n{self.output[-4000:]}"
            time.sleep(1)
        return time.monotonic() - began

    def stop(self, grace_s: float) -> tuple[int, float]:
        """End it as the kubelet does, its preStop hook first; returns the exit code and how long it took."""
        began = time.monotonic()
        hook = self.container.spec.get("lifecycle", {}).get("preStop")
        if hook:
            self.execute(hook["exec"]["command"], grace_s)
        os.kill(self._first(), signal.SIGTERM)
        code = self._process.wait(timeout=max(1.0, grace_s - (time.monotonic() - began)))
        return code, time.monotonic() - began

    def kill(self) -> None:
        """End it at once, with all that it started."""
        if self.alive:
            for first in self._children():  # with process 1 all of its processes end
                os.kill(first, signal.SIGKILL)
            if not self._children():
                self._process.kill()
            self._process.wait()

    def wait_until_it_heeds_sigterm(self, timeout_s: float = 30) -> None:
        """Wait until the program has said what SIGTERM means: to process 1 it means nothing by itself."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            for first in self._children():
                status = Path(f"/proc/{first}/status").read_text()
                caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:"))
                if int(caught, 16) >> (signal.SIGTERM - 1) & 1:
                    return
            assert self.alive, f"{self.container.name} has ended:\n{self.output[-4000:]}"
            time.sleep(0.05)
        raise AssertionError(f"{self.container.name} does not heed SIGTERM {timeout_s:g} s after its start")

    def _first(self) -> int:
        """The process that is number 1 in the container: the only child of the one that set it up."""
        children = self._children()
        assert len(children) == 1, f"{self.container.name} has not begun, or has ended:\n{self.output[-4000:]}"
        return children[0]

    def _entered(self, timeout_s: float = 60) -> int:
        """The same process, once it is in its root folder with all that is mounted there."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            for first in self._children():
                with suppress(FileNotFoundError):  # it has ended
                    if os.readlink(f"/proc/{first}/root") != "/":
                        return first
            assert self.alive, f"{self.container.name} has ended:\n{self.output[-4000:]}"
            time.sleep(0.05)
        raise AssertionError(f"{self.container.name} has not begun {timeout_s:g} s after its start")

    def _children(self) -> list[int]:
        try:
            text = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text()
        except FileNotFoundError:
            return []
        return [int(number) for number in text.split()]

    def execute(self, command: list[str], timeout_s: float) -> str:
        """Run a command in the container; what is wrong, or nothing."""
        try:
            done = self.call(command, timeout_s)
        except subprocess.TimeoutExpired:
            return f"no answer within {timeout_s:g} s"
        return "" if done.returncode == 0 else f"exit code {done.returncode} {done.stdout}{done.stderr}"

    def call(self, command: list[str], timeout_s: float, given: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command in the container, as `kubectl exec` does."""
        enter = ["nsenter", f"--target={self._entered()}", "--mount", "--pid", "--net", "--root", "--wd"]
        user = self.container.user
        rights = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--no-new-privs"]
        pairs = [f"{name}={value}" for name, value in self._env.items()]
        return subprocess.run(
            [*enter, *rights, "env", "-i", *pairs, *command],
            input=given,
            capture_output=True,
            text=True,
            timeout=timeout_s + 1,
            check=False,
        )

    def _ask(self, get: Object, timeout_s: float) -> str:
        port = self._port(get["port"])
        try:
            status, body = request(self._network, port, get.get("path", "/"), timeout_s=timeout_s)
        except (OSError, http.client.HTTPException) as error:
            return f"port {port}: {error}"
        return "" if 200 <= status < 400 else f"{status} {body}"

    def _port(self, name: str | int) -> int:
        ports = {each.get("name"): each["containerPort"] for each in self.container.spec.get("ports", [])}
        return name if isinstance(name, int) else int(ports[name])


def request(
    network: PodNetwork, port: int, path: str, *, headers: dict[str, str] | None = None, timeout_s: float = 10
) -> tuple[int, str]:
    """GET from what listens in a pod."""
    connection = http.client.HTTPConnection("pod", port, timeout=timeout_s)
    connection.sock = network.connect(port)
    connection.sock.settimeout(timeout_s)
    try:
        connection.request("GET", path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    finally:
        connection.close()
