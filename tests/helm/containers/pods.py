"""What a kubelet makes of a rendered pod: each container's command, environment and mounts."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.helm.images.roots import Mount

Object = dict[str, Any]
TEMPLATES = {
    "Deployment": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "Job": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
    "Pod": (),
}


@dataclass(frozen=True)
class Container:
    """One container as it is to run."""

    name: str
    image: str
    command: list[str]
    env: dict[str, str]
    mounts: tuple[Mount, ...]
    user: int
    spec: Object = field(repr=False)


@dataclass(frozen=True)
class Pod:
    """A pod of a workload."""

    name: str
    init: list[Container]
    containers: list[Container]
    grace_s: float


class Volumes:
    """What a namespace holds besides the release: Secrets, ConfigMaps and volumes that pods refer to.

    Args:
        folder: for the files.
        secrets: by name, their values by key.
        claims: folders that stand for persistent volumes.
    """

    def __init__(
        self, folder: Path, *, secrets: Mapping[str, Mapping[str, str]], claims: Mapping[str, Path] | None = None
    ) -> None:
        self.folder = folder
        self._secrets = {name: dict(values) for name, values in secrets.items()}
        self._maps: dict[str, dict[str, str]] = {}
        self._claims = dict(claims or {})
        self._pods: Counter[str] = Counter()

    def renew(self, pod: str) -> str:
        """A pod of that name is made; returns what its own volumes are kept under, which nobody has used before."""
        self._pods[pod] += 1
        return f"{pod}-{self._pods[pod]}"

    def learn(self, objects: list[Object]) -> None:
        """Take up the ConfigMaps and Secrets of a release."""
        for each in objects:
            name = each["metadata"]["name"]
            if each["kind"] == "ConfigMap":
                self._maps[name] = dict(each.get("data") or {})
            elif each["kind"] == "Secret":
                data = {key: base64.b64decode(value).decode() for key, value in (each.get("data") or {}).items()}
                self._secrets[name] = data | (each.get("stringData") or {})

    def value(self, source: Object, pod: str) -> str | None:
        """Where a variable's value comes from; None if it is optional and not there."""
        for kind, held in (("secretKeyRef", self._secrets), ("configMapKeyRef", self._maps)):
            if reference := source.get(kind):
                found = held.get(reference["name"], {}).get(reference["key"])
                assert found is not None or reference.get("optional"), f"{pod} wants {reference}"
                return found
        path = source["fieldRef"]["fieldPath"]
        return {"metadata.name": pod, "metadata.namespace": "shop", "status.podIP": "127.0.0.1"}[path]

    def all_of(self, source: Object) -> dict[str, str]:
        """The variables of an `envFrom`."""
        held = self._secrets if "secretRef" in source else self._maps
        name = next(source[kind]["name"] for kind in ("secretRef", "configMapRef") if kind in source)
        return {source.get("prefix", "") + key: value for key, value in held[name].items()}

    def place(self, volume: Object, pod: str, group: int) -> Path:
        """The folder that stands for a volume of a pod, as `renew` calls it."""
        if claim := volume.get("persistentVolumeClaim"):
            return self._claims[claim["claimName"]]
        folder = self.folder / pod / volume["name"]
        if folder.exists():
            return folder
        folder.mkdir(parents=True)
        folder.chmod(0o2777)
        for name, content, mode in self._files(volume):
            (folder / name).write_text(content)
            (folder / name).chmod(mode)
            _own(folder / name, group)
        if "emptyDir" not in volume:
            folder.chmod(0o755)
        return folder

    def _files(self, volume: Object) -> Iterator[tuple[str, str, int]]:
        for part in (volume.get("projected") or {}).get("sources", [volume]):
            for kind, key, held in (("secret", "secretName", self._secrets), ("configMap", "name", self._maps)):
                if source := part.get(kind):
                    values = held[source.get(key) or source["name"]]
                    items = source.get("items") or [{"key": name, "path": name} for name in values]
                    for item in items:
                        yield item["path"], values[item["key"]], item.get("mode") or source.get("defaultMode", 0o644)


def _own(path: Path, group: int) -> None:
    import os

    os.chown(path, 0, group)


def template_of(workload: Object) -> Object:
    """The pod template of a workload."""
    found = workload
    for key in TEMPLATES[workload["kind"]]:
        found = found[key]
    return found


def pod_of(workload: Object, volumes: Volumes, name: str | None = None) -> Pod:
    """The pod that a workload would start."""
    template = template_of(workload)
    spec = template["spec"]
    own = workload["metadata"]["name"]
    name = name or (f"{own}-0" if workload["kind"] == "StatefulSet" else own)
    place = volumes.renew(name)
    made = [
        [_container(each, spec, name, volumes, place) for each in spec.get(kind) or []]
        for kind in ("initContainers", "containers")
    ]
    return Pod(name, *made, grace_s=spec.get("terminationGracePeriodSeconds", 30))


def _container(container: Object, spec: Object, pod: str, volumes: Volumes, own: str) -> Container:
    security = {**spec.get("securityContext", {}), **container.get("securityContext", {})}
    assert security["readOnlyRootFilesystem"]
    held = {volume["name"]: volume for volume in spec.get("volumes", [])}
    mounts = tuple(
        _mount(mount, volumes.place(held[mount["name"]], own, security.get("fsGroup", 0)))
        for mount in sorted(container.get("volumeMounts", []), key=lambda each: each["mountPath"])
    )
    return Container(
        name=container["name"],
        image=container["image"],
        command=[*container.get("command", []), *container.get("args", [])],
        env=_environment(container, pod, volumes),
        mounts=mounts,
        user=security["runAsUser"],
        spec=container,
    )


def _mount(mount: Object, place: Path) -> Mount:
    source = place / mount["subPath"] if "subPath" in mount else place
    return Mount(mount["mountPath"], source, readonly=mount.get("readOnly", False))


def _environment(container: Object, pod: str, volumes: Volumes) -> dict[str, str]:
    found: dict[str, str] = {}
    for source in container.get("envFrom") or []:
        found |= volumes.all_of(source)
    for each in container.get("env") or []:
        value = volumes.value(each["valueFrom"], pod) if "valueFrom" in each else each.get("value", "")
        if value is not None:
            found[each["name"]] = value
    return found
