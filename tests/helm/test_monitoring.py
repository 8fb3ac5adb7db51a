"""What is measured and alarmed: every metric exists in the code, every alert has a runbook."""

import re

import pytest
from prometheus_client import CollectorRegistry
from tests.helm.rendering import EVERYTHING, PRODUCTION, ROOT, render

from fourtower_ingest.condition import Condition
from fourtower_ingest.flow.stats import FlowStats
from fourtower_ingest.log import Partition
from fourtower_ingest.metrics import IngestMetrics
from fourtower_search.service.metrics import ServiceMetrics
from fourtower_workers.metrics import WorkerMetrics

FOREIGN = {"up", "kube_job_status_failed", "kube_job_status_start_time", "kube_cronjob_status_last_successful_time"}
"""Prometheus' own, and those of kube-state-metrics."""
PAGE = ROOT / "docs" / "operations.md"
WORDS = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*(?=\{)")


def test_every_metric_of_an_alert_exists(helm):
    known = _of_ingester() | _of_worker() | _of_service() | FOREIGN
    for rule in _rules(render(PRODUCTION, helm=helm)):
        used = set(WORDS.findall(re.sub(r'"[^"]*"', '""', rule["expr"])))
        assert used, rule
        assert used <= known, (rule["alert"], used - known)


def _of_ingester():
    flow = FlowStats(finished={("applied", ""): 1}, failures={("read", "x"): 1})
    condition = Condition(at=0.0, flow=flow, lag={Partition("t", 0): 1}, letters={"x": 1})
    return _names(IngestMetrics(lambda: condition).registry)


def _of_service():
    from fourtower_search.service.admission import Load

    class Remembered:
        def cache_stats(self):
            return None

    metrics = ServiceMetrics()
    figures = dict.fromkeys(Load.__dataclass_fields__, 1)
    metrics.watch(lambda: Load(**figures), Remembered())
    metrics.note("/search", 200, 0.1)
    return _names(metrics.registry)


def _of_worker():
    registry = CollectorRegistry()
    for metric in vars(WorkerMetrics()).values():
        registry.register(metric)
    return _names(registry) | {
        f"{metric.describe()[0].name}_total" for metric in vars(WorkerMetrics()).values() if metric._type == "counter"
    }


def _names(registry):
    return {sample.name for family in registry.collect() for sample in family.samples}


def _rules(release):
    [found] = release.of("PrometheusRule")
    [group] = found["spec"]["groups"]
    return [rule for rule in group["rules"] if rule["alert"].startswith("Fourtower")]


def test_every_alert_says_what_is_wrong_and_where_to_read_on(helm):
    names = set()
    for rule in _rules(render(EVERYTHING, helm=helm)):
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"]["summary"].endswith((".", ")."))
        expected = f"https://runbooks.shop.example/fourtower#{rule['alert'].lower()}"
        assert rule["annotations"]["runbook_url"] == expected
        assert "{{" not in rule["expr"]
        names.add(rule["alert"])
    assert len(names) == len(_rules(render(EVERYTHING, helm=helm)))


def test_every_alert_has_a_runbook(helm):
    headings = set(re.findall(r"^#+ (Fourtower\w+)$", PAGE.read_text(), re.MULTILINE))
    assert headings == {rule["alert"] for rule in _rules(render(PRODUCTION, helm=helm))}


def test_every_metric_of_a_runbook_exists():
    known = _of_ingester() | _of_worker() | _of_service()
    named = set(re.findall(r"\bfourtower_(?:ingest|worker|service|event)_\w+", PAGE.read_text()))
    assert len(named) >= 8
    assert {name for name in named if not known & {name, f"{name}_count"}} == set()


def test_alerts_look_at_this_release_only(helm):
    for rule in _rules(render(PRODUCTION, helm=helm)):
        selectors = re.findall(r"\{([^}]*)\}", rule["expr"])
        assert selectors
        assert all('namespace="search"' in each and "shop-fourtower" in each for each in selectors), rule["expr"]


def test_alerts_name_services_that_exist(helm):
    release = render(EVERYTHING, helm=helm)
    names = [each["metadata"]["name"] for each in release.of("Service")]
    for rule in _rules(release):
        for wanted in re.findall(r'service=~?"([^"]*)"', rule["expr"]):
            assert any(re.fullmatch(wanted, name) for name in names), wanted


def test_prometheus_finds_all_that_measure(helm):
    release = render(EVERYTHING, helm=helm)
    [monitor] = release.of("ServiceMonitor")
    wanted = monitor["spec"]["selector"]["matchLabels"]
    [endpoint] = monitor["spec"]["endpoints"]
    found = [
        service["metadata"]["name"]
        for service in release.of("Service")
        if wanted.items() <= service["metadata"]["labels"].items()
        and endpoint["port"] in [port["name"] for port in service["spec"]["ports"]]
    ]
    assert {name.removeprefix("shop-fourtower-") for name in found} == {
        *("search-metrics", "g1-ingester", "g1-worker-cpu", "g1-worker-gpu", "g2-ingester", "g2-worker-cpu")
    }
    assert monitor["metadata"]["labels"]["release"] == "prometheus"


@pytest.mark.parametrize("kind", ["ServiceMonitor", "PrometheusRule", "ScaledObject", "TriggerAuthentication"])
def test_foreign_kinds_come_only_where_they_are_asked_for(kind, helm):
    changes = {
        "monitoring.serviceMonitor.enabled": False,
        "monitoring.prometheusRule.enabled": False,
        "keda.enabled": False,
        "generations.g1.workers.cpu.autoscaling": {"enabled": False},
    }
    assert render(PRODUCTION, helm=helm).of(kind)
    assert not render(PRODUCTION, changes, helm=helm).of(kind)
