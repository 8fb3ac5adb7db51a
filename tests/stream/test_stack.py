"""What a newcomer does: start the stack, type what docs/ingestion.md says, find the product, end the stack."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from pathlib import Path

import pytest
import yaml
from tests.services.kafka import require_kafka
from tests.services.redis import require_redis
from tests.stream.cluster import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
ROOT = Path(__file__).parents[2]
SHELL_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


class Stack:
    """The stack in a folder of its own, and a shell that talks to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = os.environ | {"STACK_FOLDER": str(folder), "TERM": "dumb", "COLUMNS": "120"}

    def __call__(self, action: str) -> str:
        command = [str(ROOT / "scripts" / "stack"), action]
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=200, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def shell(self, line: str) -> str:
        script = f"source '{self.folder}/env'; set -eo pipefail; {line}"
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout

    def groups(self) -> dict[str, int]:
        """The process groups that it started."""
        return {path.stem: int(path.read_text().split()[0]) for path in (self.folder / "run").glob("*.pid")}


@pytest.fixture
def stack(tmp_path):
    require_kafka()
    require_redis()
    stack = Stack(tmp_path / "stack")
    yield stack
    stack("stop")


def test_a_newcomer_finds_what_was_published_within_a_minute(stack):
    began = time.monotonic()
    stack("start")
    for line in documented():
        stack.shell(line)
    found = wait_until(
        lambda: json.loads(stack.shell('fourtower search "submarine mug" --json'))["hits"], what="the product is found"
    )
    for_the_rest_of_the_document_s = 6 * len(documented())
    assert time.monotonic() - began < 60 + for_the_rest_of_the_document_s
    assert found[0]["product_id"] == "mug-7"

    groups = stack.groups()
    assert groups.keys() == {"kafka", "redis", "milvus", "ingester", "worker"}
    assert stack("start").count("runs already") == 5
    assert stack.groups() == groups
    stack("stop")
    assert not any(map(alive, groups.values()))

    stack("start")
    assert json.loads(stack.shell('fourtower search "submarine mug" --json'))["hits"][0]["product_id"] == "mug-7"


def test_compose_names_versions_checks_health_and_opens_nothing_to_others():
    composed = yaml.safe_load((ROOT / "compose.yaml").read_text())
    assert composed["services"].keys() == {"kafka", "valkey", "milvus", "etcd", "minio"}
    used = set()
    for name, service in composed["services"].items():
        assert re.fullmatch(r"[a-z./]+:(v?[0-9]+(\.[0-9]+){2}(-[a-z]+)?|RELEASE\.[0-9TZ-]+)", service["image"]), name
        assert service["healthcheck"]["test"], name
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ())), name
        used |= {volume.partition(":")[0] for volume in service.get("volumes", ())}
    assert used == composed["volumes"].keys()


def documented() -> list[str]:
    """The lines of the document that are marked as to be typed into a shell."""
    text = (ROOT / "docs" / "ingestion.md").read_text()
    lines = [line for block in SHELL_BLOCK.findall(text) for line in block.splitlines() if line.strip()]
    assert len(lines) > 10
    return lines


def alive(group: int) -> bool:
    """Whether anything of a process group is left but what waits to be buried by its parent."""
    listed = subprocess.run(["ps", "-eo", "pgid=,stat="], capture_output=True, text=True, check=True).stdout
    return any(line.split()[0] == str(group) and "Z" not in line.split()[1] for line in listed.splitlines())
