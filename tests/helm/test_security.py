"""Every pod keeps to the restricted profile, holds no rights in the cluster, and finds secrets by reference only."""

import pytest
from tests.helm.rendering import ALL_CASES, EVERYTHING, PRODUCTION, TRIAL, render

CREDENTIALS = ("TOKEN", "PASSWORD", "USERNAME", "REDIS_URL", "CURSOR_KEY", "API_KEY")


@pytest.fixture(params=ALL_CASES)
def release(request, helm):
    return render(ALL_CASES[request.param], helm=helm)


def test_pods_run_as_nobody_in_particular(release):
    for pod in release.pods:
        security = pod.spec["securityContext"]
        assert security["runAsNonRoot"] is True
        assert security["runAsUser"] == security["runAsGroup"] == security["fsGroup"] == 10001
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}


def test_containers_may_neither_write_nor_gain_anything(release):
    for pod in release.pods:
        for container in pod.containers:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, (pod.name, container["name"])


def test_pods_share_nothing_with_their_node(release):
    for pod in release.pods:
        assert not {"hostNetwork", "hostPID", "hostIPC", "hostUsers"} & pod.spec.keys()
        for volume in pod.spec["volumes"]:
            kinds = volume.keys() - {"name"}
            assert kinds <= {"emptyDir", "secret", "configMap", "persistentVolumeClaim"}, (pod.name, volume)
        for container in pod.containers:
            assert not any("hostPort" in port for port in container.get("ports", []))


def test_no_pod_has_a_token_of_the_cluster(release):
    for pod in release.pods:
        assert pod.spec["automountServiceAccountToken"] is False
    for account in release.of("ServiceAccount"):
        assert account["automountServiceAccountToken"] is False
    assert not {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"} & {each["kind"] for each in release.objects}


def test_no_service_is_explained_to_pods_by_variables(release):
    """One called fourtower-service would set FOURTOWER_SERVICE_PORT to tcp://..., which is no port."""
    assert all(pod.spec["enableServiceLinks"] is False for pod in release.pods)


def test_the_chart_makes_no_secrets(release):
    assert release.of("Secret") == []


def test_credentials_are_references(release):
    for pod in release.pods:
        for container in pod.containers:
            for variable in container.get("env", []):
                if any(word in variable["name"] for word in CREDENTIALS) and "value" in variable:
                    assert variable["value"] == "redis://redis:6379/0", variable  # trial: without any credentials


def test_files_of_secrets_are_read_only_and_not_for_everybody(release):
    for pod in release.pods:
        for volume in pod.spec["volumes"]:
            if "secret" in volume:
                assert volume["secret"]["defaultMode"] == 0o440, (pod.name, volume)
                assert volume["secret"]["items"]
        secret = {volume["name"] for volume in pod.spec["volumes"] if volume.keys() & {"secret", "configMap"}}
        for container in pod.containers:
            for mount in container["volumeMounts"]:
                assert mount.get("readOnly") or mount["name"] not in secret, (pod.name, mount)


def test_every_writable_place_is_a_volume_with_a_limit(release):
    for pod in release.pods:
        own = {volume["name"]: volume for volume in pod.spec["volumes"]}
        for container in pod.containers:
            mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
            assert own[mounts["/tmp"]["name"]]["emptyDir"]["sizeLimit"]
            assert {each["name"] for each in container["volumeMounts"]} <= own.keys()


def test_every_container_says_what_it_needs(release):
    for pod in release.pods:
        for container in pod.containers:
            resources = container["resources"]
            assert {"cpu", "memory"} <= resources["requests"].keys(), (pod.name, container["name"])
            assert "memory" in resources["limits"], (pod.name, container["name"])


def test_images_are_named_and_never_called_latest(release):
    for pod in release.pods:
        for container in pod.containers:
            image = container["image"]
            assert "@sha256:" in image or image.rpartition(":")[2] not in ("", "latest", image), image


def test_commands_are_lists(release):
    """A shell in between would keep SIGTERM to itself."""
    for pod in release.pods:
        for container in pod.containers:
            assert isinstance(container["command"], list)
            assert "args" not in container


def test_each_role_has_a_user_of_its_own(helm):
    release = render(EVERYTHING, helm=helm)

    def secret(component, variable):
        return release.pod(component).environment[variable]["secretKeyRef"]["name"]

    assert secret("ingester", "FOURTOWER_KAFKA_SASL_PASSWORD") == "fourtower-kafka-ingester"
    assert secret("bootstrap", "FOURTOWER_KAFKA_SASL_PASSWORD") == "fourtower-kafka-admin"
    assert secret("seed", "FOURTOWER_KAFKA_SASL_USERNAME") == "fourtower-kafka-admin"
    assert secret("toolbox", "FOURTOWER_KAFKA_SASL_USERNAME") == "fourtower-kafka-admin"
    assert secret("reconciler", "FOURTOWER_KAFKA_SASL_PASSWORD") == "fourtower-kafka-reader"
    assert secret("test", "FOURTOWER_KAFKA_SASL_PASSWORD") == "fourtower-kafka-producer"
    assert secret("search", "FOURTOWER_SERVICE_TOKEN") == "fourtower-milvus-reader"
    assert secret("worker", "FOURTOWER_WORKER_TOKEN") == "fourtower-milvus-writer"
    assert secret("reconciler", "FOURTOWER_WORKER_TOKEN") == "fourtower-milvus-writer"
    assert secret("bootstrap", "FOURTOWER_WORKER_TOKEN") == "fourtower-milvus-admin"
    assert secret("worker", "FOURTOWER_REDIS_URL") == "fourtower-redis-worker"
    assert secret("ingester", "FOURTOWER_REDIS_URL") == "fourtower-redis"


def test_secrets_lie_only_where_they_are_read(helm):
    release = render(EVERYTHING, helm=helm)
    read = {
        "search": {"fourtower-milvus-reader", "fourtower-cursor-key", "fourtower-api-keys", "milvus-ca"},
        "worker": {"fourtower-milvus-writer", "fourtower-redis-worker", "valkey-ca", "milvus-ca"},
        "ingester": {"fourtower-kafka-ingester", "fourtower-redis", "kafka-cluster-ca", "valkey-ca"},
        "bootstrap": {"fourtower-kafka-admin", "fourtower-milvus-admin", "kafka-cluster-ca", "milvus-ca"},
        "test": {"fourtower-kafka-producer", "fourtower-test-key", "kafka-cluster-ca"},
    }
    live = [pod for pod in release.pods if pod.labels.get("fourtower/generation") in (None, "g1")]
    for pod in live:
        if pod.component in read:
            assert set(_secrets(pod.spec)) - {"model-files"} == read[pod.component], pod.name


def _secrets(part):
    if isinstance(part, dict):
        if "secretKeyRef" in part:
            yield part["secretKeyRef"]["name"]
        if "secretName" in part:
            yield part["secretName"]
        for each in part.values():
            yield from _secrets(each)
    elif isinstance(part, list):
        for each in part:
            yield from _secrets(each)


def test_users_can_be_left_to_the_cluster(helm):
    changes = {f"security.{name}": None for name in ("runAsUser", "runAsGroup", "fsGroup")}
    for pod in render(TRIAL, changes, helm=helm).pods:
        assert pod.spec["securityContext"]["runAsNonRoot"] is True
        assert not {"runAsUser", "runAsGroup", "fsGroup"} & pod.spec["securityContext"].keys()


def test_an_account_of_ones_own_is_used_everywhere(helm):
    release = render(PRODUCTION, {"serviceAccount.create": False, "serviceAccount.name": "shop"}, helm=helm)
    assert {pod.spec["serviceAccountName"] for pod in release.pods} == {"shop"}
    assert release.of("ServiceAccount") == []


def test_the_hook_before_installation_needs_no_account_of_the_release(helm):
    assert render(PRODUCTION, helm=helm).pod("bootstrap").spec["serviceAccountName"] == "default"
