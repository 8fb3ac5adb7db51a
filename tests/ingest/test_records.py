"""Kafka records: keys, null values, headers, and topics whose versions are offsets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ingest.strategies import event

from fourtower_ingest.errors import MalformedEvent
from fourtower_ingest.events import Delete, Patch, Upsert
from fourtower_ingest.records import TopicRules, read_record

EVENTS = TopicRules()
OFFSETS = TopicRules(version_source="offset")
UPSERT = b'{"op": "upsert", "product_id": "p1", "version": 7, "product": {}}'
UNVERSIONED = b'{"op": "upsert", "product_id": "p1", "product": {}}'
PATCH = b'{"op": "patch", "product_id": "p1", "version": 7, "product": {}}'


def refused(value, **how):
    with pytest.raises(MalformedEvent) as caught:
        read_record(value, **({"key": b"p1", "rules": EVENTS} | how))
    return caught.value


def test_a_record_is_its_event():
    assert read_record(UPSERT, key=b"p1", offset=3, rules=EVENTS) == event(Upsert, 7)
    assert read_record(PATCH, key=b"p1", offset=3, rules=EVENTS) == event(Patch, 7)


def test_a_record_needs_the_key_of_its_product():
    assert refused(UPSERT, key=None).code == "no_key"
    assert refused(None, key=None).code == "no_key"
    assert refused(UPSERT, key=b"p2").code == "key_mismatch"


def test_a_null_value_deletes_in_the_version_of_its_header():
    assert read_record(None, key=b"p1", headers=[("x-version", b"12")], rules=EVENTS) == event(Delete, 12)
    twice = [("x-version", b"12"), ("other", None), ("x-version", b"13")]
    assert read_record(None, key=b"p1", headers=twice, rules=EVENTS) == event(Delete, 13), "the last of several counts"
    refusal = refused(None, headers=[("x-version", None)])
    assert refusal.code == "no_version"
    assert "A null value needs its version in the header x-version; add it, or publish" in str(refusal)


def test_a_null_value_may_be_a_mere_marker():
    for source in ("event", "offset"):
        rules = TopicRules(null_value="marker", version_source=source)
        assert read_record(None, key=b"p1", headers=[("x-version", b"broken")], offset=3, rules=rules) is None


def test_offsets_can_be_versions():
    assert read_record(UNVERSIONED, key=b"p1", offset=30, rules=OFFSETS) == event(Upsert, 30)
    assert read_record(UPSERT, key=b"p1", offset=30, rules=OFFSETS) == event(Upsert, 30)
    assert read_record(None, key=b"p1", offset=30, rules=OFFSETS) == event(Delete, 30)
    assert refused(UNVERSIONED, offset=30).where == "version", "not unless the topic is declared so"


def test_a_replayed_record_keeps_its_first_place():
    headers = [("x-order", b"12")]
    assert read_record(UNVERSIONED, key=b"p1", headers=headers, offset=30, rules=OFFSETS) == event(Upsert, 12)
    assert read_record(None, key=b"p1", headers=headers, offset=None, rules=OFFSETS) == event(Delete, 12)
    assert read_record(UPSERT, key=b"p1", headers=headers, offset=30, rules=EVENTS) == event(Upsert, 7)
    refusal = refused(UNVERSIONED, offset=None, rules=OFFSETS)
    assert (refusal.code, "The replayed record has no x-order header" in str(refusal)) == ("no_version", True)


@pytest.mark.parametrize("value", [b"", b"-1", b"1.0", b" 1", "\u0663".encode(), b"9" * 19, b"1" * 5000, b"\xff"])
def test_a_header_must_be_a_version(value):
    refusal = refused(None, headers=[("x-version", value)])
    assert (refusal.code, refusal.where) == ("bad_header", "x-version")
    assert len(str(refusal)) < 200


@pytest.mark.parametrize("key", [b"", b"\xff", b"a\x00", b"x" * 201])
def test_the_key_of_a_null_value_must_be_an_id(key):
    assert refused(None, key=key, headers=[("x-version", b"1")]).code == "bad_key"


def test_a_compacted_topic_takes_no_patches():
    refusal = refused(PATCH, rules=TopicRules(patches=False))
    assert (refusal.code, refusal.where) == ("patch_refused", "op")
    assert str(refusal) == "This topic takes no patches; send the whole product."


headers = st.lists(
    st.tuples(st.sampled_from(["x-version", "x-order", "y"]), st.none() | st.binary(max_size=3)), max_size=3
)


@given(
    value=st.none() | st.binary(max_size=8) | st.sampled_from([UPSERT, PATCH, UNVERSIONED]),
    key=st.none() | st.binary(max_size=3) | st.just(b"p1"),
    headers=headers,
    offset=st.none() | st.integers(0, 2**63 - 1),
    source=st.sampled_from(["event", "offset"]),
)
def test_any_record_gives_an_event_or_a_sentence(value, key, headers, offset, source):
    rules = TopicRules(version_source=source)
    try:
        product_id = read_record(value, key=key, headers=headers, offset=offset, rules=rules).product_id
    except MalformedEvent:
        return
    assert product_id.encode() == key
