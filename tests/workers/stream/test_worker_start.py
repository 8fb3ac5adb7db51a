"""What `fourtower worker` says when it can't start."""

import json
import re

import pytest
from typer.testing import CliRunner

from fourtower_ingest.errors import InvalidSettings, RedisUnavailable
from fourtower_search.errors import IndexMismatch
from fourtower_workers.cli import app


def refused(*words, **environment):
    done = CliRunner().invoke(app, ["worker", "--device", "cpu", *words], env=environment)
    assert done.exception is not None, done.output
    return done.exception


def test_without_the_index(lite_server, new_index):
    error = refused("--index", lite_server, "--alias", "nothing")
    assert isinstance(error, IndexMismatch)
    assert "The index nothing at" in str(error)
    assert "does not exist. Make it with `fourtower bootstrap`" in str(error)
    error = refused("--index", lite_server, "--alias", new_index.record.alias, "--generation", "7")
    assert "has no generation 7; it has 1." in str(error)


def test_without_redis(lite_server, new_index):
    where = "redis://user:secret@127.0.0.1:1/0"
    error = refused("--index", lite_server, "--alias", new_index.record.alias, "--redis", where)
    assert isinstance(error, RedisUnavailable)
    assert str(error) == (
        "Redis at redis://127.0.0.1:1/0 can't be reached (ConnectionError); start it, or set FOURTOWER_REDIS_URL."
    )


def test_with_another_model(lite_server, new_index, tmp_path):
    words = ("--index", lite_server, "--alias", new_index.record.alias)
    error = refused(*words, "--model", str(tmp_path))
    assert isinstance(error, IndexMismatch)
    assert "Set FOURTOWER_WORKER_MODEL to where that checkpoint is on this machine." in str(error)


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("FOURTOWER_WORKER_INDEX", "products.db", "which only one process can have open"),
        ("FOURTOWER_WORKER_TIME_LIMIT_S", "900", "must be below the ingester's"),
        ("FOURTOWER_WORKER_DEVICE", "tpu", "FOURTOWER_WORKER_DEVICE"),
    ],
)
def test_with_settings_that_make_no_sense(variable, value, told):
    done = CliRunner().invoke(app, ["worker"], env={variable: value})
    assert isinstance(done.exception, InvalidSettings)
    assert told in str(done.exception)


def test_all_settings_can_be_listed_without_anything_to_connect_to():
    environment = {"FOURTOWER_WORKER_TOKEN": "root:secret", "FOURTOWER_WORKER_PROCESSES": "3"}
    done = CliRunner().invoke(app, ["worker", "--settings", "--json"], env=environment)
    listed = {setting["variable"]: setting["value"] for setting in json.loads(done.stdout)}
    assert listed["FOURTOWER_WORKER_PROCESSES"] == "3"
    assert listed["FOURTOWER_WORKER_TOKEN"] == "********"
    assert "FOURTOWER_REDIS_URL" in listed
    assert "FOURTOWER_FLOW_VISIBILITY_TIMEOUT_S" in listed
    shown = CliRunner().invoke(app, ["worker", "--settings"], env=environment).stdout
    assert re.search(r"^FOURTOWER_WORKER_PROCESSES +3 *$", shown, re.MULTILINE)
    assert "secret" not in shown
