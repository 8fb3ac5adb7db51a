"""What each workload is: its kind, its replicas, its probes, how it is replaced, where it runs."""

import math

import pytest
from tests.helm.rendering import ALL_CASES, EVERYTHING, GPU, PRODUCTION, TRIAL, render

SERVERS = ("search", "ingester", "worker")


@pytest.fixture(params=ALL_CASES)
def release(request, helm):
    return render(ALL_CASES[request.param], helm=helm)


def named(release, kind):
    return {each["metadata"]["name"].removeprefix("shop-fourtower-") for each in release.of(kind)}


def test_production_consists_of_these_workloads(helm):
    release = render(PRODUCTION, helm=helm)
    assert named(release, "Deployment") == {"search", "g1-worker-cpu", "toolbox"}
    assert named(release, "StatefulSet") == {"g1-ingester"}
    assert named(release, "CronJob") == {"reconcile"}
    assert named(release, "Job") == {"bootstrap"}
    assert named(release, "Pod") == {"test"}
    assert named(release, "HorizontalPodAutoscaler") == {"search"}
    assert named(release, "ScaledObject") == {"g1-worker-cpu"}
    assert named(release, "PodDisruptionBudget") == {"search", "g1-ingester"}
    assert named(release, "Ingress") == {"search"}


def test_replicas_are_left_to_whoever_scales(release):
    scaled = {each["spec"]["scaleTargetRef"]["name"] for each in release.of("HorizontalPodAutoscaler")}
    scaled |= {each["spec"]["scaleTargetRef"]["name"] for each in release.of("ScaledObject")}
    for kind in ("Deployment", "StatefulSet"):
        for each in release.of(kind):
            assert ("replicas" in each["spec"]) is (each["metadata"]["name"] not in scaled), each["metadata"]["name"]


def test_pods_are_found_by_their_owners_services_and_budgets(release):
    for kind in ("Deployment", "StatefulSet"):
        for each in release.of(kind):
            selector = each["spec"]["selector"]["matchLabels"]
            found = [pod for pod in release.pods if selector.items() <= pod.labels.items()]
            assert [pod.owner for pod in found] == [each]
    for each in release.of("Service"):
        [pod] = [pod for pod in release.pods if each["spec"]["selector"].items() <= pod.labels.items()]
        ports = {port["name"] for port in pod.main["ports"]}
        assert {port["targetPort"] for port in each["spec"]["ports"]} <= ports
    for each in release.of("PodDisruptionBudget"):
        selector = each["spec"]["selector"]["matchLabels"]
        assert [pod for pod in release.pods if selector.items() <= pod.labels.items()]


def test_selectors_say_nothing_that_an_upgrade_changes(release):
    for kind in ("Deployment", "StatefulSet"):
        for each in release.of(kind):
            assert {name.split("/")[0] for name in each["spec"]["selector"]["matchLabels"]} <= {
                "app.kubernetes.io",
                "fourtower",
            }
            assert "app.kubernetes.io/version" not in each["spec"]["selector"]["matchLabels"]


def test_servers_have_all_three_probes_and_tools_have_none(release):
    probes = {"startupProbe", "livenessProbe", "readinessProbe"}
    for pod in release.pods:
        assert probes & pod.main.keys() == (probes if pod.component in SERVERS else set()), pod.name


def test_liveness_asks_the_process_alone(release):
    """/livez and the heartbeat depend on neither Kafka, Redis nor Milvus; /readyz does, and restarts nothing."""
    for pod in release.pods:
        if pod.component not in SERVERS:
            continue
        for kind in ("startupProbe", "livenessProbe"):
            probe = pod.main[kind]
            if pod.component == "ingester":
                assert "/tmp/heartbeat" in probe["exec"]["command"][-1]
            else:
                assert probe["httpGet"] == {"path": "/livez", "port": "metrics"}
        assert pod.main["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "metrics"}


def test_probes_look_where_the_process_answers(release):
    for pod in release.pods:
        if pod.component not in SERVERS:
            continue
        ports = {port["name"]: str(port["containerPort"]) for port in pod.main["ports"]}
        environment = pod.environment
        prefix = {"search": "SERVICE", "ingester": "INGESTER", "worker": "WORKER"}[pod.component]
        port = environment[f"FOURTOWER_{prefix}_{'PROBE' if prefix == 'SERVICE' else 'METRICS'}_PORT"]
        assert ports["metrics"] == port
        assert environment[f"FOURTOWER_{prefix}_{'HOST' if prefix == 'SERVICE' else 'METRICS_HOST'}"] == "0.0.0.0"
        if pod.component == "ingester":
            assert environment["FOURTOWER_INGESTER_HEARTBEAT_FILE"] == "/tmp/heartbeat"


@pytest.mark.parametrize(
    ("changes", "component", "least"),
    [
        ({}, "ingester", 30 + 4 * 3 + 10 + 10),
        ({"settings.flow.drain_s": 120}, "ingester", 120 + 4 * 3 + 10 + 10),
        ({}, "worker", 25 + 5 + 10 + 10),
        ({"generations.g1.workers.cpu.settings": {"soft_shutdown_s": 99.5}}, "worker", 100 + 5 + 10 + 10),
        ({}, "search", 5 + 2 * 20 + 10),
        ({"settings.service.grace_s": 60, "search.drainSeconds": 10}, "search", 10 + 2 * 60 + 10),
    ],
)
def test_grace_periods_outlast_what_the_processes_may_take(changes, component, least, helm):
    grace = render(TRIAL, changes, helm=helm).pod(component).spec["terminationGracePeriodSeconds"]
    assert least <= grace <= least + 30


def test_a_longer_grace_period_may_be_given(helm):
    release = render(TRIAL, {"search.terminationGracePeriodSeconds": 300}, helm=helm)
    assert release.pod("search").spec["terminationGracePeriodSeconds"] == 300


def test_a_search_pod_leaves_its_service_before_it_ends(helm):
    main = render(PRODUCTION, helm=helm).pod("search").main
    assert main["lifecycle"]["preStop"] == {"exec": {"command": ["sleep", "5"]}}


def test_search_loses_no_replica_while_it_is_replaced(helm):
    release = render(PRODUCTION, helm=helm)
    rolling = release.one("Deployment", "search")["spec"]["strategy"]["rollingUpdate"]
    assert rolling == {"maxSurge": 1, "maxUnavailable": 0}
    assert release.one("PodDisruptionBudget", "search")["spec"]["maxUnavailable"] == 1


def test_a_single_replica_has_no_budget_that_would_hold_a_node_for_ever(helm):
    release = render(TRIAL, helm=helm)
    assert release.of("PodDisruptionBudget") == []


def test_search_spreads_over_zones_and_nodes(helm):
    release = render(PRODUCTION, helm=helm)
    spread = release.pod("search").spec["topologySpreadConstraints"]
    assert [each["topologyKey"] for each in spread] == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
    selector = release.one("Deployment", "search")["spec"]["selector"]["matchLabels"]
    assert all(each["labelSelector"]["matchLabels"] == selector for each in spread)


def test_ingesters_are_static_members_in_fixed_number(helm):
    release = render(PRODUCTION, helm=helm)
    stateful = release.one("StatefulSet", "g1-ingester")
    assert stateful["spec"]["replicas"] == 3
    assert stateful["spec"]["podManagementPolicy"] == "Parallel"
    assert release.one("Service", "g1-ingester")["spec"]["clusterIP"] == "None"
    assert stateful["spec"]["serviceName"] == "shop-fourtower-g1-ingester"
    instance = release.pod("ingester").environment["FOURTOWER_INGESTER_INSTANCE"]
    assert instance == {"fieldRef": {"fieldPath": "metadata.name"}}


def test_a_gpu_pool_asks_for_one_gpu_and_room_to_share(helm):
    release = render(GPU, helm=helm)
    assert not release.has("Deployment", "g1-worker-cpu")
    deployment, pod = release.one("Deployment", "g1-worker-gpu"), release.pod("worker")
    resources = pod.main["resources"]
    assert resources["limits"]["nvidia.com/gpu"] == resources["requests"]["nvidia.com/gpu"] == 1
    assert {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"} in pod.spec["tolerations"]
    assert pod.spec["nodeSelector"] == {"nvidia.com/gpu.present": "true"}
    [shm] = [each for each in pod.spec["volumes"] if each["name"] == "shm"]
    assert shm["emptyDir"] == {"medium": "Memory", "sizeLimit": "1Gi"}
    assert {"name": "shm", "mountPath": "/dev/shm"} in pod.main["volumeMounts"]
    assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}
    assert pod.environment["FOURTOWER_WORKER_DEVICE"] == "cuda"
    assert "/worker-gpu:" in pod.main["image"]


def test_a_cpu_pool_asks_for_none(helm):
    release = render(PRODUCTION, helm=helm)
    pod = release.pod("worker")
    assert "nvidia.com/gpu" not in pod.main["resources"]["limits"]
    assert pod.environment["FOURTOWER_WORKER_DEVICE"] == "cpu"
    assert "/worker-cpu:" in pod.main["image"]
    rolling = release.one("Deployment", "g1-worker-cpu")["spec"]["strategy"]["rollingUpdate"]
    assert rolling == {"maxSurge": 1, "maxUnavailable": 0}


def test_workers_are_scaled_by_the_lag_of_their_group(helm):
    [scaled] = render(GPU, helm=helm).of("ScaledObject")
    assert scaled["spec"]["scaleTargetRef"]["name"] == "shop-fourtower-g1-worker-gpu"
    assert [each["metadata"]["topic"] for each in scaled["spec"]["triggers"]] == [
        "catalog.updates",
        "catalog.updates.replay",
    ]
    for trigger in scaled["spec"]["triggers"]:
        about = trigger["metadata"]
        assert about["consumerGroup"] == "fourtower"
        assert about["allowIdleConsumers"] == "true"
        assert (about["sasl"], about["tls"]) == ("scram_sha512", "enable")
        assert all(isinstance(value, str) for value in about.values())
        assert trigger["authenticationRef"]["name"] == "shop-fourtower-kafka"
    behaviour = scaled["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    assert behaviour["scaleDown"]["stabilizationWindowSeconds"] == 600


def test_a_topic_without_compaction_has_no_replays_to_scale_by(helm):
    [scaled] = render(GPU, {"settings.topic.compacted": False}, helm=helm).of("ScaledObject")
    assert [each["metadata"]["topic"] for each in scaled["spec"]["triggers"]] == ["catalog.updates"]


def test_the_scaler_reads_kafka_as_the_ingester_does(helm):
    [found] = render(EVERYTHING, helm=helm).of("TriggerAuthentication")
    said = {each["parameter"]: (each["name"], each["key"]) for each in found["spec"]["secretTargetRef"]}
    assert said == {
        "username": ("fourtower-kafka-ingester", "username"),
        "password": ("fourtower-kafka-ingester", "password"),
        "ca": ("kafka-cluster-ca", "ca.crt"),
        "cert": ("kafka-cluster-ca", "tls.crt"),
        "key": ("kafka-cluster-ca", "tls.key"),
        "keyPassword": ("kafka-cluster-ca", "password"),
    }


def test_reconciling_never_runs_twice_at_once(helm):
    cron = render(PRODUCTION, helm=helm).one("CronJob", "reconcile")
    assert cron["spec"]["concurrencyPolicy"] == "Forbid"
    assert cron["spec"]["jobTemplate"]["spec"]["backoffLimit"] == 0  # exit code 1 says that something was found


def test_the_reconciler_looks_at_the_live_generation(helm):
    command = render(EVERYTHING, helm=helm).pod("reconciler").main["command"]
    assert command == [
        *("fourtower", "reconcile", "--repair", "--delete-extra", "--ignore=image_missing", "--ignore=extra"),
        *("--rate=500", "--state=/state"),
    ]
    found = render(EVERYTHING, helm=helm).pod("reconciler").environment
    assert (found["FOURTOWER_WORKER_GENERATION"], found["FOURTOWER_INGESTER_GROUP"]) == ("1", "fourtower")


def test_bootstrap_runs_before_everything_else(helm):
    job = render(PRODUCTION, helm=helm).one("Job", "bootstrap")
    assert job["metadata"]["annotations"] == {
        "helm.sh/hook": "pre-install,pre-upgrade",
        "helm.sh/hook-delete-policy": "before-hook-creation,hook-succeeded",
    }


def test_topics_of_others_are_left_to_them(helm):
    command = render(PRODUCTION, {"bootstrap.topics": False}, helm=helm).pod("bootstrap").main["command"]
    assert command[-1] == "--no-topics"
    assert "--no-topics" not in render(PRODUCTION, helm=helm).pod("bootstrap").main["command"]


def test_every_mounted_volume_is_there(release):
    for pod in release.pods:
        volumes = [each["name"] for each in pod.spec["volumes"]]
        assert sorted(volumes) == sorted(set(volumes)), pod.name
        for container in pod.containers:
            assert {each["name"] for each in container["volumeMounts"]} <= set(volumes), pod.name
            paths = [each["mountPath"] for each in container["volumeMounts"]]
            assert len(paths) == len(set(paths)), pod.name


def test_names_and_labels_fit_however_long_the_release_is(helm):
    release = render(EVERYTHING, {"fullnameOverride": "a" * 34, "generations.g1.workers": LONGEST}, helm=helm)
    for each in release.objects:
        name = each["metadata"]["name"]
        limit = {"CronJob": 52, "StatefulSet": 63 - 11, "Job": 63}.get(each["kind"], 63)
        assert len(name) <= limit, (each["kind"], name)
        assert all(len(value) <= 63 for value in each["metadata"]["labels"].values())


LONGEST = {"pool-of-some": {"kind": "cpu"}}


def test_a_changed_catalog_or_secret_replaces_pods(helm):
    def annotations(component, **changes):
        return render(EVERYTHING, changes, helm=helm).pod(component).metadata["annotations"]

    assert annotations("search") != annotations("search", secretsRevision="2")
    other = {"generations.g2.catalog.inline": "[attributes.size]\ntype = 'int'"}
    assert annotations("toolbox") != annotations("toolbox", **other)
    assert annotations("toolbox") == annotations("toolbox", **{"generations.g2.ingester.replicas": 1})
    assert annotations("search") == annotations("search", **other)


def test_requests_are_no_more_than_limits(release):
    for pod in release.pods:
        for container in pod.containers:
            resources = container["resources"]
            for name, limit in resources["limits"].items():
                if name in resources["requests"]:
                    assert _bytes(resources["requests"][name]) <= _bytes(limit), (pod.name, name)


def _bytes(quantity):
    units = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "m": 1e-3}
    text = str(quantity)
    unit = next((each for each in units if text.endswith(each)), "")
    value = float(text.removesuffix(unit)) * units.get(unit, 1)
    assert math.isfinite(value)
    return value
