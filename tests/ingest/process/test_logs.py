"""Log lines: their form, the place of an event in them, and nothing that breaks a line."""

from __future__ import annotations

import io
import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourtower_ingest.log import Partition, Place, Record
from fourtower_ingest.logs import fields, plain, record_fields, set_up_logs

PLACE = Place(Partition("catalog", 2), 17)


@pytest.fixture(autouse=True)
def logs_as_before():
    names = ["", "fourtower", "kafka", "kombu", "amqp", "redis"]
    before = {name: logging.getLogger(name).level for name in names}
    handlers = list(logging.getLogger().handlers)
    yield
    logging.getLogger().handlers[:] = handlers
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


@pytest.fixture
def log():
    return logging.getLogger("fourtower.test")


def test_json_carries_the_place_and_the_product(log):
    stream = io.StringIO()
    set_up_logs("json", process="pod-0", stream=stream)
    log.warning("Set aside: %s", "bad", extra=fields(place=PLACE, product_id="p1", code="invalid"))
    line = json.loads(stream.getvalue())
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "warning",
        "logger": "fourtower.test",
        "message": "Set aside: bad",
        "process": "pod-0",
        "product_id": "p1",
        "topic": "catalog",
        "partition": 2,
        "offset": 17,
        "code": "invalid",
    }


def test_pretty_lines_carry_the_same(log):
    stream = io.StringIO()
    set_up_logs("pretty", stream=stream)
    log.error("Gone", extra=record_fields(Record(PLACE, b"p1", b"secret payload"), code="invalid"))
    (line,) = stream.getvalue().splitlines()
    assert line.endswith("ERROR   Gone  product_id=p1  topic=catalog  partition=2  offset=17  code=invalid")
    assert "secret" not in line


@pytest.mark.parametrize("form", ["pretty", "json"])
def test_nothing_from_outside_breaks_a_line(log, form):
    stream = io.StringIO()
    set_up_logs(form, stream=stream)
    log.warning("Bad: %s", "one\ntwo\x1b[2Jthree\u202e", extra=fields(product_id="a\r\nINFO all is well"))
    assert len(stream.getvalue().splitlines()) == 1
    assert not set("\x1b\u202e\r") & set(stream.getvalue())


@given(st.text(max_size=1500))
def test_plain_text_is_one_bounded_line(text):
    shown = plain(text)
    assert len(shown) <= 1003
    assert len((shown + "|").splitlines()) == 1
    shown.encode()


def test_a_traceback_is_kept(log):
    stream = io.StringIO()
    set_up_logs("json", stream=stream)
    try:
        raise ValueError("deep")
    except ValueError:
        log.exception("Broken")
    assert "ValueError: deep" in json.loads(stream.getvalue())["traceback"]


def test_levels(log):
    stream = io.StringIO()
    set_up_logs("pretty", "INFO", stream=stream)
    log.debug("quiet")
    log.info("ours")
    logging.getLogger("kafka.conn").error("a library complains")
    logging.getLogger("anything").info("others")
    assert [line.split()[-1] for line in stream.getvalue().splitlines()] == ["ours"]


def test_setting_up_twice_logs_once(log):
    stream = io.StringIO()
    set_up_logs("pretty", stream=stream)
    set_up_logs("pretty", stream=stream)
    log.info("once")
    assert len(stream.getvalue().splitlines()) == 1
