"""Settings and values fit each other both ways, and both fit their description."""

import json
import re

import pytest
import yaml
from tests.helm.rendering import ALL_CASES, CHART, EVERYTHING, GPU, TRIAL, render

from fourtower_ingest.settings import FlowSettings, IngesterSettings, KafkaSettings, RedisSettings, TopicSettings
from fourtower_search.service.settings import ServiceSettings
from fourtower_workers.settings import WorkerSettings

KINDS = {
    "kafka": KafkaSettings,
    "redis": RedisSettings,
    "topic": TopicSettings,
    "flow": FlowSettings,
    "ingester": IngesterSettings,
    "worker": WorkerSettings,
    "service": ServiceSettings,
}
VARIABLES = {f"FOURTOWER_{kind.upper()}_{name.upper()}" for kind in KINDS for name in KINDS[kind].model_fields}
READ = {
    "search": {"SERVICE"},
    "ingester": {"KAFKA", "REDIS", "TOPIC", "FLOW", "INGESTER"},
    "worker": {"REDIS", "FLOW", "WORKER"},
    "bootstrap": {"KAFKA", "TOPIC", "WORKER"},
    "seed": {"KAFKA", "REDIS", "TOPIC", "FLOW", "INGESTER", "WORKER"},
    "reconciler": {"KAFKA", "REDIS", "TOPIC", "FLOW", "INGESTER", "WORKER"},
    "toolbox": {"KAFKA", "REDIS", "TOPIC", "FLOW", "INGESTER", "WORKER"},
    "test": {"KAFKA", "TOPIC"},
}
OTHERS = {"HOME", "SEARCH_URL", "SEARCH_API_KEY", "TEST_TIMEOUT_S", "TEST_PRODUCT", "MODEL_TOKEN", "OMP_NUM_THREADS"}
OF_COMMANDS = {"FOURTOWER_INDEX", "FOURTOWER_ALIAS", "FOURTOWER_TOKEN", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"}
"""Of `fourtower search` and `index`, which people type in the toolbox; the last one is gRPC's own."""
NEVER_SET = {"FOURTOWER_SERVICE_MODEL"}  # search follows what each generation records
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())


@pytest.fixture(params=ALL_CASES)
def release(request, helm):
    return render(ALL_CASES[request.param], helm=helm)


def test_every_variable_that_the_chart_sets_is_a_setting(release):
    for pod in release.pods:
        for container in pod.containers:
            for variable in container.get("env", []):
                known = VARIABLES | OTHERS | (OF_COMMANDS if pod.component == "toolbox" else set())
                assert variable["name"] in known, (pod.name, variable)


def test_no_variable_is_set_twice(release):
    for pod in release.pods:
        for container in pod.containers:
            names = [variable["name"] for variable in container.get("env", [])]
            assert sorted(names) == sorted(set(names)), (pod.name, container["name"])


def test_processes_are_told_what_they_read_and_nothing_else(release):
    for pod in release.pods:
        told = {name.split("_")[1] for name in pod.environment.keys() - OF_COMMANDS if name.startswith("FOURTOWER_")}
        assert told <= READ[pod.component], pod.name


def test_every_process_takes_its_settings(release, monkeypatch):
    for pod in release.pods:
        with monkeypatch.context() as patch:
            for name, value in pod.environment.items():
                if name.startswith("FOURTOWER_"):
                    patch.setenv(name, value if isinstance(value, str) else _stand_in(name))
            for kind in READ[pod.component]:
                KINDS[kind.lower()]()


def _stand_in(name):
    return "redis://user:password@redis:6379/0" if name.endswith("_URL") else "something-from-a-secret"


def _settable(kind):
    return set(SCHEMA["$defs"][f"settings-{kind}"]["properties"])


def _owned(kind):
    """Settings that other values make."""
    return set(KINDS[kind].model_fields) - _settable(kind)


@pytest.mark.parametrize("kind", KINDS)
def test_each_setting_under_settings_is_one_of_the_code(kind):
    assert _settable(kind) <= set(KINDS[kind].model_fields)


@pytest.mark.parametrize("kind", KINDS)
def test_each_setting_under_settings_arrives(kind, helm):
    """A value that is not the default, for every one of them."""
    wanted = {name: _another(KINDS[kind], name) for name in _settable(kind)}
    release = render(TRIAL, {f"settings.{kind}": wanted, **MAKING_ROOM}, helm=helm)
    component = next(component for component, kinds in READ.items() if kind.upper() in kinds)
    found = release.pod(component).environment
    for name, value in wanted.items():
        assert found[f"FOURTOWER_{kind.upper()}_{name.upper()}"] == _shown(value)


def _shown(value):
    match value:
        case list():
            return ",".join(map(_shown, value))
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
    return str(value)


MAKING_ROOM = {"settings.worker.time_limit_s": 2, "settings.flow.start_deadline_s": 700}


def _another(kind, name):
    """A value that the schema takes and that is not the default."""
    schema = SCHEMA["$defs"][f"settings-{kind.model_config['env_prefix'].split('_')[1].lower()}"]["properties"][name]
    default = kind.model_fields[name].get_default(call_default_factory=True)
    if name in ("time_limit_s", "start_deadline_s"):
        return {"time_limit_s": 2, "start_deadline_s": 700}[name]
    match schema["type"]:
        case "boolean":
            return not default
        case "array":
            return [8080, 8443] if schema["items"]["type"] == "integer" else ["https://a.example", "https://b.example"]
        case "string":
            return next((each for each in schema.get("enum", []) if each != default), "another")
    candidates = (default + 1 if default else 1, schema.get("maximum"), schema.get("minimum"), 0.5)
    return next(each for each in candidates if each is not None and each != default and _within(schema, each))


def _within(schema, value):
    return (
        schema.get("minimum", value) <= value <= schema.get("maximum", value)
        and value > schema.get("exclusiveMinimum", value - 1)
        and (schema["type"] == "number" or isinstance(value, int))
    )


def test_every_setting_that_is_not_under_settings_is_made_by_other_values(helm):
    mutual = {"kafka.tls.caKey": "ca.crt", "milvus.alias": "shop", "search.keys.existingSecret": ""}
    releases = [
        render(EVERYTHING, helm=helm),
        render(EVERYTHING, {**mutual, "insecure.search": True}, helm=helm),
        render(GPU, helm=helm),
    ]
    seen = {name for release in releases for pod in release.pods for name in pod.environment}
    owned = {f"FOURTOWER_{kind.upper()}_{name.upper()}" for kind in KINDS for name in _owned(kind)}
    assert owned - seen == NEVER_SET


def test_whole_numbers_arrive_without_an_exponent(helm):
    release = render(TRIAL, {"settings.flow.most_bytes": 134217728000}, helm=helm)
    assert release.pod("ingester").environment["FOURTOWER_FLOW_MOST_BYTES"] == "134217728000"


def test_a_pool_goes_over_its_generation_and_that_over_all(helm):
    changes = {
        "settings.worker": {"batch": 10, "threads": 10, "nice": 10},
        "generations.g1.settings.worker": {"batch": 11, "threads": 11, "fetch_deadline_s": 2.5},
        "generations.g1.workers.cpu.settings": {"batch": 12},
    }
    found = render(TRIAL, changes, helm=helm).pod("worker").environment
    assert [found[f"FOURTOWER_WORKER_{name}"] for name in ("BATCH", "THREADS", "NICE")] == ["12", "11", "10"]
    assert found["FOURTOWER_WORKER_FETCH_DEADLINE_S"] == "2.5"


@pytest.mark.parametrize("value", [False, 0, ""])
def test_what_is_false_or_zero_goes_over_what_is_not(value, helm):
    changes = {"generationDefaults.workers": {}, "workerDefaults.podDisruptionBudget": True}
    pool = {"podDisruptionBudget": value} if value is False else {"shmSize": ""} if value == "" else {"replicas": 0}
    changes |= {"workerDefaults.shmSize": "1Gi", "generations.g1.workers.cpu": {**pool, "kind": "cpu"}}
    release = render(TRIAL, changes, helm=helm)
    deployment = release.one("Deployment", "g1-worker-cpu")
    if value is False:
        assert not release.has("PodDisruptionBudget", "g1-worker-cpu")
    elif value == "":
        assert "shm" not in json.dumps(deployment)
    else:
        assert deployment["spec"]["replicas"] == 0


def test_defaults_that_values_repeat_are_those_of_the_code():
    for kind, values in VALUES["settings"].items():
        for name, value in values.items():
            assert KINDS[kind].model_fields[name].default == value, (kind, name)


@pytest.mark.parametrize("kind", KINDS)
def test_values_name_each_setting_with_its_default(kind):
    text = (CHART / "values.yaml").read_text()
    section = re.search(rf"^  {kind}:.*\n((?:    .*\n)*)", text[text.index("\nsettings:") :], re.MULTILINE)
    assert section, kind
    described = dict(re.findall(r"^    (?:# )?([a-z_]+): (.*?) +# ", section.group(1), re.MULTILINE))
    assert described.keys() == _settable(kind)
    for name, shown in described.items():
        default = KINDS[kind].model_fields[name].get_default(call_default_factory=True)
        expected = list(default) if isinstance(default, tuple) else default
        assert yaml.safe_load(shown) == expected, (kind, name)


def test_values_describe_every_line():
    """On the line itself, or right above it."""
    lines = (CHART / "values.yaml").read_text().splitlines()
    for number, (above, line) in enumerate(zip(["", *lines], lines, strict=False), 1):
        assert len(line) <= 120, number
        if re.match(r" *[A-Za-z]\w*:", line) and not above.lstrip().startswith("- "):
            assert re.search(r"\S +# \w|\S +# [`.]", line) or above.startswith("#"), (number, line)
    assert sum("REQUIRED" in line for line in lines) > 10


def test_the_schema_is_closed_wherever_names_are_ours():
    """What is Kubernetes' own (affinity, tolerations...) is left to its API server."""
    theirs = {
        "affinity",
        "tolerations",
        "topologySpreadConstraints",
        "extraEnvFrom",
        "extraVolumes",
        "extraVolumeMounts",
    }
    theirs |= {"extraEgress", "extraRules", "valueFrom", "index", "product", "global", "matchExpressions"}
    open_ = set(_open("", SCHEMA))
    assert {path.split(".")[-1] for path in open_} <= theirs, open_


def _open(path, schema):
    if isinstance(schema, dict):
        if schema.get("type") == "object" and schema.get("additionalProperties") is None:
            yield path
        for kind in ("properties", "$defs"):
            for name, each in schema.get(kind, {}).items():
                yield from _open(f"{path}.{name}", each)
        if "items" in schema:
            yield from _open(path, schema["items"])
        for each in schema.get("anyOf", []):
            yield from _open(path, each)


def test_schema_and_values_have_the_same_names():
    assert VALUES.keys() == SCHEMA["properties"].keys() - {"global"}
    for place, value in (("generation", "generationDefaults"), ("pool", "workerDefaults")):
        assert VALUES[value].keys() == SCHEMA["$defs"][place]["properties"].keys()
    for name in ("search", "reconciler", "bootstrap", "toolbox", "networkPolicy", "kafka", "redis", "milvus", "images"):
        assert VALUES[name].keys() == SCHEMA["properties"][name]["properties"].keys(), name
