"""Loading a file: every line is indexed, or set aside with its bytes and the reason; an index away is waited for."""

import base64
import io
import json
from concurrent.futures import Future

import pytest
from tests.search.index.faults import Failing

from fourtower_ingest.parsing import EventRules
from fourtower_search.errors import IndexUnavailable
from fourtower_search.index.product_index import ProductIndex
from fourtower_workers import loading
from fourtower_workers.indexing import Indexer
from fourtower_workers.loading import Line, Loader, Rejects
from fourtower_workers.outcomes import Indexing


def line(product_id, version=1, op="upsert", **product):
    event = {"op": op, "product_id": product_id, "version": version}
    return json.dumps(event if op == "delete" else {**event, "product": product}).encode()


@pytest.fixture
def rejects(tmp_path):
    with Rejects(tmp_path / "rejects.jsonl") as rejects:
        yield rejects


def rejected(rejects):
    """What was set aside."""
    return [json.loads(text) for text in rejects.path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def load(shop, rejects):
    """Loads lines into the shop's index."""

    def run(*lines, end=b"\n", **how):
        shop.embedder.forget()
        file = io.BytesIO(b"".join(each + end for each in lines))
        return Loader(how.pop("indexer", shop.indexer), rejects, **how).load(file)

    return run


def test_every_event_ends_in_the_index(load, shop, rejects):
    report = load(
        line("p1", title="Red mug", images=[{"url": "a.png"}]),
        b"",
        line("p2", title="Lamp"),
        b"   ",
        line("p2", 2, op="delete"),
        line("p1", 1, title="Red mug", images=[{"url": "a.png"}]),
    )
    assert (report.lines, dict(report.outcomes), report.rejected) == (4, {"applied": 3, "superseded": 1}, {})
    assert set(shop.index.get(["p1", "p2"])) == {"p1"}
    assert not rejects.path.exists(), "nothing was set aside"


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_lines_may_end_as_windows_has_them_and_the_last_one_not_at_all(load, shop, end):
    report = load(line("p1", title="Mug"), line("p2", title="Lamp"), end=end)
    assert (report.lines, report.outcomes["applied"]) == (2, 2)
    assert load(line("p3", title="Vase"), end=b"").outcomes["applied"] == 1


def test_small_batches_end_as_one_large_one(load, shop):
    lines = [line(f"p{n % 7}", n, title=f"Version {n}") for n in range(30)]
    done = []
    report = load(*lines, batch=4, progress=done.append)
    assert sum(done) == sum(len(each) + 1 for each in lines)
    assert report.outcomes.total() == 30
    live = shop.index.get([f"p{n}" for n in range(7)])
    assert {key: product.order.version for key, product in live.items()} == {f"p{n % 7}": n for n in range(23, 30)}


BAD = {
    "no json": (b"{oops", "not_json"),
    "no utf-8": (b'{"op": "\xff\xfe"}', "not_json"),
    "no object": (b"[1]", "invalid"),
    "no version": (b'{"op": "delete", "product_id": "p"}', "invalid"),
    "twice the same key": (b'{"op": "delete", "op": "delete"}', "duplicate_key"),
    "another field": (b'{"op": "delete", "product_id": "p", "version": 1, "x": 1}', "unknown_field"),
    "a lone surrogate": (b'{"op": "delete", "product_id": "\\ud800", "version": 1}', "invalid"),
    "spaces around": (b"  {oops}  \t", "not_json"),
    "carriage returns": (b"\r{oops\r\rx", "not_json"),
    "a path upwards": (line("p", images=[{"url": "../a.png"}]), "invalid"),
    "a price of another type": (line("p9", title="A", attributes={"price": "cheap"}), "invalid_product"),
    "deep": (b"[" * 100_000, "too_deep"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_line_is_set_aside_with_its_bytes_and_the_reason(load, shop, rejects, case):
    raw, code = BAD[case]
    report = load(line("p1", title="Mug"), raw, line("p2", title="Lamp"))
    assert dict(report.rejected) == {code: 1}
    assert report.first_rejected.startswith("line 2: ")
    (aside,) = rejected(rejects)
    assert (aside["line"], aside["code"]) == (2, code)
    assert aside["message"].endswith(".")
    assert raw == (aside["event"].encode() if "event" in aside else base64.b64decode(aside["event_base64"]))
    assert set(shop.index.get(["p1", "p2"])) == {"p1", "p2"}, "its neighbours are none the worse"


def test_a_line_that_is_too_long_is_never_held_whole(load, shop, rejects):
    huge = line("p1", title="x" * 5000)
    report = load(huge, line("p2", title="Lamp"), rules=EventRules(max_bytes=1000))
    assert dict(report.rejected) == {"too_big": 1}
    assert rejected(rejects)[0]["event"].encode() == huge[:1002], "enough to recognise it"
    assert set(shop.index.get(["p1", "p2"])) == {"p2"}


def test_a_line_of_just_the_allowed_size_is_read(load):
    raw = line("p1", title="Mug")
    assert load(raw, line("p2", title="Mug"), rules=EventRules(max_bytes=len(raw))).rejected == {}
    assert load(raw + b" ", rules=EventRules(max_bytes=len(raw))).rejected == {"too_big": 1}


def test_rejects_of_an_earlier_run_are_gone(tmp_path, shop):
    path = tmp_path / "rejects.jsonl"
    for lines in (b"oops\n", b""):
        with Rejects(path) as rejects:
            Loader(shop.indexer, rejects).load(io.BytesIO(lines))
        assert path.exists() == bool(lines)


def test_a_reject_is_on_disk_at_once(tmp_path):
    with Rejects(tmp_path / "r.jsonl") as rejects:
        rejects.add(Line(3, b"x"), "invalid", "It is wrong.")
        assert json.loads((tmp_path / "r.jsonl").read_text()) == {
            "line": 3,
            "code": "invalid",
            "message": "It is wrong.",
            "event": "x",
        }


def test_a_missing_picture_is_counted_and_its_product_indexed(load, shop):
    report = load(line("p1", title="Mug", images=[{"url": "gone.png"}]), line("p2", images=[{"url": "broken.png"}]))
    assert report.pictures.total() == 2
    assert any("gone.png" in message for message in report.pictures)
    assert set(shop.index.get(["p1"])) == {"p1"}
    assert report.to_dict()["pictures_missing"] == 2


def test_patches_see_what_came_before_them(load, shop):
    lines = [line("p1", 1, title="Mug", attributes={"price": 1.0})]
    lines += [line("p1", n, op="patch", attributes={"price": float(n)}) for n in range(2, 12)]
    lines += [line("p1", 12, op="patch", title="Cup")]
    report = load(*lines, batch=1)
    (row,) = shop.rows()
    assert (row.title, row.attributes["price"], row.order.version) == ("Cup", 11.0, 12)
    assert report.outcomes["applied"] == 12


def test_a_patch_without_its_product_is_set_aside(load, rejects):
    report = load(line("p1", 2, op="patch", attributes={"price": 3.0}))
    assert report.outcomes["failed"] == 1
    assert "p1" in rejected(rejects)[0]["message"]


def test_loading_again_encodes_nothing(load, shop):
    lines = [line("p1", title="Mug", images=[{"url": "a.png"}]), line("p2", title="Lamp")]
    load(*lines)
    assert shop.embedder.texts
    report = load(*lines)
    assert dict(report.outcomes) == {"applied": 2}
    assert (shop.embedder.texts, shop.embedder.images) == ([], [])


def test_another_price_encodes_nothing(load, shop):
    load(line("p1", 1, title="Mug", images=[{"url": "a.png"}], attributes={"price": 1.0}))
    report = load(line("p1", 2, title="Mug", images=[{"url": "a.png"}], attributes={"price": 2.0}))
    assert dict(report.outcomes) == {"applied": 1}
    assert shop.rows()[0].attributes["price"] == 2.0
    assert (shop.embedder.texts, shop.embedder.images) == ([], [])


class Flaky(Failing):
    """Fails so many times, then works."""

    def __init__(self, store, calls, *, times):
        super().__init__(store, calls, IndexUnavailable("Milvus is away.", retry_after_s=0.0))
        self.times = times

    def _fail(self, call):
        if call in self._calls and self.times:
            self.times -= 1
            super()._fail(call)


@pytest.fixture
def flaky(shop, monkeypatch):
    """An indexer whose engine fails now and then; pauses between attempts are only noted."""
    pauses = []
    monkeypatch.setattr(loading.time, "sleep", pauses.append)

    def make(*calls, times):
        store = Flaky(shop.index.store, calls, times=times)
        index = ProductIndex(store, params=shop.index.params, model_id=shop.index.model_id)
        return Indexer(index, shop.embedder, image_root=shop.folder), pauses

    return make


@pytest.mark.parametrize("call", ["states:bounded", "upsert", "states:strong"])
def test_an_index_that_is_away_for_a_moment_is_waited_for(load, shop, flaky, call):
    indexer, pauses = flaky(call, times=2)
    report = load(line("p1", title="Mug"), line("p2", title="Lamp"), indexer=indexer)
    assert (dict(report.outcomes), report.rejected) == ({"applied": 2}, {})
    assert len(pauses) >= 1
    assert all(0 < pause < 10 for pause in pauses)
    assert set(shop.index.get(["p1", "p2"])) == {"p1", "p2"}


@pytest.mark.parametrize("call", ["states:bounded", "upsert"])
def test_an_index_that_stays_away_ends_the_load(load, flaky, rejects, call):
    indexer, pauses = flaky(call, times=1000)
    with pytest.raises(IndexUnavailable, match=r"Milvus is away\."):
        load(line("p1", title="Mug"), indexer=indexer)
    assert 5 < sum(pauses) < 60
    assert not rejects.path.exists(), "nothing is wrong with the line"


def test_batches_are_written_while_the_next_ones_are_prepared(shop, rejects):
    """Up to four of them; with a patch among them, none."""
    under_way, most = set(), []

    class Slow:
        """An indexer whose writes end only when somebody waits for them."""

        def prepare(self, events):
            most.append((len(under_way), events[0].op))
            return events

        def submit(self, events):
            done = Future()
            under_way.add(id(done))
            result = done.result

            def wait(timeout=None):
                if not done.done():
                    under_way.discard(id(done))
                    done.set_result(shop.indexer.index_events(events))
                return result(timeout)

            done.result = wait
            return Indexing(done, done)

    lines = [line(f"p{n}", 1, title="A") for n in range(8)] + [line("p1", 2, op="patch", title="B")]
    Loader(Slow(), rejects, batch=1).load(io.BytesIO(b"\n".join(lines)))
    assert [count for count, op in most if op == "upsert"] == [0, 1, 2, 3, 3, 3, 3, 3]
    assert most[-1] == (0, "patch")
