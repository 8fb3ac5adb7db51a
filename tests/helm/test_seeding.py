"""Adding a generation on real servers, by the commands and environments of the rendered Job and init containers.

The tests take turns on one release, as its operators would.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.helm.rendering import TRIAL, render

from fourtower_search.index.opening import open_generations

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
CATALOG = "[attributes.color]\ntype = 'string'\n"


class Shop:
    """A release whose pods are processes of this machine."""

    def __init__(self, folder, helm, values):
        self._folder, self._helm, self._values = folder, helm, values
        self.alias = values["milvus.alias"]

    def command(self, component, *, generation=None, init=False, **changes):
        """What a pod of the rendered release would run, and its environment."""
        release = render(TRIAL, {**self._values, **changes}, helm=self._helm)
        [pod] = [
            pod
            for pod in release.pods
            if pod.component == component and generation in (None, pod.labels.get("fourtower/generation"))
        ]
        container = pod.spec["initContainers"][0] if init else pod.main
        words = [word.replace("/etc/fourtower", str(self._folder)) for word in container["command"]]
        bin_ = Path(sys.executable).parent
        env = {each["name"]: each["value"] for each in container["env"] if "value" in each}
        return words, {**env, "PATH": f"{bin_}:/usr/bin:/bin", "HOME": str(self._folder)}

    def run(self, component, **options):
        """Run it to its end."""
        words, env = self.command(component, **options)
        return subprocess.run(words, env=env, capture_output=True, text=True, timeout=200, check=False)

    def numbers(self):
        """Of the generations that exist."""
        generations = open_generations(self._values["milvus.address"], alias=self.alias, token="", timeout_s=20)
        try:
            return [record.generation for record in generations.records(timeout_s=20)]
        finally:
            generations.close()


def pool(**more):
    return {"live": False, "model": "demo", "workers": {"cpu": {"kind": "cpu"}}, "catalog": {"inline": CATALOG}, **more}


@pytest.fixture(scope="module")
def shop(tmp_path_factory, helm, kafka_broker, redis_server, lite_server):
    """A release with its first generation."""
    folder = tmp_path_factory.mktemp("shop")
    name = f"shop_{os.getpid()}_{time.monotonic_ns()}"
    (folder / "catalog").mkdir()
    (folder / "catalog" / "catalog.toml").write_text(CATALOG)
    topics = {"updates": name, "dead_letters": f"{name}.dlq", "replays": f"{name}.replay"}
    values = {
        "kafka.bootstrap": kafka_broker.bootstrap,
        "redis.url": redis_server.url,
        "milvus.address": lite_server,
        "milvus.alias": name,
        "consumerGroup": name,
        "settings.topic": {"partitions": 2, **topics},
    }
    found = Shop(folder, helm, values)
    done = found.run("bootstrap")
    assert done.returncode == 0, done.stderr
    assert found.numbers() == [1]
    return found


def test_bootstrap_refuses_to_make_another_generation_live(shop):
    """The alias counts: `live` follows `fourtower reindex switch`, not the other way round."""
    changed = {"generations.g1.live": False, "generations.g2": pool(live=True)}
    done = shop.run("bootstrap", **changed)
    assert done.returncode == 1
    assert "differs" in done.stdout
    assert shop.numbers() == [1]


def test_a_generation_that_was_live_is_neither_waited_for_nor_seeded(shop):
    """After a switch the old one is kept up to date by processes that start as before."""
    kept = {"generations.g1.live": False, "generations.g2": pool(live=True)}
    assert shop.run("seed", generation="g1", **kept).stdout == f"Generation 1 of {shop.alias} is filled already.\n"
    assert shop.run("ingester", generation="g1", init=True, **kept).returncode == 0
    assert shop.numbers() == [1]


def test_a_generation_is_created_while_its_pods_wait_and_then_they_go_on(shop):
    both = {"generations.g2": pool()}
    words, env = shop.command("ingester", generation="g2", init=True, **both)
    with subprocess.Popen(words, env=env, stdout=subprocess.PIPE, text=True) as waiting:
        assert "does not exist yet. Waiting" in waiting.stdout.readline()
        assert waiting.poll() is None
        done = shop.run("seed", **both)
        assert done.returncode == 0, done.stderr
        assert shop.numbers() == [1, 2]
        assert waiting.wait(60) == 0
        assert waiting.stdout.read() == f"Generation 2 of {shop.alias} is there.\n"


def test_seeding_again_does_nothing(shop):
    done = shop.run("seed", **{"generations.g2": pool()})
    assert (done.returncode, done.stdout) == (0, f"Generation 2 of {shop.alias} is filled already.\n")
    assert shop.numbers() == [1, 2]


def test_a_number_that_the_next_generation_does_not_have_is_told(shop):
    done = shop.run("seed", **{"generations.g5": pool(index={"metric": "L2"})})
    assert done.returncode == 1
    assert f"Generation 5 of {shop.alias} was not created" in done.stderr
    assert f"Generation 3 of {shop.alias}" in done.stdout
