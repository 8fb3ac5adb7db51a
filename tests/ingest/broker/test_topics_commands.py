"""`fourtower topics` and `fourtower produce` against a real broker."""

import json
import os
import subprocess
import sys
import uuid

import pytest

from fourtower_ingest.broker.ranges import read_range

COMMAND = [sys.executable, "-c", "from fourtower_workers.cli import main; main()"]


@pytest.fixture
def names():
    """Names of topics that nobody else uses."""
    base = f"shop-{uuid.uuid4().hex[:8]}"
    return {"updates": base, "dead_letters": f"{base}.dlq", "replays": f"{base}.replay"}


@pytest.fixture
def fourtower(kafka_broker, names):
    """Runs the command with these topics."""

    def run(*args, stdin=None, **settings):
        own = {f"FOURTOWER_TOPIC_{key.upper()}": str(value) for key, value in {**names, **settings}.items()}
        environ = {**os.environ, "FOURTOWER_KAFKA_BOOTSTRAP": kafka_broker.bootstrap, "COLUMNS": "160", **own}
        return subprocess.run([*COMMAND, *args], env=environ, capture_output=True, input=stdin, check=False, timeout=90)

    return run


def test_topics_are_created_once_and_then_verified(fourtower, admin, names):
    first = fourtower("topics", "create", "--partitions", "3")
    assert first.returncode == 0, first.stderr
    assert f"Created {names['updates']} with 3 partitions." in first.stdout.decode()
    facts = admin.topics(list(names.values()))
    assert {name: found.partitions for name, found in facts.items()} == {
        names["updates"]: 3,
        names["dead_letters"]: 1,
        names["replays"]: 3,
    }
    assert facts[names["updates"]].configs["cleanup.policy"] == "compact"
    again = fourtower("topics", "create", "--partitions", "3")
    assert again.returncode == 0
    assert "Created" not in again.stdout.decode()
    assert admin.topic(names["updates"]).topic_id == facts[names["updates"]].topic_id


def test_differences_are_explained_and_left_alone_until_they_are_to_be_mended(fourtower, admin, names):
    admin.create(names["updates"], partitions=2, replication=1, configs={"max.message.bytes": "1000"})
    found = fourtower("topics", "create", "--partitions", "4")
    text = found.stdout.decode()
    assert found.returncode == 1
    assert "has 2 partitions, wanted are 4" in text
    assert "cleanup.policy" in text
    assert "max.message.bytes" in text
    assert "fourtower topics create --mend" in text
    assert admin.topic(names["updates"]).configs["max.message.bytes"] == "1000"
    mended = fourtower("topics", "create", "--partitions", "4", "--mend", "--json")
    assert mended.returncode == 1, "the partitions are still others"
    said = json.loads(mended.stdout)
    assert {each["what"] for each in said["differences"]} == {"partitions", "cleanup.policy"}
    assert any("max.message.bytes" in sentence for sentence in said["done"])
    facts = admin.topic(names["updates"])
    assert (facts.partitions, facts.configs["cleanup.policy"]) == (2, "delete")
    assert int(facts.configs["max.message.bytes"]) > 1_000_000


def test_topics_are_shown_as_they_are(fourtower, names):
    assert b"missing" in fourtower("topics", "show").stdout
    fourtower("topics", "create", "--partitions", "2")
    fourtower("produce", "-", stdin=b'{"op": "delete", "product_id": "a", "version": 1}\n')
    lines = {line["topic"]: line for line in json.loads(fourtower("topics", "show", "--json", partitions=2).stdout)}
    assert lines[names["updates"]]["records"] == 1
    assert lines[names["updates"]]["partitions"] == 2
    assert lines[names["updates"]]["differences"] == []
    assert names["replays"] in fourtower("topics", "show", partitions=2).stdout.decode()


def test_a_file_is_published_and_its_bad_lines_are_reported(fourtower, kafka, names, tmp_path):
    fourtower("topics", "create")
    good = [json.dumps({"op": "delete", "product_id": f"p{n}", "version": n}).encode() for n in range(300)]
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"\n".join([*good[:100], b"{", *good[100:]]) + b"\n")
    done = fourtower("produce", str(path))
    assert done.returncode == 1
    assert done.stderr.decode().startswith("line 101: The event is not JSON")
    assert f"300 events published to {names['updates']}" in done.stdout.decode()
    found = list(read_range(kafka, names["updates"]))
    assert sorted(record.value for record in found) == sorted(good)
    assert all(record.key.decode() == json.loads(record.value)["product_id"] for record in found)


def test_lines_can_be_published_unchecked(fourtower, kafka, names):
    fourtower("topics", "create", "--no-compacted")
    lines = [b"{", b'{"product_id": "a"}', b"\xff\x00"]
    done = fourtower("produce", "-", "--no-check", "--json", stdin=b"\n".join(lines), compacted=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["published"] == 3
    found = {record.value: record.key for record in read_range(kafka, names["updates"])}
    assert found == {lines[0]: None, lines[1]: b"a", lines[2]: None}


def test_a_missing_topic_and_a_missing_file_are_said(fourtower, tmp_path):
    missing = fourtower("produce", "-", stdin=b"{}")
    assert missing.returncode == 1
    assert b"create it: fourtower topics create" in missing.stderr
    assert fourtower("produce", str(tmp_path / "none.jsonl")).returncode == 2


def test_nobody_at_the_address_is_one_sentence(fourtower):
    done = fourtower("topics", "show", "--kafka", "localhost")
    assert done.returncode == 1
    assert done.stderr.decode().splitlines()[-1].startswith("fourtower: FOURTOWER_KAFKA_BOOTSTRAP names 'localhost'")
