"""Every container of a rendered release, run by its own command in its own environment against real servers.

What a kubelet would do is done here: volumes, secrets, init containers, probes, the end by SIGTERM. Each runs as its
user, as process 1 of its own, with nothing writable but its mounts.
"""

from __future__ import annotations

import json
import shlex
import time

import pytest
from tests.helm.containers.releases import STARTED_IN_S, Release
from tests.helm.containers.running import request
from tests.helm.images.roots import can_contain
from tests.helm.test_runbooks import COMMANDS

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(not can_contain(), reason="needs the rights to mount folders"),
]
LONG_RUNNING = ["search", "ingester", "worker", "toolbox"]
REPEATABLE = (
    *("fourtower status --once", "fourtower reindex status", "fourtower topics ", "fourtower dlq list"),
    *("fourtower dlq replay", "fourtower search ", "fourtower index info", "fourtower reconcile"),
)


@pytest.mark.parametrize("component", [name for name in LONG_RUNNING if name != "toolbox"])
def test_a_pod_starts_and_becomes_ready_by_its_own_probes(started: Release, component: str) -> None:
    running = started.running[component][1]
    startup = running.container.spec["startupProbe"]
    allowed_s = startup["periodSeconds"] * startup["failureThreshold"]
    assert running.wait_until("startupProbe", allowed_s) < allowed_s
    running.wait_until("readinessProbe", STARTED_IN_S)
    assert running.probe("livenessProbe") == ""


def test_the_release_passes_its_own_test(started: Release) -> None:
    """A product is published, found by the search service, deleted, and gone."""
    for component in ("ingester", "worker", "search"):
        started.running[component][1].wait_until("readinessProbe", STARTED_IN_S)
    said = started.complete("Pod", "test")
    assert "found" in said
    assert "gone" in said


def test_searches_need_a_key_and_figures_do_not(started: Release, key: tuple[str, str]) -> None:
    network = started.running["search"][2]
    assert request(network, 8000, "/stats")[0] == 401
    status, body = request(network, 8001, "/metrics")
    assert status == 200
    assert "fourtower_service_requests_total" in body


@pytest.mark.parametrize(
    ("component", "metric"), [("ingester", "ingest_lag_records"), ("worker", "worker_events_total")]
)
def test_figures_are_where_prometheus_looks_for_them(started: Release, component: str, metric: str) -> None:
    running, network = started.running[component][1:]
    running.wait_until("readinessProbe", STARTED_IN_S)
    assert f"fourtower_{metric}" in request(network, 8001, "/metrics")[1]


def test_the_reconciler_finds_nothing_to_mend(started: Release) -> None:
    started.complete("CronJob", "reconcile")


def test_a_second_bootstrap_changes_nothing(started: Release) -> None:
    started.complete("Job", "bootstrap")


def test_commands_of_the_runbooks_work_in_the_toolbox_as_they_stand(started: Release) -> None:
    """All that change nothing of a healthy release; those of a new generation are tested by building one."""
    lines = [line for line in COMMANDS if line.startswith(REPEATABLE)]
    assert len(lines) > len(REPEATABLE)
    running = started.running["toolbox"][1]
    for line in lines:
        assert running.execute(shlex.split(line), timeout_s=60) == "", line


def test_api_keys_are_made_in_the_toolbox(started: Release, key: tuple[str, str]) -> None:
    """The file goes there, gets a key more, and comes back."""
    toolbox = started.running["toolbox"][1]
    toolbox.call(["sh", "-c", "umask 077 && cat > /tmp/keys.json"], 20, key[1])
    line = "fourtower keys create app --scope search --expires 400d --file /tmp/keys.json"
    made = toolbox.call(shlex.split(line), 60)
    assert made.returncode == 0, made.stderr
    held = json.loads(toolbox.call(["cat", "/tmp/keys.json"], 20).stdout)
    assert len(held["keys"]) == len(json.loads(key[1])["keys"]) + 1


@pytest.mark.parametrize("component", ["search", "ingester", "worker"])
def test_a_pod_stays_alive_while_its_servers_are_away(started: Release, component: str) -> None:
    """Cut off from all of them, it may become unready; a restart would help nobody."""
    running, network = started.running[component][1:]
    running.wait_until("startupProbe", STARTED_IN_S)
    with network.cut_off():
        for _ in range(20):
            time.sleep(1)
            assert running.alive, running.output[-4000:]
            assert running.probe("livenessProbe") == ""
    running.wait_until("readinessProbe", STARTED_IN_S)


@pytest.mark.parametrize("component", LONG_RUNNING)
def test_a_pod_ends_well_within_its_grace_period(started: Release, component: str) -> None:
    running = started.running[component][1]
    if "readinessProbe" in running.container.spec:
        running.wait_until("readinessProbe", STARTED_IN_S)
    code, seconds, grace_s = started.end(component)
    assert code == 0, running.output[-4000:]
    assert seconds < grace_s


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("Job", "bootstrap"),
        ("StatefulSet", "g1-ingester"),
        ("Deployment", "g1-worker-cpu"),
        ("Deployment", "search"),
    ],
)
def test_a_pod_can_be_told_to_end_while_it_starts(started: Release, kind: str, name: str) -> None:
    """As process 1 it would not notice a signal before it has said what that means to it."""
    pod, running, network = started.start(kind, name)
    try:
        running.wait_until_it_heeds_sigterm()
        _, seconds = running.stop(pod.grace_s)
        assert seconds < pod.grace_s
    finally:
        running.kill()
        network.close()
