"""The values that releases are made of here: the presets that the chart ships, and the cases that its tests add."""

from __future__ import annotations

import subprocess
from typing import Any

import yaml
from tests.cluster.server import CHART, helm
from tests.helm.rendering import ALL_CASES

Object = dict[str, Any]
CASES = sorted(ALL_CASES)
KINDS = (
    "deployments,statefulsets,services,configmaps,cronjobs,jobs,pods,networkpolicies,serviceaccounts,ingresses,"
    "poddisruptionbudgets,horizontalpodautoscalers,scaledobjects,triggerauthentications,servicemonitors,prometheusrules"
)
"""All that the chart may make."""


def values(case: str) -> list[str]:
    """The options that give them to helm."""
    return [word for file in ALL_CASES[case] for word in ("-f", str(file))]


def rendered(options: list[str], *, namespace: str = "shop", release: str = "fourtower") -> list[Object]:
    """All objects that helm makes of them, hooks and tests too."""
    command = [helm(), "template", release, str(CHART), "--namespace", namespace, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [each for each in yaml.safe_load_all(done.stdout) if each]
