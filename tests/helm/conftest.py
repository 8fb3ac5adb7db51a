"""Helm for the tests of the chart; `make helm-check` builds it beforehand."""

import os
import subprocess

import pytest
from tests.helm.rendering import ROOT


@pytest.fixture(scope="session")
def helm(tmp_path_factory):
    """The path of a helm that keeps its own files in a folder of this run."""
    found = subprocess.run([ROOT / "scripts" / "helm", "--built"], capture_output=True, text=True, check=False)
    if found.returncode:
        pytest.skip("helm is not here; `make helm-check` builds it")
    home = tmp_path_factory.mktemp("helm")
    for name in ("HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"):
        os.environ[name] = str(home / name.lower())
    return found.stdout.strip()
