"""Each image, built without Docker by the Dockerfile's own instructions, and started as a cluster starts it."""

from __future__ import annotations

import re
import subprocess

import pytest
from tests.helm.images.building import Builder, size_mb
from tests.helm.images.roots import Mount, can_contain, contained
from tests.helm.rendering import IMAGES

TORCHLESS = ["search", "ingester", "worker-cpu"]
ALL = [*TORCHLESS, "worker-gpu"]
FIRST = {"search": "serve", "ingester": "ingest", "worker-cpu": "worker", "worker-gpu": "worker"}
INSTALLED = "from importlib.metadata import distributions\nfor d in distributions(): print(d.name, d.version)"

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not can_contain(), reason="needs the rights to mount folders"),
]


def run(builder: Builder, target: str, *command: str) -> str:
    """What a command prints in an image: as its user, nothing writable but /tmp, as its first process."""
    words = contained(
        builder.root(target),
        list(command),
        env=builder.dockerfile.environment(target),
        user=10001,
        workdir="/tmp",
        mounts=(Mount("/tmp"),),
        readonly=True,
    )
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("target", ALL)
def test_an_image_starts_its_process(builder: Builder, target: str) -> None:
    said = run(builder, target, "fourtower", FIRST[target], "--settings")
    assert "FOURTOWER_" in said


@pytest.mark.parametrize("target", TORCHLESS)
def test_no_image_but_that_for_gpus_holds_torch(builder: Builder, target: str) -> None:
    assert "torch" not in run(builder, target, "python", "-c", INSTALLED).split()


@pytest.mark.parametrize("target", ALL)
def test_an_image_holds_the_versions_that_were_tested_and_no_installer(builder: Builder, target: str) -> None:
    lines = run(builder, target, "python", "-c", INSTALLED).splitlines()
    found = {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in (line.split() for line in lines)}
    pinned = dict(
        line.split("==") for line in (IMAGES / "constraints.txt").read_text().splitlines() if not line.startswith("#")
    )
    assert found.pop("fourtower")
    assert "pip" not in found
    assert found == {name: pinned.get(name) for name in found}


@pytest.mark.parametrize("target", ALL)
def test_an_image_embeds_or_at_least_reads_the_shipped_model(builder: Builder, target: str) -> None:
    assert '"dim"' in run(builder, target, "fourtower", "model", "info", "demo", "--json")


@pytest.mark.parametrize("target", ["search", "worker-cpu", "worker-gpu"])
def test_an_image_encodes(builder: Builder, target: str) -> None:
    code = (
        "from fourtower_encoders.embedder import Embedder\n"
        "with Embedder.load('demo', device='cpu') as embedder: print(embedder.embed_texts(['a mug']).shape)"
    )
    assert re.match(r"\(1, \d+\)", run(builder, target, "python", "-c", code))


@pytest.mark.parametrize("target", ALL)
def test_an_image_is_as_large_as_its_document_says(builder: Builder, target: str) -> None:
    stated = re.search(rf"^\| `{target}` \|.*\| (\d[\d,]*) MB \|", (IMAGES / "README.md").read_text(), re.MULTILINE)
    assert stated, f"no size of {target} is stated"
    assert size_mb(builder.root(target) / "opt" / "fourtower") == pytest.approx(
        int(stated[1].replace(",", "")), rel=0.1
    )
