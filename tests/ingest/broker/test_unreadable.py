"""A damaged batch, and one of an unknown codec: that partition stops where it is and says so, the others go on.

The broker checks what is sent to it, so the damage is done to its files while it is down.
"""

import struct

import pytest
from kafka.record.util import calc_crc32c
from tests.ingest.broker.members import Member, publish, until

from fourtower_ingest.broker.admin import LogAdmin
from fourtower_ingest.broker.consumer import LogConsumer
from fourtower_ingest.broker.ranges import read_range
from fourtower_ingest.errors import PartitionUnreadable
from fourtower_ingest.log import Partition

# The head of a batch: offset (8), length (4), epoch (4), magic (1), checksum (4), attributes (2), ...
LENGTH, CHECKSUM, ATTRIBUTES, RECORDS = 8, 17, 21, 61


def batches(data):
    """Where each batch of a segment begins."""
    at = 0
    while at + RECORDS <= len(data):
        yield at
        at += 12 + struct.unpack_from(">i", data, at + LENGTH)[0]


def with_another_codec(data, at):
    """The batch with codec 7, which nobody has given a meaning, and the right checksum."""
    end = at + 12 + struct.unpack_from(">i", data, at + LENGTH)[0]
    data[at + ATTRIBUTES + 1] |= 7
    struct.pack_into(">I", data, at + CHECKSUM, calc_crc32c(memoryview(data)[at + ATTRIBUTES : end]))


def with_a_broken_byte(data, at):
    data[at + RECORDS + 3] ^= 0x55


def with_nonsense_inside(data, at):
    """A batch whose checksum is right, but whose records make no sense."""
    end = at + 12 + struct.unpack_from(">i", data, at + LENGTH)[0]
    data[at + RECORDS] = 0x7F
    struct.pack_into(">I", data, at + CHECKSUM, calc_crc32c(memoryview(data)[at + ATTRIBUTES : end]))


DAMAGES = {
    "codec": (with_another_codec, "UnsupportedCodecError"),
    "checksum": (with_a_broken_byte, "CorruptRecordError"),
    "nonsense": (with_nonsense_inside, "CorruptRecordError"),
}


@pytest.fixture(scope="module")
def damaged(tmp_path_factory):
    """A broker with a topic for each damage; partition 0 has two good batches, the damaged one, and two more."""
    from tests.services.kafka import KafkaBroker, require_kafka

    require_kafka()
    broker = KafkaBroker(tmp_path_factory.mktemp("damaged"))
    broker.start()
    kafka = broker.settings()
    with LogAdmin(kafka) as admin:
        for name in DAMAGES:
            admin.create(name, partitions=2, replication=1, configs={})
            for key in "abcde":
                publish(kafka, name, [key + "1", key + "2"], partition=0)
            publish(kafka, name, map(str, range(20)), partition=1)
    broker.stop()
    for name, (damage, _) in DAMAGES.items():
        _harm(broker.segments(name, 0)[0], damage)
    broker.start()
    yield kafka
    broker.stop()


def _harm(segment, damage):
    data = bytearray(segment.read_bytes())
    starts = list(batches(data))
    damage(data, starts[-3])
    segment.write_bytes(data)


@pytest.mark.parametrize("name", DAMAGES)
def test_the_partition_stops_and_the_others_go_on(damaged, name, group):
    publish(damaged, name, ["more"], partition=1)
    with Member(damaged, [name], group) as member:
        until(lambda: member.unreadable, what="the error")
        until(lambda: sum(place.partition.number for place in member.places) >= 21, what="the other partition")
        (error,) = member.unreadable
        stopped = Partition(name, 0)
        assert error.partition == stopped
        assert DAMAGES[name][1] in str(error)
        good = [record.place.offset for record in member.records if record.place.partition == stopped]
        assert good == list(range(error.offset)), "what lies before it is delivered, and nothing behind it"
        assert member.consumer.unreadable() == {stopped}


@pytest.mark.parametrize("name", DAMAGES)
def test_it_stays_where_it_is_whatever_is_paused_and_resumed(damaged, name, group):
    quiet = {"on_assigned": lambda _: None, "on_revoked": lambda _: {}, "on_lost": lambda _: None}
    consumer = LogConsumer.join(damaged, [name], group=group, **quiet)
    both = [Partition(name, 0), Partition(name, 1)]
    errors, records = [], []
    for turn in range(60):
        (consumer.pause if turn % 2 else consumer.resume)(both)  # in between, the client forgets what it has raised
        try:
            records += consumer.poll(0.1, most=1)
        except PartitionUnreadable as error:
            errors.append(error)
    consumer.resume(both)
    records += consumer.poll(1)
    assert len(errors) == 1
    assert consumer.positions()[both[0]] == errors[0].offset, "the position did not move past it"
    delivered = [record.place.offset for record in records if record.place.partition == both[0]]
    assert delivered == list(range(errors[0].offset))
    consumer.close(5)


def test_the_next_owner_stops_there_too(damaged, group):
    with Member(damaged, ["codec"], group) as first:
        until(lambda: first.unreadable, what="the error")
    with Member(damaged, ["codec"], group) as second:
        until(lambda: second.unreadable, what="the error again")
        assert second.unreadable[0].offset == first.unreadable[0].offset
        assert Partition("codec", 0) not in second.reached()


def test_reading_a_stretch_says_it_too(damaged):
    seen = []
    with pytest.raises(PartitionUnreadable) as caught:
        seen.extend(read_range(damaged, "checksum", start={Partition("checksum", 1): 1000}))
    assert caught.value.partition == Partition("checksum", 0)
    behind = {Partition("checksum", 0): caught.value.offset + 4}
    assert len(list(read_range(damaged, "checksum", start=behind))) >= 20


def test_the_message_names_the_place_and_the_way_on(damaged, group):
    with Member(damaged, ["codec"], group) as member:
        until(lambda: member.unreadable, what="the error")
        assert "codec[0] can't be read from offset" in str(member.unreadable[0])
        assert "committed offset" in str(member.unreadable[0])
