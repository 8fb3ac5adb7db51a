"""A release's life on a real API server: installed, upgraded, scaled by hand, rolled back, tested, removed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.cluster.presets import KINDS, rendered, values
from tests.cluster.server import CHART, ApiServer, Refused
from tests.cluster.standing_in import Cluster
from tests.helm.test_runbooks import NEW, blocks

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]
RELEASE = "fourtower"


@pytest.fixture
def namespace(server: ApiServer) -> Iterator[str]:
    with server.namespace(enforce="restricted") as name:
        yield name


@pytest.fixture
def cluster(server: ApiServer, namespace: str) -> Iterator[Cluster]:
    with Cluster(server, namespace).running() as running:
        yield running


def install(server: ApiServer, namespace: str, options: list[str]) -> None:
    server.helm("install", RELEASE, str(CHART), "-n", namespace, *options, "--timeout", "60s")


def upgrade(server: ApiServer, namespace: str, options: list[str], *more: str) -> None:
    server.helm("upgrade", RELEASE, str(CHART), "-n", namespace, *options, "--timeout", "60s", *more)


def names(server: ApiServer, namespace: str) -> set[tuple[str, str]]:
    """What of the release is there; hooks that have ended are not."""
    label = f"app.kubernetes.io/instance={RELEASE}"
    lines = server.kubectl("get", KINDS, "-n", namespace, "-l", label, "-o", "name").stdout.split()
    return {(kind.partition(".")[0], name) for kind, _, name in (line.partition("/") for line in lines)}


def expected(options: list[str], namespace: str) -> set[tuple[str, str]]:
    """What should be there: everything that is rendered and no hook."""
    return {
        (each["kind"].lower(), each["metadata"]["name"])
        for each in rendered(options, namespace=namespace, release=RELEASE)
        if "helm.sh/hook" not in each["metadata"].get("annotations", {})
    }


def replicas(server: ApiServer, namespace: str, name: str) -> int:
    found = server.get("deployment", name, namespace)["spec"]["replicas"]
    assert isinstance(found, int)
    return found


def scale(server: ApiServer, namespace: str, name: str, count: int) -> None:
    server.kubectl("scale", f"deployment/{name}", "-n", namespace, f"--replicas={count}")


def test_a_release_is_installed_upgraded_rolled_back_and_removed(
    server: ApiServer, namespace: str, cluster: Cluster
) -> None:
    trial, production, following = values("trial"), values("production"), values("reindex")
    install(server, namespace, trial)
    assert names(server, namespace) == expected(trial, namespace)
    assert "fourtower-bootstrap" in cluster.ended
    for step in (production, values("gpu"), following):
        ended = len(cluster.ended)
        upgrade(server, namespace, step)
        assert names(server, namespace) == expected(step, namespace)
        assert "fourtower-bootstrap" in cluster.ended[ended:]
    server.helm("rollback", RELEASE, "1", "-n", namespace, "--timeout", "60s")
    assert names(server, namespace) == expected(trial, namespace)
    server.helm("uninstall", RELEASE, "-n", namespace, "--timeout", "60s")
    assert names(server, namespace) == set()


def test_a_new_generation_comes_and_the_old_one_goes_by_the_runbook(
    server: ApiServer, namespace: str, cluster: Cluster, tmp_path: Path
) -> None:
    """Each step is an upgrade over the one before; nothing that can't be changed is in its way."""
    options = values("production")
    install(server, namespace, options)
    for number, step in enumerate(blocks(NEW)):
        file = tmp_path / f"{number}.yaml"
        file.write_text(yaml.safe_dump(step))
        options = [*options, "-f", str(file)]
        ended = len(cluster.ended)
        upgrade(server, namespace, options)
        assert names(server, namespace) == expected(options, namespace)
        assert "fourtower-bootstrap" in cluster.ended[ended:]


def test_the_reconciler_can_be_run_at_once_and_its_jobs_are_found(
    server: ApiServer, namespace: str, cluster: Cluster
) -> None:
    install(server, namespace, values("trial"))
    server.kubectl("create", "job", "-n", namespace, "--from=cronjob/fourtower-reconcile", "reconcile-now")
    found = server.kubectl(
        *("get", "jobs", "-n", namespace, "-l", "app.kubernetes.io/component=reconciler", "-o", "name")
    )
    assert found.stdout.split() == ["job.batch/reconcile-now"]


def test_what_an_autoscaler_owns_stays_through_an_upgrade(server: ApiServer, namespace: str, cluster: Cluster) -> None:
    install(server, namespace, values("production"))
    for name, count in (("fourtower-search", 7), ("fourtower-g1-worker-cpu", 5)):
        scale(server, namespace, name, count)
    upgrade(server, namespace, values("production"), "--set", "log.level=DEBUG")
    assert replicas(server, namespace, "fourtower-search") == 7
    assert replicas(server, namespace, "fourtower-g1-worker-cpu") == 5


def test_an_autoscaler_takes_over_without_a_fall_where_the_number_was_handed_over(
    server: ApiServer, namespace: str, cluster: Cluster
) -> None:
    """A number that nobody owns any more falls to 1; the runbook has somebody else own it first."""
    fixed = [*values("production"), "--set", "search.autoscaling.enabled=false", "--set", "search.replicas=6"]
    install(server, namespace, fixed)
    upgrade(server, namespace, values("production"))
    assert replicas(server, namespace, "fourtower-search") == 1
    upgrade(server, namespace, fixed)
    owned = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "fourtower-search"},
        "spec": {"replicas": 6},
    }
    server.kubectl(
        *("apply", "-n", namespace, "--server-side", "--field-manager=handover", "--validate=false", "-f", "-"),
        given=json.dumps(owned),
    )
    upgrade(server, namespace, values("production"))
    assert replicas(server, namespace, "fourtower-search") == 6


def test_a_number_of_the_chart_that_was_changed_by_hand_is_not_overwritten_unasked(
    server: ApiServer, namespace: str, cluster: Cluster
) -> None:
    fixed = [*values("production"), "--set", "search.autoscaling.enabled=false", "--set", "search.replicas=6"]
    install(server, namespace, fixed)
    scale(server, namespace, "fourtower-search", 9)
    with pytest.raises(Refused, match=r"conflict.*spec\.replicas"):
        upgrade(server, namespace, fixed, "--set", "log.level=DEBUG")
    assert replicas(server, namespace, "fourtower-search") == 9
    upgrade(server, namespace, fixed, "--force-conflicts")
    assert replicas(server, namespace, "fourtower-search") == 6


def test_a_bootstrap_that_fails_leaves_everything_as_it_was(server: ApiServer, namespace: str) -> None:
    with Cluster(server, namespace).running():
        install(server, namespace, values("trial"))
    before = server.get("deployment", "fourtower-search", namespace)["metadata"]["generation"]
    failing = ("fourtower-bootstrap",)
    with Cluster(server, namespace, failing=failing).running(), pytest.raises(Refused, match="fourtower-bootstrap"):
        upgrade(server, namespace, values("trial"), "--set", "log.level=DEBUG")
    assert server.get("deployment", "fourtower-search", namespace)["metadata"]["generation"] == before


def test_the_test_pod_is_run_by_helm_test(server: ApiServer, namespace: str, cluster: Cluster) -> None:
    install(server, namespace, values("trial"))
    done = server.helm("test", RELEASE, "-n", namespace, "--timeout", "60s")
    assert "Succeeded" in done.stdout
    assert "fourtower-test" in cluster.ended


def test_pods_are_replaced_when_secrets_were_changed_and_only_then(
    server: ApiServer, namespace: str, cluster: Cluster
) -> None:
    def generation() -> int:
        found = server.get("deployment", "fourtower-search", namespace)["metadata"]["generation"]
        assert isinstance(found, int)
        return found

    install(server, namespace, values("trial"))
    first = generation()
    upgrade(server, namespace, values("trial"))
    assert generation() == first
    upgrade(server, namespace, values("trial"), "--set-string", "secretsRevision=2")
    assert generation() == first + 1
