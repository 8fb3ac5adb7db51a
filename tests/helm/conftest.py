"""What the tests of the chart and its images run: helm, which `make helm-check` builds beforehand, and built images."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.helm.images.building import Builder
from tests.helm.images.dockerfile import read
from tests.helm.rendering import IMAGES, ROOT


@pytest.fixture(scope="session")
def helm(tmp_path_factory):
    """The path of a helm that keeps its own files in a folder of this run."""
    found = subprocess.run([ROOT / "scripts" / "helm", "--built"], capture_output=True, text=True, check=False)
    if found.returncode:
        pytest.skip(f"helm is not here; `make helm-check` builds it. {found.stderr.strip()}".strip())
    home = tmp_path_factory.mktemp("helm")
    for name in ("HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"):
        os.environ[name] = str(home / name.lower())
    return found.stdout.strip()


@pytest.fixture(scope="session")
def builder(tmp_path_factory):
    """Builds each image once for all tests; FOURTOWER_STAGES names a folder to keep them in for the next run."""
    kept = os.environ.get("FOURTOWER_STAGES")
    folder = Path(kept) if kept else tmp_path_factory.mktemp("stages")
    yield Builder(read(IMAGES / "Dockerfile"), context=ROOT, folder=folder, cache=downloads())
    if not kept:
        shutil.rmtree(folder)


def downloads():
    """Where pip keeps on this machine what it has downloaded."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("PIP_CACHE_DIR") or caches / "pip")
