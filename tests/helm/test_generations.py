"""Re-indexing is adding a generation: it is seeded first, filled by processes of its own, and live only in the end."""

import pytest
from tests.helm.rendering import PRODUCTION, REINDEX, TRIAL, render


@pytest.fixture
def both(helm):
    return render(REINDEX, helm=helm)


def pod(release, component, generation):
    [found] = [
        each
        for each in release.pods
        if each.component == component and each.labels.get("fourtower/generation") == generation
    ]
    return found


def test_adding_a_generation_changes_nothing_of_the_live_one(helm, both):
    """But search pods get its model, so that they can follow when the alias moves."""
    alone = render(PRODUCTION, helm=helm)
    for component in ("ingester", "worker"):
        assert pod(alone, component, "g1").spec == pod(both, component, "g1").spec
    assert alone.pod("bootstrap").spec == both.pod("bootstrap").spec
    assert alone.pod("reconciler").spec == both.pod("reconciler").spec
    assert alone.pod("search").environment == both.pod("search").environment


def test_each_generation_has_group_queue_and_model_of_its_own(both):
    ingesters = {name: pod(both, "ingester", name).environment for name in ("g1", "g2")}
    assert [each["FOURTOWER_INGESTER_GROUP"] for each in ingesters.values()] == ["fourtower", "fourtower.g2"]
    assert [each["FOURTOWER_INGESTER_GENERATION"] for each in ingesters.values()] == ["1", "2"]
    assert [each["FOURTOWER_INGESTER_DEAD_LETTERS"] for each in ingesters.values()] == ["true", "false"]
    workers = {name: pod(both, "worker", name).environment for name in ("g1", "g2")}
    assert [each["FOURTOWER_WORKER_GENERATION"] for each in workers.values()] == ["1", "2"]
    assert [each["FOURTOWER_WORKER_MODEL"] for each in workers.values()] == ["/models/first", "/models/second"]


def test_what_fills_a_new_generation_waits_until_it_exists(both):
    for component in ("ingester", "worker"):
        waiting = [each["name"] for each in pod(both, component, "g2").spec["initContainers"]]
        assert waiting[0] == "await-generation"
        live = pod(both, component, "g1").spec.get("initContainers", [])
        assert "await-generation" not in [each["name"] for each in live]


def test_a_new_generation_is_started_with_its_model_catalog_and_index(both):
    command = pod(both, "seed", "g2").main["command"]
    assert command[:2] == ["python", "-c"]
    assert command[3:] == [
        "--model=/models/second",
        "--catalog=/etc/fourtower/catalog/catalog.toml",
        '--settings={"params":{"nlist":1024},"type":"IVF_FLAT"}',
    ]
    found = pod(both, "seed", "g2").environment
    assert found["FOURTOWER_INGESTER_GROUP"] == "fourtower"  # of the live one; the new one's follows from it
    assert found["FOURTOWER_WORKER_GENERATION"] == "2"


def test_bootstrap_and_reconciler_stay_with_the_live_one(both):
    command = both.pod("bootstrap").main["command"]
    assert command[2:] == ["--model=/models/first", "--catalog=/etc/fourtower/catalog/catalog.toml"]
    assert both.pod("reconciler").environment["FOURTOWER_WORKER_GENERATION"] == "1"


def test_a_job_that_would_do_something_else_has_another_name(helm):
    """A Job can't be changed; helm would fail to."""

    def name(**changes):
        return pod(render(REINDEX, changes, helm=helm), "seed", "g2").name

    assert name() == name()
    assert len({name(), name(**{"images.tag": "0.2.0"}), name(**{"generations.g2.index": {"type": "HNSW"}})}) == 3


def test_search_follows_the_records_and_holds_every_model(both):
    search = both.pod("search")
    assert "FOURTOWER_SERVICE_MODEL" not in search.environment
    mounts = {each["mountPath"]: each for each in search.main["volumeMounts"]}
    assert mounts["/models/first"]["subPath"] == "first"
    assert mounts["/models/second"]["readOnly"] is True


def test_models_lie_at_the_same_place_in_every_pod(both):
    """A generation records where its model lies; whoever loads it looks there."""
    for each in both.pods:
        for container in each.containers:
            for mount in container["volumeMounts"]:
                if mount["name"].startswith("model-"):
                    assert mount["mountPath"] == f"/models/{mount['name'].removeprefix('model-')}"


def test_a_downloaded_model_is_checked_before_anybody_reads_it(both):
    search = both.pod("search")
    [fetcher] = search.spec["initContainers"]
    assert fetcher["command"][3:] == [
        "https://files.shop.example/models/second.tar.gz",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "/models/second",
    ]
    assert fetcher["env"] == [
        {"name": "MODEL_TOKEN", "valueFrom": {"secretKeyRef": {"name": "model-files", "key": "token"}}}
    ]
    [volume] = [each for each in search.spec["volumes"] if each["name"] == "model-second"]
    assert volume["emptyDir"] == {"sizeLimit": "4Gi"}


@pytest.mark.parametrize(
    ("model", "path"),
    [({"source": "shipped"}, "demo"), ({"source": "image", "path": "/opt/models/m"}, "/opt/models/m")],
)
def test_a_model_in_the_image_needs_no_volume(model, path, helm):
    release = render(TRIAL, {"models.demo": model}, helm=helm)
    assert release.pod("worker").environment["FOURTOWER_WORKER_MODEL"] == path
    assert f"--model={path}" in release.pod("bootstrap").main["command"]
    for each in release.pods:
        assert not [volume for volume in each.spec["volumes"] if volume["name"].startswith("model")]


def test_after_the_switch_both_can_write_dead_letters_for_a_while(helm):
    """So that none is lost between the restart of the one ingester and that of the other."""
    changes = {"generations.g1.live": False, "generations.g1.deadLetters": True, "generations.g2.live": True}
    release = render(REINDEX, changes, helm=helm)
    assert {pod(release, "ingester", name).environment["FOURTOWER_INGESTER_DEAD_LETTERS"] for name in ("g1", "g2")} == {
        "true"
    }
    assert release.pod("reconciler").environment["FOURTOWER_INGESTER_GROUP"] == "fourtower.g2"
    assert "--model=/models/second" in release.pod("bootstrap").main["command"]


def test_a_generation_is_taken_away_by_null(helm):
    changes = {"generations.g1": None, "generations.g2.live": True}
    release = render(REINDEX, changes, helm=helm)
    assert {each.labels.get("fourtower/generation") for each in release.pods} == {None, "g2"}
    assert not [each for each in release.pod("search").spec["volumes"] if each["name"] == "model-first"]


def test_the_catalog_of_the_live_generation_is_there_before_installation(helm):
    changes = {"generations.g1.catalog": {"existingConfigMap": "", "inline": "[attributes.price]\ntype = 'float'"}}
    release = render(PRODUCTION, changes, helm=helm)
    catalog = release.one("ConfigMap", "bootstrap")
    assert catalog["data"]["catalog.toml"].strip() == "[attributes.price]\ntype = 'float'"
    assert catalog["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert int(catalog["metadata"]["annotations"]["helm.sh/hook-weight"]) < 0
    [volume] = [each for each in release.pod("bootstrap").spec["volumes"] if each["name"] == "catalog"]
    assert volume["configMap"]["name"] == catalog["metadata"]["name"]
