"""Settings from the environment: what is said of bad ones, and the list of all."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from fourtower_ingest.environment import MASK, list_settings, read_settings, variable_of
from fourtower_ingest.errors import InvalidSettings
from fourtower_ingest.ingest_cli import ingest
from fourtower_ingest.settings import FlowSettings, IngesterSettings, KafkaSettings, RedisSettings, TopicSettings

KINDS = (KafkaSettings, RedisSettings, TopicSettings, FlowSettings, IngesterSettings)


def test_what_is_given_goes_before_the_environment(monkeypatch):
    monkeypatch.setenv("FOURTOWER_KAFKA_BOOTSTRAP", "a:1")
    assert read_settings(KafkaSettings).bootstrap == "a:1"
    assert read_settings(KafkaSettings, bootstrap=None).bootstrap == "a:1"
    assert read_settings(KafkaSettings, bootstrap="b:2").bootstrap == "b:2"


@pytest.mark.parametrize(
    ("variable", "value", "kind", "said"),
    [
        ("FOURTOWER_FLOW_BATCH", "0", FlowSettings, "FOURTOWER_FLOW_BATCH is '0': "),
        ("FOURTOWER_FLOW_BATCH", "many", FlowSettings, "FOURTOWER_FLOW_BATCH is 'many': "),
        ("FOURTOWER_REDIS_PREFIX", "A B", RedisSettings, "FOURTOWER_REDIS_PREFIX is 'A B': "),
        ("FOURTOWER_TOPIC_VERSION_SOURCE", "luck", TopicSettings, "'event' or 'offset'"),
        ("FOURTOWER_FLOW_VISIBILITY_TIMEOUT_S", "3", FlowSettings, "must be below visibility_timeout_s"),
    ],
)
def test_a_bad_value_is_named_with_its_variable(monkeypatch, variable, value, kind, said):
    monkeypatch.setenv(variable, value)
    with pytest.raises(InvalidSettings) as caught:
        read_settings(kind)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_setting_is_described_and_has_a_variable_that_changes_it(monkeypatch):
    listed = list_settings([kind() for kind in KINDS])
    assert len({setting.variable for setting in listed}) == len(listed)
    for setting in listed:
        assert len(setting.description) > 5, setting.variable
    for kind in KINDS:
        for name, field in kind.model_fields.items():
            if field.annotation is int:
                monkeypatch.setenv(variable_of(kind, name), "17")
    changed = list_settings([kind() for kind in KINDS if kind is not TopicSettings])
    assert {"FOURTOWER_FLOW_BATCH", "FOURTOWER_INGESTER_GENERATION"} <= {
        setting.variable for setting in changed if setting.value == "17"
    }


def test_secrets_are_masked(monkeypatch):
    monkeypatch.setenv("FOURTOWER_KAFKA_SASL_PASSWORD", "hunter2")
    monkeypatch.setenv("FOURTOWER_REDIS_URL", "redis://me:hunter2@localhost/0")
    done = CliRunner().invoke(_app(), ["--settings", "--json"])
    assert done.exit_code == 0, done.output
    assert "hunter2" not in done.output
    values = {setting["variable"]: setting["value"] for setting in json.loads(done.output)}
    assert values["FOURTOWER_KAFKA_SASL_PASSWORD"] == MASK
    assert values["FOURTOWER_KAFKA_SSL_KEY_PASSWORD"] == ""


def test_the_table_holds_every_variable_and_its_value():
    done = CliRunner().invoke(_app(), ["--settings", "--group", "night"], env={"COLUMNS": "120"})
    assert done.exit_code == 0, done.output
    for setting in list_settings([kind() for kind in KINDS]):
        assert setting.variable in done.output
    assert "night" in done.output


def test_options_read_the_same_variables():
    done = CliRunner().invoke(_app(), ["--settings", "--json"], env={"FOURTOWER_INGESTER_GENERATION": "4"})
    values = {setting["variable"]: setting["value"] for setting in json.loads(done.output)}
    assert values["FOURTOWER_INGESTER_GENERATION"] == "4"


def _app():
    import typer

    app = typer.Typer()
    app.command()(ingest)
    return app
