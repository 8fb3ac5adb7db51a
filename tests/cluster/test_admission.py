"""What every preset renders is accepted by a real API server, without a warning, and its pods under enforcement."""

from __future__ import annotations

import copy
import functools
from typing import Any

import pytest
import yaml
from tests.cluster.presets import CASES, rendered, values
from tests.cluster.server import ApiServer, Refused
from tests.helm.containers.pods import TEMPLATES, template_of

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]
Object = dict[str, Any]
ABOUT_HEADLESS = "Warning: spec.SessionAffinity is ignored for headless services"
"""Said of every headless service: in this version the server's own default for the field sets it off."""


@pytest.fixture(params=CASES)
def objects(request: pytest.FixtureRequest) -> list[Object]:
    return rendered(values(request.param))


def pods(objects: list[Object], namespace: str) -> list[Object]:
    """Each pod template as a pod, as its controller would ask for it."""
    found = []
    for each in objects:
        if each["kind"] not in TEMPLATES:
            continue
        template = copy.deepcopy(template_of(each))
        metadata = {**template.get("metadata", {}), "name": each["metadata"]["name"], "namespace": namespace}
        found.append({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]})
    return found


def define_classes(server: ApiServer, made: list[Object]) -> None:
    """What a cluster must have before pods may name it."""
    for field, kind, more in (
        ("priorityClassName", "scheduling.k8s.io/v1/PriorityClass", {"value": 1000}),
        ("runtimeClassName", "node.k8s.io/v1/RuntimeClass", {"handler": "runc"}),
    ):
        version, _, name = kind.rpartition("/")
        for wanted in {pod["spec"][field] for pod in made if field in pod["spec"]}:
            object_ = {"apiVersion": version, "kind": name, "metadata": {"name": wanted}, **more}
            server.kubectl("apply", "-f", "-", given=yaml.safe_dump(object_))


def moved(each: Object, namespace: str) -> Object:
    return {**each, "metadata": {**each["metadata"], "namespace": namespace}}


def test_every_object_is_accepted_without_a_warning(server: ApiServer, objects: list[Object]) -> None:
    with server.namespace(warn="restricted", audit="restricted") as namespace:
        text = yaml.safe_dump_all([moved(each, namespace) for each in objects])
        done = server.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", given=text)
        assert [line for line in done.stderr.splitlines() if line != ABOUT_HEADLESS] == []
        assert len(done.stdout.splitlines()) == len(objects)


def test_no_headless_service_says_anything_about_affinity(objects: list[Object]) -> None:
    """So the one warning that is let pass has no cause here."""
    assert not [each for each in objects if each["kind"] == "Service" and "sessionAffinity" in each["spec"]]


def test_a_misspelt_field_and_an_insecure_pod_would_be_noticed(server: ApiServer) -> None:
    """The control of the test above."""
    objects = rendered(values("trial"))
    workload = next(each for each in objects if each["kind"] == "Deployment")
    with server.namespace(warn="restricted") as namespace:
        misspelt = copy.deepcopy(moved(workload, namespace))
        misspelt["spec"]["template"]["spec"]["terminationGraceSeconds"] = 5
        with pytest.raises(Refused, match="terminationGraceSeconds"):
            server.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", given=yaml.safe_dump(misspelt))
        insecure = copy.deepcopy(moved(workload, namespace))
        insecure["spec"]["template"]["spec"]["hostNetwork"] = True
        done = server.kubectl("apply", "--dry-run=server", "-f", "-", given=yaml.safe_dump(insecure))
        assert "would violate PodSecurity" in done.stderr


FOREIGN = {
    "ScaledObject": (("spec", "minReplicaCount"), "two", "minReplicaCount"),
    "TriggerAuthentication": (("spec", "secretTargetRef", 0, "key"), None, r"secretTargetRef\[0\].key"),
    "ServiceMonitor": (("spec", "endpoints", 0, "interval"), "soon", "interval"),
    "PrometheusRule": (("spec", "groups", 0, "rules", 0, "for"), "soon", r"rules\[0\].for"),
}
"""Of the kinds of KEDA and of the Prometheus operator: what to change to something that can't be, and the complaint."""


@pytest.mark.parametrize("kind", FOREIGN)
def test_kinds_of_operators_are_held_to_their_own_definitions(server: ApiServer, kind: str) -> None:
    """The control of the test above: as it is rendered it is accepted, with one field out of order it is not."""
    path, value, complaint = FOREIGN[kind]
    right = next(each for each in rendered(values("production")) if each["kind"] == kind)
    with server.namespace() as namespace:
        apply(server, moved(right, namespace))
        misspelt = copy.deepcopy(moved(right, namespace))
        misspelt["spec"]["somethingElse"] = 1
        with pytest.raises(Refused, match="somethingElse"):
            apply(server, misspelt)
        wrong = copy.deepcopy(moved(right, namespace))
        *way, last = path
        place = functools.reduce(lambda part, step: part[step], way, wrong)
        if value is None:
            del place[last]
        else:
            place[last] = value
        with pytest.raises(Refused, match=complaint):
            apply(server, wrong)


def apply(server: ApiServer, each: Object) -> None:
    server.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", given=yaml.safe_dump(each))


def test_every_foreign_kind_that_is_rendered_is_known_by_its_definition(server: ApiServer) -> None:
    objects = rendered(values("everything"))
    foreign = {each["kind"] for each in objects if each["apiVersion"].partition("/")[0].endswith((".sh", "coreos.com"))}
    known = server.kubectl("get", "crd", "-o", "jsonpath={.items[*].spec.names.kind}").stdout.split()
    assert foreign == FOREIGN.keys()
    assert foreign <= set(known)


def test_every_pod_is_admitted_where_the_restricted_profile_is_enforced(
    server: ApiServer, objects: list[Object]
) -> None:
    with server.namespace(enforce="restricted") as namespace:
        made = pods(objects, namespace)
        assert made
        define_classes(server, made)
        done = server.kubectl("create", "--dry-run=server", "-f", "-", given=yaml.safe_dump_all(made))
        assert len(done.stdout.splitlines()) == len(made)


LOOSER = {
    "as root": ({"runAsUser": 0, "runAsNonRoot": False}, "runAsNonRoot"),
    "with privileges": ({"allowPrivilegeEscalation": True}, "allowPrivilegeEscalation"),
    "with a capability": ({"capabilities": {"drop": []}}, "unrestricted capabilities"),
    "without seccomp": ({"seccompProfile": {"type": "Unconfined"}}, "seccompProfile"),
}


@pytest.mark.parametrize("name", LOOSER)
def test_a_pod_with_less_protection_is_rejected_there(server: ApiServer, name: str) -> None:
    change, complaint = LOOSER[name]
    with server.namespace(enforce="restricted") as namespace:
        pod = pods(rendered(values("trial")), namespace)[0]
        pod["spec"]["containers"][0]["securityContext"] |= change
        with pytest.raises(Refused, match=complaint):
            server.kubectl("create", "--dry-run=server", "-f", "-", given=yaml.safe_dump(pod))
