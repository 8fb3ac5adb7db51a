"""`fourtower worker` as a process: batches in, messages out, rows there."""

import json
import urllib.error
import urllib.request

import numpy as np
from tests.services.processes import free_port
from tests.workers.shop import delete, upsert
from tests.workers.stream.station import until

from fourtower_ingest.redis_client import queue_key
from fourtower_ingest.wire import Topology


def test_a_batch_becomes_rows_and_messages(station, new_index, demo_towers):
    station.start()
    first = upsert(1, "p1", title="red mug", images=[{"url": "a.png"}])
    attempt = station.send(first, upsert(1, "p2", title="lamp"), delete(3, "p3"))
    done = station.answer(attempt)
    assert [report.status for report in done.reports] == ["applied"] * 3
    assert station.kinds(attempt) == ["started", "written", "done"]
    assert station.messages(attempt)[0].worker.startswith("worker-")
    found = new_index.get(["p1", "p2", "p3"], vectors=True, consistency="strong")
    assert set(found) == {"p1", "p2"}
    row = found["p1"].rows[0]
    assert (row.source, row.imputed, row.title) == ("catalog.updates", "", "red mug")
    image, text = np.split(row.vector, 2)
    assert np.allclose(image, demo_towers.embed_images([station.folder / "a.png"])[0], atol=1e-5)
    assert np.allclose(text, demo_towers.embed_texts(["red mug"], role="product_text")[0], atol=1e-5)

    newest = upsert(3, "p1", title="red mug", images=[{"url": "a.png"}], attributes={"price": 2.5})
    reports = station.done(first, upsert(2, "p1", title="red mug"), newest, delete(2, "p3"))
    assert [report.status for report in reports] == ["superseded", "superseded", "applied", "stale"]
    until(lambda: station.queued() == (0, 0), what="the acknowledgement")
    assert 3500 < station.client.ttl(station.stream) <= 3600


def test_each_event_has_its_own_fate(station):
    """One of each kind of failure beside a good event; the codes and stages are what the ingester decides by."""
    station.start()
    attempt = station.send(
        upsert(1, "good", title="mug"),
        '{"op": "upsert", "product_id": "bad", "version": 1, "product": {"colour": "red"}}',
        "nonsense\ud800",
        upsert(1, "price", title="mug", attributes={"price": "cheap"}),
        upsert(1, "broken", title="mug", images=[{"url": "broken.png"}, {"url": "a.png"}]),
        upsert(1, "empty"),
        '{"op": "patch", "product_id": "nobody", "version": 2, "product": {"title": "x"}}',
        "[" * 100_000,
    )
    reports = station.answer(attempt).reports
    assert [(report.status, report.stage, report.code, report.retryable) for report in reports] == [
        ("applied", "", "", False),
        ("failed", "read", "unknown_field", False),
        ("failed", "read", "not_json", False),
        ("failed", "plan", "invalid_product", False),
        ("applied", "", "", False),
        ("failed", "plan", "nothing_to_embed", False),
        ("failed", "plan", "no_base", True),
        ("failed", "read", "too_deep", False),
    ]
    assert [report.images_missing for report in reports] == [0, 0, 0, 0, 1, 0, 0, 0]


def test_pictures_may_be_insisted_on_and_repaired(station, new_index):
    station.start()
    broken = upsert(1, "p1", title="mug", images=[{"url": "a.png"}, {"url": "broken.png"}])
    attempt = station.send(broken, upsert(1, "p2", title="mug", images=[{"url": "b.png"}]), image_policy="reject")
    refused, applied = station.answer(attempt).reports
    assert (refused.status, refused.stage, refused.code) == ("failed", "fetch", "image_rejected")
    assert not refused.retryable
    assert "broken.png" in refused.message
    assert applied.status == "applied"
    assert set(new_index.get(["p1", "p2"], consistency="strong")) == {"p2"}

    (report,) = station.done(broken)
    assert (report.status, report.images_missing) == ("applied", 1)
    (station.folder / "broken.png").write_bytes((station.folder / "b.png").read_bytes())
    assert station.done(broken)[0].images_missing == 0, "not looked at again"
    assert new_index.get(["p1"], consistency="strong")["p1"].rows[1].image_missing
    (report,) = station.done(broken, repair=True)
    assert (report.status, report.images_missing) == ("applied", 0)
    assert not new_index.get(["p1"], consistency="strong")["p1"].rows[1].image_missing


def test_what_is_meant_for_another_index_is_given_back(station, new_index):
    station.start()
    for changes, told in (
        ({"alias": "another"}, "this worker fills generation 1 of"),
        ({"generation": 2}, "this worker fills generation 1 of"),
        ({"topic_id": "topic-2", "partition_count": 6}, "was built from topic topic-1"),
        ({"topic_id": "topic-1", "partition_count": 7}, "7 partitions, and had 6"),
    ):
        topology = Topology.model_validate({**station.topology.model_dump(), **changes})
        events = [upsert(1, "p1", title="mug"), upsert(1, "p2", title="mug")]
        reports = station.answer(station.send(*events, topology=topology)).reports
        assert [(report.status, report.code, report.retryable) for report in reports] == [
            ("failed", "mismatch", True)
        ] * 2
        assert told in reports[0].message
    assert new_index.get(["p1", "p2"], consistency="strong") == {}
    right = Topology.model_validate({**station.topology.model_dump(), "topic_id": "topic-1", "partition_count": 6})
    assert station.done(upsert(1, "p1", title="mug"), topology=right)[0].status == "applied"


def test_nothing_that_is_sent_stops_it(station, new_index):
    """Whoever can write to Redis can send anything."""
    station.start()
    queue = queue_key(station.redis, station.topology)
    station.client.set(f"{station.redis.prefix}:precious", "kept")
    good = {"attempt": "a", "stream": station.stream, "events": [upsert(1, "p1", title="mug").to_json().decode()]}
    for arguments in ((), (1,), ("text",), (None,), ([],), ({},), (good, good), ({**good, "events": []},)):
        station.publish(*arguments)
    station.publish(attempt="b", stream=station.stream, events=["x"])
    station.publish({**good, "stream": f"{station.redis.prefix}:precious"})
    station.publish({**good, "stream": queue})
    station.publish({**good, "attempt": "newer", "from_the_future": True})
    envelope = {
        "body": "bm90IGpzb24=",
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"lang": "py", "task": "fourtower.index_batch", "id": "1", "argsrepr": "", "kwargsrepr": ""},
        "properties": {
            "delivery_tag": "1",
            "delivery_info": {"exchange": "", "routing_key": "x"},
            "body_encoding": "base64",
        },
    }
    pickled = {**envelope, "content-type": "application/x-python-serialize"}
    foreign = {**envelope, "headers": {**envelope["headers"], "task": "os.system"}}
    for message in (envelope, pickled, foreign, {**envelope, "headers": {}}):
        station.client.lpush(queue, json.dumps(message))
    assert station.done(upsert(2, "p1", title="mug"))[0].status == "applied"
    (report,) = station.answer("newer").reports
    assert (report.code, report.retryable) == ("mismatch", True)
    assert "run ingester and workers of one version" in report.message
    assert station.client.get(f"{station.redis.prefix}:precious") == b"kept"
    assert station.client.ttl(f"{station.redis.prefix}:precious") == -1
    assert station.process.poll() is None
    until(lambda: station.queued() == (0, 0), what="an empty queue")


def test_it_says_how_it_is(station):
    port = free_port()
    station.start(metrics_port=port, log_format="json", processes=2)
    broken = upsert(1, "p1", title="mug", images=[{"url": "broken.png"}, {"url": "a.png"}])
    station.done(broken, upsert(1, "p2", title="lamp", attributes={"price": "cheap"}))
    until(lambda: "ok" in _get(port, "/readyz"), what="being ready")
    assert _get(port, "/livez") == "ok\n"
    metrics = _get(port, "/metrics")
    for line in (
        'fourtower_worker_events_total{code="",status="applied"} 1.0',
        'fourtower_worker_events_total{code="invalid_product",status="failed"} 1.0',
        "fourtower_worker_images_missing_total 1.0",
        'fourtower_worker_encoded_total{what="images"} 1.0',
        'fourtower_worker_encoded_total{what="texts"} 1.0',
        "fourtower_worker_batch_seconds_count 1.0",
    ):
        assert line in metrics
    assert 'fourtower_worker_encode_seconds_total{what="images"}' in metrics
    status = until(lambda: (one := station.status()) and one.facts["batches"] == 1 and one, what="a status")
    assert status.kind == "worker"
    assert (status.facts["ready"], status.facts["children"], status.facts["respawns"]) == (2, 2, 0)
    assert status.facts["events"] == {"applied": 1, "invalid_product": 1}
    assert 0 < station.client.ttl(f"{station.redis.prefix}:status:{status.process}") <= 10
    lines = [json.loads(line) for line in station.said().splitlines()]
    failed = next(line for line in lines if line.get("code") == "invalid_product")
    assert (failed["product_id"], failed["stage"], failed["level"]) == ("p2", "plan", "warning")
    missing = next(line for line in lines if line.get("images_missing"))
    assert (missing["product_id"], missing["level"]) == ("p1", "info")


def _get(port, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.read().decode()
