"""Renders the chart as `helm template` does, and finds one's way about in what comes out."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "fourtower"
IMAGES = ROOT / "helm" / "images"
CASES = Path(__file__).parent / "cases"
TRIAL = (CHART / "values-trial.yaml",)
PRODUCTION = (CHART / "values-production.yaml",)
GPU = (*PRODUCTION, CHART / "values-gpu.yaml")
REINDEX = (*PRODUCTION, CASES / "reindex.yaml")
EVERYTHING = (*REINDEX, CASES / "everything.yaml")
PRESETS = {"trial": TRIAL, "production": PRODUCTION, "gpu": GPU}
ALL_CASES = {**PRESETS, "reindex": REINDEX, "everything": EVERYTHING}
RELEASE, NAMESPACE = "shop", "search"
OLDEST, NEWEST = "1.27.0", "1.37.0"

Object = dict[str, Any]
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # seven times as fast, where there is one
PODS = {"Deployment": ("spec", "template"), "StatefulSet": ("spec", "template"), "Job": ("spec", "template")}


class Refused(Exception):
    """Helm did not render the chart; what it said is the message."""


@dataclass(frozen=True)
class Pod:
    """A pod's template with the object that it belongs to."""

    owner: Object
    metadata: Object
    spec: Object

    @property
    def name(self) -> str:
        """Of the object."""
        return str(self.owner["metadata"]["name"])

    @property
    def component(self) -> str:
        """What it is of the release."""
        return str(self.metadata["labels"]["app.kubernetes.io/component"])

    @property
    def labels(self) -> dict[str, str]:
        """By which policies and services find it."""
        return dict(self.metadata["labels"])

    @property
    def main(self) -> Object:
        """Its one container."""
        [container] = self.spec["containers"]
        return dict(container)

    @property
    def containers(self) -> list[Object]:
        """Those that run first, too."""
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]

    @property
    def environment(self) -> dict[str, Any]:
        """Variables of its one container: a text, or where it comes from."""
        return {each["name"]: each.get("value", each.get("valueFrom")) for each in self.main.get("env", [])}


@dataclass(frozen=True)
class Release:
    """All objects of a release."""

    objects: tuple[Object, ...]

    def of(self, kind: str) -> list[Object]:
        """All of a kind."""
        return [each for each in self.objects if each["kind"] == kind]

    def one(self, kind: str, name: str) -> Object:
        """The one of a name, without the release's own."""
        full = f"{RELEASE}-fourtower{'-' if name else ''}{name}"
        [found] = [each for each in self.of(kind) if each["metadata"]["name"] == full]
        return found

    def has(self, kind: str, name: str) -> bool:
        """Whether there is one."""
        full = f"{RELEASE}-fourtower{'-' if name else ''}{name}"
        return any(each["metadata"]["name"] == full for each in self.of(kind))

    @property
    def pods(self) -> list[Pod]:
        """Every pod that can come of it."""
        return list(self._pods())

    def pod(self, component: str) -> Pod:
        """The first pod of a component."""
        return next(pod for pod in self.pods if pod.component == component)

    def _pods(self) -> Iterator[Pod]:
        for each in self.objects:
            if each["kind"] == "Pod":
                yield Pod(each, each["metadata"], each["spec"])
            elif each["kind"] == "CronJob":
                template = each["spec"]["jobTemplate"]["spec"]["template"]
                yield Pod(each, template["metadata"], template["spec"])
            elif each["kind"] in PODS:
                template = each["spec"]["template"]
                yield Pod(each, template["metadata"], template["spec"])


def render(
    files: tuple[Path, ...], changes: Mapping[str, Any] | None = None, *, helm: str, kubernetes: str = NEWEST
) -> Release:
    """The release that values files and changes over them make; changes have dotted names.

    Raises:
        Refused: the chart ended rendering with a sentence.
    """
    text = template(files, changes, helm=helm, kubernetes=kubernetes)
    return Release(tuple(each for each in yaml.load_all(text, Loader=LOADER) if each))


def template(
    files: tuple[Path, ...], changes: Mapping[str, Any] | None = None, *, helm: str, kubernetes: str = NEWEST
) -> str:
    """The text of it."""
    return _template(helm, kubernetes, files, yaml.safe_dump(nested(changes or {})))


@cache
def _template(helm: str, kubernetes: str, files: tuple[Path, ...], changes: str) -> str:
    arguments = [argument for file in files for argument in ("--values", str(file))]
    command = [helm, "template", RELEASE, str(CHART), "--namespace", NAMESPACE, "--kube-version", kubernetes]
    done = subprocess.run(
        [*command, *arguments, "--values", "-"], input=changes, text=True, capture_output=True, timeout=120, check=False
    )
    if done.returncode:
        raise Refused(done.stderr.strip())
    return done.stdout


def nested(changes: Mapping[str, Any]) -> dict[str, Any]:
    """`{"a.b": 1}` as `{"a": {"b": 1}}`."""
    found: dict[str, Any] = {}
    for dotted, value in changes.items():
        *path, last = dotted.split(".")
        place = found
        for name in path:
            place = place.setdefault(name, {})
        place[last] = value
    return found
