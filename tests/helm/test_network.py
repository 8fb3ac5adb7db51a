"""Who may talk to whom, worked out from the rendered policies: what is listed here, and nothing else."""

import pytest
from tests.helm.flows import End, allowed
from tests.helm.rendering import NAMESPACE, PRODUCTION, REINDEX, TRIAL, render

OUTSIDE = {
    "kafka": (End("kafka", namespace="kafka", address="10.1.0.1"), 9093),
    "redis": (End("redis", namespace="valkey", address="10.1.0.2"), 6379),
    "milvus": (End("milvus", namespace="milvus", address="10.1.0.3"), 19530),
    "pictures": (End("a shop's picture host", address="198.51.100.7"), 443),
    "models": (End("where models are fetched from", address="203.0.113.9"), 443),
    "cloud": (End("the cloud's metadata", address="169.254.169.254"), 80),
    "inside": (End("another machine of the network", address="10.7.7.7"), 443),
    "mail": (End("a mail server", address="198.51.100.8"), 25),
    "neighbour": (End("a pod beside the release", {"app": "other"}, NAMESPACE, "10.1.0.9"), 8000),
    "api": (End("the cluster's API", address="10.96.0.1"), 443),
}
PUBLIC = {"pictures", "models"}  # the addresses of models lie in public ranges, too
EXPECTED = {
    "search": {"milvus"},
    "ingester g1": {"kafka", "redis"},
    "worker g1": {"redis", "milvus"} | PUBLIC,
    "bootstrap": {"kafka", "milvus"},
    "reconciler": {"kafka", "redis", "milvus"},
    "toolbox": {"kafka", "redis", "milvus"},
    "test": {"kafka"},
}
DNS = End("the cluster's names", {"k8s-app": "kube-dns"}, "kube-system", "10.96.0.10")


def ends(release):
    """Every pod of a release, by component and generation."""
    found = {}
    for pod in release.pods:
        ports = {port["name"]: port["containerPort"] for each in pod.containers for port in each.get("ports", [])}
        name = " ".join(filter(None, (pod.component, pod.labels.get("fourtower/generation"))))
        found[name] = End(name, pod.labels, NAMESPACE, "10.1.1.1", ports)
    return found


def reached(release, source):
    policies = release.of("NetworkPolicy")
    return {name for name, (target, port) in OUTSIDE.items() if allowed(policies, source, target, port)}


def test_every_pod_reaches_what_it_needs_and_nothing_else(helm):
    release = render(PRODUCTION, helm=helm)
    assert {name: reached(release, end) for name, end in ends(release).items()} == EXPECTED


def test_a_generation_that_is_built_reaches_what_it_waits_for_and_its_model(helm):
    release = render(REINDEX, helm=helm)
    assert {name: reached(release, end) for name, end in ends(release).items()} == {
        **EXPECTED,
        "search": {"milvus", "models"},
        "toolbox": {"kafka", "redis", "milvus", "models"},
        "ingester g2": {"kafka", "redis", "milvus"},  # its init container waits until the generation exists
        "worker g2": {"redis", "milvus"} | PUBLIC,
        "seed g2": {"kafka", "redis", "milvus", "models"},
    }


def test_pictures_of_queries_open_the_way_for_search_alone(helm):
    changes = {"pictures.searchHosts": ["images.shop.example"], "pictures.allowHosts": []}
    release = render(PRODUCTION, changes, helm=helm)
    found = ends(release)
    assert reached(release, found["search"]) == {"milvus"} | PUBLIC
    assert reached(release, found["worker g1"]) == {"redis", "milvus"}


def test_everybody_may_ask_for_names(helm):
    release = render(REINDEX, helm=helm)
    for end in ends(release).values():
        for protocol in ("UDP", "TCP"):
            assert allowed(release.of("NetworkPolicy"), end, DNS, 53, protocol), end.name
        assert not allowed(release.of("NetworkPolicy"), end, DNS, 443), end.name


def test_between_the_pods_of_a_release_only_the_test_calls_search(helm):
    release = render(REINDEX, helm=helm)
    found, policies = ends(release), release.of("NetworkPolicy")
    ways = {
        (source.name, target.name, port)
        for source in found.values()
        for target in found.values()
        for port in (8000, 8001)
        if allowed(policies, source, target, port)
    }
    assert ways == {("test", "search", 8000)}


def test_strangers_reach_search_through_the_ingress_controller_only(helm):
    release = render(PRODUCTION, helm=helm)
    policies, found = release.of("NetworkPolicy"), ends(release)
    ingress = End("the Ingress controller", namespace="ingress-nginx")
    prometheus = End("Prometheus", namespace="monitoring")
    strangers = [End("a pod beside the release", {"app": "other"}, NAMESPACE), End("the internet")]
    for target in found.values():
        assert allowed(policies, ingress, target, 8000) is (target.name == "search")
        assert not allowed(policies, ingress, target, 8001)
        measured = target.name in ("search", "ingester g1", "worker g1")
        assert allowed(policies, prometheus, target, 8001) is measured
        assert not allowed(policies, prometheus, target, 8000)
        for stranger in strangers:
            assert not any(allowed(policies, stranger, target, port) for port in (8000, 8001))


def test_the_first_bootstrap_has_its_policy_before_it_starts(helm):
    """Before an installation none of the other policies exist."""
    release = render(PRODUCTION, helm=helm)
    hooks = [each for each in release.of("NetworkPolicy") if "helm.sh/hook" in each["metadata"].get("annotations", {})]
    [policy] = hooks
    job = release.one("Job", "bootstrap")
    weights = [int(each["metadata"]["annotations"].get("helm.sh/hook-weight", 0)) for each in (policy, job)]
    assert weights[0] < weights[1]
    alone = End("bootstrap", release.pod("bootstrap").labels, NAMESPACE)
    assert {name for name, (to, port) in OUTSIDE.items() if allowed(hooks, alone, to, port)} == {"kafka", "milvus"}
    assert allowed(hooks, alone, DNS, 53, "UDP")


def test_every_policy_is_for_pods_that_there_are(helm):
    for files in (PRODUCTION, REINDEX):
        release = render(files, helm=helm)
        for policy in release.of("NetworkPolicy"):
            selector = policy["spec"]["podSelector"]["matchLabels"]
            assert [pod for pod in release.pods if selector.items() <= pod.labels.items()], policy["metadata"]["name"]


def test_without_policies_none_are_rendered(helm):
    assert render(TRIAL, helm=helm).of("NetworkPolicy") == []


@pytest.mark.parametrize("removed", [0, 1])
def test_the_working_out_notices_a_policy_that_is_missing(removed, helm):
    """The default policy shuts everything; without it, everything that no other policy selects is open."""
    policies = render(PRODUCTION, helm=helm).of("NetworkPolicy")
    [default] = [each for each in policies if each["metadata"]["name"] == "shop-fourtower"]
    left = [each for each in policies if not removed or each is not default]
    stray = End("a stray pod", default["spec"]["podSelector"]["matchLabels"], NAMESPACE)
    assert allowed(left, stray, *OUTSIDE["cloud"]) is bool(removed)
