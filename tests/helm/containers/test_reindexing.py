"""A new generation by the runbook, with the release's own pods and commands: built, switched to, the old one dropped.

The tests take turns on one release, as its operators would.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.helm.containers.pods import pod_of
from tests.helm.containers.releases import CATALOG, RELEASE, STARTED_IN_S, Release
from tests.helm.images.roots import can_contain

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(not can_contain(), reason="needs the rights to mount folders"),
]
PRODUCTS = 30
BUILT = {
    "generations": {
        "g2": {
            "model": "first",
            "catalog": {"inline": CATALOG + '[attributes.size]\ntype = "string"\n'},
            "workers": {"cpu": {"settings": {"threads": 1, "nice": 10}}},
        }
    }
}
SWITCHED = {"generations": {"g1": {"live": False, "deadLetters": True}, "g2": {"live": True}}}
GONE = {"generations": {"g1": None}}


def typed(release: Release, line: str, *, given: str = "") -> str:
    """What a command of the toolbox prints; it must succeed."""
    done = release.running["toolbox"][1].call(["fourtower", *line.split()], 240, given)
    assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}\n{release.logs()}"
    return done.stdout


def products(release: Release) -> Any:
    """How many the live generation holds."""
    return json.loads(typed(release, "index info --json"))["products"]


def generations(release: Release) -> dict[int, Any]:
    """Each as `reindex status` shows it, by its number."""
    found = json.loads(typed(release, "reindex status --json"))
    return {each["generation"]: each for each in found["generations"]}


def until(what: str, holds: Callable[[], Any], timeout_s: float = 180) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, f"not so after {timeout_s:g} s: {what}"
        time.sleep(1)


@pytest.fixture(scope="module")
def shop(started: Release) -> Release:
    """A release whose first generation holds some products."""
    lines = [
        {"op": "upsert", "product_id": f"p{n}", "version": 1, "product": {"title": f"bag number {n}", **attributes(n)}}
        for n in range(PRODUCTS)
    ]
    typed(started, "produce -", given="\n".join(map(json.dumps, lines)))
    until("all products are indexed", lambda: products(started) == PRODUCTS)
    return started


def attributes(number: int) -> dict[str, Any]:
    return {"attributes": {"color": ("red", "blue")[number % 2], "size": str(number % 3)}}


def test_what_waits_for_a_generation_can_be_told_to_end(shop: Release) -> None:
    """A pod of a generation that does not exist is deleted at once, not after its grace period."""
    shop.upgrade(BUILT)
    pod = pod_of(shop.find("StatefulSet", "g2-ingester"), shop.volumes)
    network = shop.network()
    waiting = shop.run(pod.init[0], pod, network)
    try:
        until("it says that it waits", lambda: "Waiting" in waiting.output, 60)
        code, seconds = waiting.stop(pod.grace_s)
        assert (code, seconds < 10) == (143, True)
    finally:
        waiting.kill()
        network.close()


def test_a_second_generation_is_filled_by_its_own_processes(shop: Release) -> None:
    """They wait until the Job has created it; nothing of the live one's pods is touched."""
    shop.complete("Job", "bootstrap")
    with ThreadPoolExecutor() as threads:
        own = {"ingester g2": ("StatefulSet", "g2-ingester"), "worker g2": ("Deployment", "g2-worker-cpu")}
        waiting = [threads.submit(shop.keep, component, *workload) for component, workload in own.items()]
        until("the ingester waits", lambda: "does not exist yet" in logs_of(shop, "g2-ingester-0-await-generation"))
        assert "holds all that generation 1 held" in shop.complete("Job", "g2-seed")
        for each in waiting:
            each.result(180).wait_until("readinessProbe", STARTED_IN_S)
    until("it has caught up with the log", lambda: generations(shop)[2]["lag"] == 0)
    assert generations(shop)[2]["products"] == PRODUCTS


def logs_of(release: Release, name: str) -> str:
    return "".join(path.read_text() for path in release.folder.glob(f"{RELEASE}-{name}-*.log"))


def test_seeding_again_ends_at_once(shop: Release) -> None:
    assert "is filled already" in shop.complete("Job", "g2-seed")


def test_a_generation_that_passed_its_verification_goes_live_and_nothing_restarts(shop: Release) -> None:
    typed(shop, "reindex verify")
    typed(shop, "reindex switch")
    assert products(shop) == PRODUCTS
    assert "gone" in shop.complete("Pod", "test")


def test_an_upgrade_before_the_values_follow_is_refused_by_bootstrap(shop: Release) -> None:
    _, running, network = shop.start("Job", "bootstrap")
    try:
        assert running.wait(120) == 1
        assert "was made for another catalog" in " ".join(running.output.split())
    finally:
        network.close()


def test_the_values_follow_and_both_ingesters_start_anew(shop: Release) -> None:
    shop.upgrade(SWITCHED)
    shop.complete("Job", "bootstrap")
    assert "is filled already" in shop.complete("Job", "g1-seed")
    for component, kind, name in (
        ("ingester g2", "StatefulSet", "g2-ingester"),
        ("ingester", "StatefulSet", "g1-ingester"),
        ("toolbox", "Deployment", "toolbox"),
    ):
        assert shop.end(component)[0] == 0
        shop.keep(component, kind, name)
    for component in ("ingester", "ingester g2"):
        shop.running[component][1].wait_until("readinessProbe", STARTED_IN_S)
    assert "gone" in shop.complete("Pod", "test")
    shop.complete("CronJob", "reconcile")


def test_one_can_go_back_and_forth(shop: Release) -> None:
    typed(shop, "reindex rollback")
    assert "gone" in shop.complete("Pod", "test")
    typed(shop, "reindex switch 2")
    assert "gone" in shop.complete("Pod", "test")


def test_the_old_generation_is_dropped_when_its_pods_are_gone(shop: Release) -> None:
    shop.upgrade(GONE)
    shop.complete("Job", "bootstrap")
    for component in ("ingester", "worker", "toolbox"):
        code, seconds, grace_s = shop.end(component)
        assert (code, seconds < grace_s) == (0, True), component
    shop.keep("toolbox", "Deployment", "toolbox")
    toolbox = shop.running["toolbox"][1]
    drop = ["fourtower", "reindex", "drop", "1", "--yes", "--now"]
    until("Kafka no longer keeps the old ingester's place", lambda: not toolbox.execute(drop, 60), 120)
    assert generations(shop).keys() == {2}
    assert "gone" in shop.complete("Pod", "test")
