"""`fourtower bootstrap` on a real Kafka and a Milvus Lite server."""

import json
from contextlib import closing
from threading import Barrier, Thread

import pytest
from typer.testing import CliRunner

from fourtower_encoders.checkpoint import locate, read_checkpoint
from fourtower_ingest.broker.admin import LogAdmin
from fourtower_ingest.settings import TopicSettings
from fourtower_search.errors import SearchError
from fourtower_search.index.deadline import Deadline
from fourtower_search.index.milvus.collections import exists
from fourtower_search.index.opening import open_generations
from fourtower_search.index.settings import IndexSettings
from fourtower_search.schema import Attribute, CatalogSchema
from fourtower_workers.bootstrapping import arrange_index, arrange_topics, plan_of
from fourtower_workers.cli import app

CATALOG = '[attributes.price]\ntype = "float"\n[attributes.brand]\ntype = "string"\n'
TIMEOUT_S = 30


@pytest.fixture
def generations(lite_server, request):
    alias = f"boot_{abs(hash(request.node.name)) % 10**8}"
    with_alias = open_generations(lite_server, alias=alias)
    yield with_alias
    with_alias.close()


def plan(*, topic=None, **attributes):
    catalog = CatalogSchema(attributes={name: Attribute(type=kind) for name, kind in attributes.items()})
    return plan_of(read_checkpoint(locate("demo")), "demo", catalog, IndexSettings(), topic)


def states(findings):
    return [finding.state for finding in findings]


def test_an_index_is_made_once_and_verified_ever_after(generations):
    assert states(arrange_index(generations, plan(price="float"), catalog_given=True)) == ["created", "created"]
    before = generations.records(timeout_s=TIMEOUT_S)
    for _ in range(2):
        assert states(arrange_index(generations, plan(price="float"), catalog_given=True)) == ["right", "right"]
    assert generations.records(timeout_s=TIMEOUT_S) == before


def test_differences_are_told_and_nothing_is_changed(generations):
    arrange_index(generations, plan(price="float"), catalog_given=True)
    before = generations.records(timeout_s=TIMEOUT_S)
    collection, alias = arrange_index(generations, plan(price="int", brand="string"), catalog_given=True)
    assert (collection.state, alias.state) == ("differs", "right")
    assert "attributes that differ: brand, price" in collection.message
    assert states(arrange_index(generations, plan(), catalog_given=False)) == ["right", "right"]
    other = plan(price="float").model_copy(update={"model_id": "f" * 16, "model": "runs/second"})
    collection, _ = arrange_index(generations, other, catalog_given=True)
    assert "runs/second is ffff" in collection.message
    assert generations.records(timeout_s=TIMEOUT_S) == before


@pytest.mark.parametrize(
    ("topic_id", "partitions", "told"),
    [("one", 6, ""), ("two", 6, "was deleted since"), ("one", 12, "had 6 partitions"), ("", 0, "")],
)
def test_the_topic_that_fills_it_is_remembered(generations, topic_id, partitions, told):
    remembered = plan().model_copy(update={"topic_id": "one", "partition_count": 6})
    arrange_index(generations, remembered, catalog_given=True)
    now = plan().model_copy(update={"topic_id": topic_id, "partition_count": partitions})
    collection, _ = arrange_index(generations, now, catalog_given=True)
    assert collection.state == ("differs" if told else "right")
    assert told in collection.message


def test_an_interrupted_creation_is_finished(generations):
    generations.create(plan(price="float"), timeout_s=TIMEOUT_S)
    other = plan(brand="string")
    assert states(arrange_index(generations, other, catalog_given=True)) == ["differs", "differs"]
    assert generations.current(timeout_s=TIMEOUT_S) is None
    assert states(arrange_index(generations, plan(price="float"), catalog_given=True)) == ["right", "created"]
    assert generations.current(timeout_s=TIMEOUT_S).generation == 1


@pytest.mark.parametrize("engine", ["lite_server", pytest.param("milvus_server", marks=pytest.mark.slow)])
@pytest.mark.timeout(300)
def test_of_several_that_begin_together_one_makes_the_index(engine, request):
    address, alias = request.getfixturevalue(engine), "boot_together"
    plans = [plan(price="float"), plan(price="int"), plan(brand="string"), plan(price="float")]
    ready, found = Barrier(len(plans)), {}

    def run(number):
        with closing(open_generations(address, alias=alias)) as generations:
            ready.wait(30)
            found[number] = arrange_index(generations, plans[number], catalog_given=True)

    threads = [Thread(target=run, args=(number,)) for number in range(len(plans))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(200)
    with closing(open_generations(address, alias=alias)) as generations:
        (record,) = generations.records(timeout_s=TIMEOUT_S)
        assert generations.current(timeout_s=TIMEOUT_S) == record
        assert generations.announced(timeout_s=TIMEOUT_S) == []
    told = sorted((*states(found[number]), plans[number].catalog == record.catalog) for number in range(len(plans)))
    made = [each for each in told if each[0] == "created"]
    assert made == [("created", "created", True)]
    assert all(each == (("right" if each[2] else "differs"), "right", each[2]) for each in told if each not in made)


class Outrun(LogAdmin):
    """Sees no topics at first: somebody else creates them just then."""

    looks = 0

    def topics(self, names):
        self.looks += 1
        return super().topics(names) if self.looks > 1 else dict.fromkeys(names)


def test_topics_that_somebody_else_creates_meanwhile_are_compared(kafka_broker):
    named = {"updates": "outrun", "dead_letters": "outrun.dlq", "replays": "outrun.replay", "replication": 1}
    settings = TopicSettings(**named, partitions=2)
    with LogAdmin(kafka_broker.settings()) as admin:
        assert set(states(arrange_topics(admin, settings)[0])) == {"created"}
    with Outrun(kafka_broker.settings()) as admin:
        findings, facts = arrange_topics(admin, TopicSettings(**named, partitions=3))
    assert facts.partitions == 2
    assert {finding.what: finding.state for finding in findings}["topic outrun"] == "differs"


def test_what_the_engine_cannot_do_is_refused_before_anything_is_made(kafka_broker, lite_server, monkeypatch):
    for name in ("UPDATES", "DEAD_LETTERS", "REPLAYS"):
        monkeypatch.setenv(f"FOURTOWER_TOPIC_{name}", f"refused.{name.lower()}")
    words = ["bootstrap", "--index", lite_server, "--alias", "boot_refused", "--kafka", kafka_broker.bootstrap]
    done = CliRunner().invoke(app, [*words, "--settings", '{"type": "IVF_PQ"}'])
    assert isinstance(done.exception, SearchError), done.output
    assert "index type IVF_PQ" in str(done.exception)
    with LogAdmin(kafka_broker.settings()) as admin:
        assert admin.topic("refused.updates") is None
    with closing(open_generations(lite_server, alias="boot_refused")) as generations:
        assert generations.records(timeout_s=TIMEOUT_S) == []
        assert not exists(generations._connection, "boot_refused_generations", Deadline(TIMEOUT_S))


def test_the_command_creates_everything_and_then_finds_it_right(kafka_broker, lite_server, tmp_path, monkeypatch):
    catalog = tmp_path / "catalog.toml"
    catalog.write_text(CATALOG)
    for name, value in (
        ("UPDATES", "boot"),
        ("DEAD_LETTERS", "boot.dlq"),
        ("REPLAYS", "boot.replay"),
        ("PARTITIONS", "3"),
    ):
        monkeypatch.setenv(f"FOURTOWER_TOPIC_{name}", value)
    words = ["bootstrap", "--index", lite_server, "--alias", "boot_all", "--kafka", kafka_broker.bootstrap]

    def run(*more):
        done = CliRunner().invoke(app, [*words, "--catalog", str(catalog), "--json", *more])
        return done.exit_code, json.loads(done.stdout)

    code, findings = run()
    assert (code, {finding["state"] for finding in findings}) == (0, {"created"})
    assert [finding["what"] for finding in findings] == [
        "topic boot",
        "topic boot.dlq",
        "topic boot.replay",
        "collection boot_all_g1",
        "alias boot_all",
    ]
    code, findings = run()
    assert (code, {finding["state"] for finding in findings}) == (0, {"right"})
    with LogAdmin(kafka_broker.settings()) as admin:
        facts = admin.topic("boot")
    generations = open_generations(lite_server, alias="boot_all")
    record = generations.current(timeout_s=TIMEOUT_S)
    generations.close()
    assert (record.topic_id, record.partition_count) == (facts.topic_id, 3)
    assert (record.model, sorted(record.catalog.attributes)) == ("demo", ["brand", "price"])

    monkeypatch.setenv("FOURTOWER_TOPIC_PARTITIONS", "4")
    catalog.write_text(CATALOG.replace("float", "int"))
    code, findings = run()
    assert code == 1
    different = {finding["what"] for finding in findings if finding["state"] == "differs"}
    assert different == {"topic boot", "topic boot.replay", "collection boot_all_g1"}
    with LogAdmin(kafka_broker.settings()) as admin:
        assert admin.topic("boot") == facts
    assert TopicSettings().partitions == 4


def test_a_file_is_no_index_to_stream_into(tmp_path):
    done = CliRunner().invoke(app, ["bootstrap", "--no-topics", "--index", str(tmp_path / "products.db")])
    assert "which only one process can have open" in str(done.exception)
