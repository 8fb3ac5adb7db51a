"""`fourtower index ...`, called as the console does; exit codes and sentences are those that a person sees."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing

import pytest
from tests.workers.shop import png

from fourtower_search.index.generations import GenerationPlan
from fourtower_search.index.milvus.generations import MilvusGenerations
from fourtower_search.index.opening import open_generations, open_index
from fourtower_workers import index_cli
from fourtower_workers.cli import main
from fourtower_workers.reindexing.turns import Turn

SMALL = GenerationPlan(model="demo", model_id="m1", dim=4, index={"type": "FLAT"})
CATALOG = """
[attributes.price]
type = "float"
sortable = true

[attributes.brand]
type = "string"
required = true
"""


@pytest.fixture
def call(monkeypatch, capsys):
    """Runs `fourtower index ...`; gives its exit code, stdout and stderr."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["fourtower", "index", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code or 0, *capsys.readouterr()

    return run


def event(product_id, version=1, op="upsert", **product):
    fields = {"op": op, "product_id": product_id, "version": version}
    return json.dumps(fields if op == "delete" else {**fields, "product": product})


def product(number, version=1, **changes):
    """One of the shop's products, with a picture of its own."""
    attributes = {"price": 10.0 + number, "brand": "finch"} | changes.pop("attributes", {})
    return event(f"p{number}", version, title=f"Mug {number}", images=[{"url": f"{number}.png"}], attributes=attributes)


@pytest.fixture
def folder(tmp_path):
    """Six products with pictures, and the catalog that declares them."""
    for number in range(6):
        (tmp_path / f"{number}.png").write_bytes(png(number))
    (tmp_path / "catalog.toml").write_text(CATALOG)
    (tmp_path / "events.jsonl").write_text("\n".join(map(product, range(6))))
    return tmp_path


@pytest.fixture
def load(call, folder):
    """Loads some lines, or the six, and tells what became of them."""

    def run(*lines, code=0):
        if lines:
            (folder / "more.jsonl").write_text("\n".join(lines))
        events = folder / ("more.jsonl" if lines else "events.jsonl")
        found, printed, said = call("load", events, "--index", folder / "products.db", "--json")
        assert found == code, said
        return json.loads(printed)

    return run


def stored(folder):
    """Every live product, by id."""
    with open_index(str(folder / "products.db")) as index:
        return {each.product_id: each for each in index.iterate()}


def test_a_load_makes_the_index_and_a_second_one_changes_nothing(load, folder, call):
    first = load()
    assert first.pop("seconds") > 0
    assert first == {
        "lines": 6,
        "outcomes": {"applied": 6},
        "rejected": {},
        "pictures_missing": 0,
        "rejects_file": None,
    }
    before = stored(folder)
    again = load()
    del again["seconds"]
    assert again == first
    assert stored(folder) == before
    assert before["p3"].rows[0].attributes == {"price": 13.0, "brand": "finch"}, "the catalog beside the events is used"
    code, printed, said = call("load", folder / "events.jsonl", "--index", folder / "products.db")
    assert (code, said) == (0, "")
    assert printed.startswith("6 events in ")
    assert printed.endswith("6 applied\n")


def test_another_price_fetches_and_encodes_nothing(load, folder, call):
    """The pictures are gone meanwhile, and nobody misses them."""
    load()
    for picture in folder.glob("*.png"):
        picture.unlink()
    report = load(product(1, 2, attributes={"price": 1.5}), event("p2", 2, op="patch", attributes={"price": 2.5}))
    assert (report["outcomes"], report["pictures_missing"]) == ({"applied": 2}, 0)
    after = stored(folder)
    assert [after[key].rows[0].attributes["price"] for key in ("p1", "p2", "p3")] == [1.5, 2.5, 13.0]
    assert not any(row.image_missing or row.imputed for each in after.values() for row in each.rows)
    code, printed, _ = call("info", "--index", folder / "products.db", "--json")
    assert (code, json.loads(printed)["rows"]) == (0, 6), "the rows of old versions are gone"


def test_patches_apply_in_the_order_of_the_file(load, folder):
    report = load(
        product(1),
        event("p1", 2, op="patch", attributes={"price": 5.0}),
        event("p1", 3, op="patch", title="Cup"),
        event("p1", 4, op="patch", attributes={"price": None}),
        event("p2", 9, op="delete"),
        event("nobody", 2, op="patch", title="Nothing"),
        code=1,
    )
    assert report["rejected"] == {"no_base": 1}
    (row,) = stored(folder)["p1"].rows
    assert (row.title, row.attributes) == ("Cup", {"brand": "finch"})


def test_bad_lines_are_set_aside_with_their_bytes_and_the_reason(call, folder):
    bad = [b"{oops", b'{"op": "\xff"}', event("p8", title="No brand", attributes={}).encode()]
    lines = [product(0).encode(), bad[0], bad[1], b"", bad[2], product(1).encode()]
    (folder / "mixed.jsonl").write_bytes(b"\n".join(lines))
    options = ("--index", folder / "products.db", "--rejects", folder / "aside.jsonl")
    code, printed, said = call("load", folder / "mixed.jsonl", *options)
    assert (code, said) == (1, "")
    assert "5 events in " in printed
    assert f"3 lines set aside in {folder / 'aside.jsonl'}, the first: line 2: The event is not JSON" in printed
    aside = [json.loads(line) for line in (folder / "aside.jsonl").read_text().splitlines()]
    assert [each["line"] for each in aside] == [2, 3, 5]
    assert [each["code"] for each in aside] == ["not_json", "not_json", "invalid_product"]
    assert aside[0]["event"].encode() == bad[0]
    assert "brand" in aside[2]["message"]
    assert set(stored(folder)) == {"p0", "p1"}
    assert call("load", folder / "events.jsonl", *options)[0] == 0
    assert not (folder / "aside.jsonl").exists(), "every run judges anew"


def test_rejects_never_take_the_place_of_the_events(call, folder):
    before = (folder / "events.jsonl").read_bytes()
    (folder / "link.jsonl").symlink_to(folder / "events.jsonl")
    for aside in (folder / "events.jsonl", folder / "link.jsonl"):
        code, _, said = call("load", folder / "events.jsonl", "--index", folder / "products.db", "--rejects", aside)
        assert code == 2
        assert "would be overwritten by what is set aside" in said
    assert (folder / "events.jsonl").read_bytes() == before


def test_pictures_that_are_missing_are_told(call, folder):
    (folder / "3.png").unlink()
    code, printed, _ = call("load", folder / "events.jsonl", "--index", folder / "products.db")
    assert code == 0
    assert "1 pictures could not be used, for example: " in printed
    assert "3.png" in printed


COMMAND = [sys.executable, "-c", "from fourtower_workers.cli import main; main()", "index", "load"]


def test_a_load_that_was_killed_is_completed_by_the_next(load, folder):
    lines = [event(f"k{n}", title=f"Mug number {n}", attributes={"brand": "finch"}) for n in range(500)]
    (folder / "more.jsonl").write_text("\n".join(lines))
    options = [str(folder / "more.jsonl"), "--index", str(folder / "products.db"), "--batch", "5"]
    killed = subprocess.Popen([*COMMAND, *options], start_new_session=True)
    wait_until(lambda: bytes_in(folder / "products.db") > 100_000 or killed.poll() is not None)
    assert killed.poll() is None, "it was to be killed in the middle"
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert 0 < len(stored(folder)) < 500
    assert load(*lines)["outcomes"] == {"applied": 500}
    assert set(stored(folder)) == {f"k{n}" for n in range(500)}


def bytes_in(folder):
    """How much an engine has written; files may vanish meanwhile."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue
    return total


def wait_until(condition, *, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.01)


def test_a_file_that_another_process_has_open_is_named(call, folder, load):
    load()
    code = (
        "import sys; from fourtower_search.index.opening import open_index\n"
        "with open_index(sys.argv[1]): print('open', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(folder / "products.db")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with other:
        assert other.stdout.readline() == b"open\n"
        found, _, said = call("info", "--index", folder / "products.db")
        other.stdin.close()
    assert found == 1
    assert "is open in another process; close it there" in said
    assert said.count("\n") == 1


def test_an_index_is_created_and_described(call, folder):
    at = ("--index", folder / "products.db")
    settings = '{"type": "FLAT"}'
    code, printed, said = call("create", *at, "--catalog", folder / "catalog.toml", "--settings", settings, "--json")
    assert code == 0, said
    made = json.loads(printed)
    assert (made["collection"], made["index_type"], made["model"]) == ("products_g1", "FLAT", "demo")
    assert made["attributes"] == {"price": "float", "brand": "string"}
    code, _, said = call("create", *at)
    assert code == 1
    assert "There is an index products at " in said
    code, printed, _ = call("info", *at)
    assert code == 0
    assert "attributes    price (float), brand (string)" in printed
    assert "products      0" in printed


class Waiter(threading.Thread):
    """A command in the background; `looked` once it has looked who else changes generations."""

    def __init__(self, monkeypatch, do):
        super().__init__()
        self._do, self.looked, self.error = do, threading.Event(), None
        look = MilvusGenerations.announced

        def announced(generations, **how):
            found = look(generations, **how)
            if threading.current_thread() is self:
                self.looked.set()
            return found

        monkeypatch.setattr(MilvusGenerations, "announced", announced)
        self.start()

    def run(self):
        try:
            self._do()
        except Exception as error:
            self.error = error

    def waits(self):
        return self.looked.wait(30) and self.is_alive()


def test_an_index_on_a_server_is_created_and_dropped_from_when_nobody_else_is_at_it(lite_server, monkeypatch):
    at = {"index": lite_server, "alias": "queued", "token": ""}
    with closing(open_generations(lite_server, alias="queued")) as generations:
        with Turn(generations, "`fourtower bootstrap`"):
            creating = Waiter(monkeypatch, lambda: index_cli.create(**at))
            assert creating.waits()
            assert generations.records(timeout_s=30) == []
            generations.create(SMALL, timeout_s=30)
            generations.point(1, timeout_s=30)
        creating.join(60)
        assert "There is an index queued at " in str(creating.error)
        generations.create(SMALL, timeout_s=30)
        with Turn(generations, "`fourtower reindex switch 2`"):
            dropping = Waiter(monkeypatch, lambda: index_cli.drop(**at, generation=2, yes=True))
            assert dropping.waits()
            generations.point(2, timeout_s=30)
        dropping.join(60)
        assert "Generation 2 of queued is live" in str(dropping.error)
        assert generations.current(timeout_s=30).generation == 2


def test_generations_are_listed_and_dropped(call, folder):
    at = ("--index", folder / "products.db")
    assert call("create", *at)[0] == 0
    _next_generation(folder)
    code, printed, _ = call("aliases", *at)
    assert code == 0
    first, second = printed.splitlines()
    assert first.startswith("live  products -> products_g1  model ")
    assert second.startswith("      products -> products_g2  model ")
    assert [each["live"] for each in json.loads(call("aliases", *at, "--json")[1])] == [True, False]
    code, _, said = call("drop", *at, "--generation", 1, "--yes")
    assert code == 2
    assert "Generation 1 of products is live; switch to another one before dropping it." in said
    code, _, said = call("drop", *at, "--generation", 7, "--yes")
    assert code == 2
    assert "has no generation 7; it has 1, 2." in said
    assert call("drop", *at, "--generation", 2, "--yes")[:2] == (0, "Generation 2 of products is gone.\n")
    assert call("aliases", *at)[1].count("\n") == 1


def _next_generation(folder):
    generations = open_generations(str(folder / "products.db"))
    try:
        live = generations.current(timeout_s=30)
        plan = {name: getattr(live, name) for name in GenerationPlan.model_fields}
        generations.create(GenerationPlan(**plan), timeout_s=30)
    finally:
        generations.close()


def test_dropping_asks_first(call, folder, monkeypatch):
    call("create", "--index", folder / "products.db")
    monkeypatch.setattr("builtins.input", lambda *_: "n")
    code, printed, _ = call("drop", "--index", folder / "products.db", "--generation", 1)
    assert code == 1
    assert "with all its rows?" in printed


def test_no_index_yet(call, folder):
    at = folder / "products.db"
    assert call("aliases", "--index", at)[:2] == (0, f"There is no index products at {at}.\n")
    code, _, said = call("info", "--index", at)
    assert code == 1
    assert "There is no index products at " in said


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["load", "gone.jsonl"], 2, "fourtower: gone.jsonl is not a file; name a file of catalog events"),
        (["load", "."], 2, "fourtower: . is not a file"),
        (["load", "events.jsonl", "--rejects", "."], 2, "fourtower: . is not a file; name another one with --rejects"),
        (["load", "events.jsonl", "--model", "gone"], 1, "fourtower: There is no checkpoint folder gone"),
        (["load", "events.jsonl", "--catalog", "gone.toml"], 2, "fourtower: gone.toml: No such file or directory."),
        (["load", "events.jsonl", "--allow-host", "a b"], 2, "fourtower: --allow-host can't be used: allow_hosts"),
        (["load", "events.jsonl", "--batch", "0"], 2, "Invalid value for '--batch'"),
        (["load"], 2, "Missing argument 'events'"),
        (["create", "--settings", "{"], 2, "fourtower: --settings can't be used: Invalid JSON"),
        (["create", "--settings", '{"kind": "HNSW"}'], 2, "fourtower: --settings can't be used: kind: Extra inputs"),
        (["create", "--alias", "Shoes!"], 2, "can't name an index: use lower-case letters"),
        (["info", "--index", "redis://x"], 2, "fourtower: 'redis://x' is no address of an index"),
        (["info", "--index", "gone/x.db"], 2, "the folder gone does not exist; create it first."),
        (["drop"], 2, "Missing option '--generation'"),
        (["fly"], 2, "No such command 'fly'"),
    ],
)
def test_wrong_calls(call, folder, monkeypatch, arguments, code, sentence):
    monkeypatch.chdir(folder)
    found, printed, said = call(*arguments)
    assert (found, printed) == (code, "")
    assert sentence in " ".join(said.replace("│", " ").split())
    assert "Traceback" not in said
    assert not list(folder.glob("*.rejects.jsonl"))


def test_another_catalog_than_the_index_has_is_refused(call, folder, load):
    load()
    (folder / "other.toml").write_text(CATALOG.replace("float", "int"))
    options = (folder / "events.jsonl", "--index", folder / "products.db")
    code, _, said = call("load", *options, "--catalog", folder / "other.toml")
    assert code == 1
    assert "declares other attributes than the index products was made with" in said


def test_the_address_may_come_from_the_environment(call, folder, load, monkeypatch):
    load()
    monkeypatch.setenv("FOURTOWER_INDEX", str(folder / "products.db"))
    code, printed, _ = call("info", "--json")
    assert (code, json.loads(printed)["products"]) == (0, 6)
