"""Bytes become an event that fulfils the contract, or one sentence that says which field is wrong."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.ingest.strategies import event, events

from fourtower_ingest.errors import MalformedEvent
from fourtower_ingest.events import EVENTS, Delete, Patch, Upsert
from fourtower_ingest.parsing import DEFAULT_RULES, EventRules, parse_event

PRODUCT = {
    "title": "Mug",
    "description": "For tea.",
    "images": [{"url": "a/b.jpg"}, {"url": "https://img.example/1.png", "sha256": "A" * 64, "etag": '"1"'}],
    "group_id": "mugs",
    "attributes": {"price": 5, "weight": 5.0, "new": True, "tags": ["a", "b"], "brand": "Finch", "none": None},
}
UPSERT = {"op": "upsert", "product_id": "p1", "version": 3, "product": PRODUCT}


def raw(**fields):
    return json.dumps(UPSERT | fields).encode()


def with_product(**fields):
    return raw(product=fields)


def refused(data, **how):
    with pytest.raises(MalformedEvent) as caught:
        parse_event(data, **how)
    assert str(caught.value).isprintable()
    assert str(caught.value).endswith(".")
    return caught.value


def test_a_whole_upsert_is_read_as_it_was_sent():
    parsed = parse_event(raw(), key=b"p1")
    assert isinstance(parsed, Upsert)
    assert (parsed.product_id, parsed.version, parsed.schema_version) == ("p1", 3, 1)
    product = parsed.product
    assert (product.title, product.description, product.group_id) == ("Mug", "For tea.", "mugs")
    assert [image.url for image in product.images] == ["a/b.jpg", "https://img.example/1.png"]
    assert (product.images[1].sha256, product.images[1].etag) == ("a" * 64, '"1"')


def test_attributes_keep_their_types():
    attributes = parse_event(raw()).product.attributes
    kinds = {name: type(value) for name, value in attributes.items()}
    assert kinds == {"price": int, "weight": float, "new": bool, "tags": tuple, "brand": str}


def test_null_is_as_good_as_absent_in_a_whole_product():
    nothing = dict.fromkeys(PRODUCT)
    assert parse_event(with_product(**nothing)) == parse_event(with_product()) == event(Upsert, 3)


def test_a_patch_tells_null_from_absent():
    parsed = parse_event(raw(op="patch", product={"title": None, "attributes": {"price": None}}))
    assert isinstance(parsed, Patch)
    assert parsed.product.fields == {"title"}
    assert parsed.product.attributes == {"price": None}
    refusal = refused(raw(op="patch", product={"attributes": None}))
    assert str(refusal) == (
        "product.attributes must be an object; a patch removes an attribute by setting that one to null."
    )


def test_a_delete_carries_no_product():
    assert parse_event(b'{"op": "delete", "product_id": "p1", "version": 0}') == event(Delete, 0)
    assert refused(raw(op="delete")).code == "unknown_field"


def test_the_schema_version_is_optional_and_known():
    assert parse_event(raw(schema_version=1)) == parse_event(raw())
    assert "schema_version is 2; this version of Fourtower reads 1" in str(refused(raw(schema_version=2)))


@pytest.mark.parametrize(
    ("data", "code", "sentence"),
    [
        (b"", "not_json", "The event is not JSON: Expecting value at character 0."),
        (b"\xff{}", "not_json", "The event is not UTF-8: byte 0 begins no character."),
        (raw().decode().encode("utf-16"), "not_json", "The event is not UTF-8: byte 0 begins no character."),
        (b"\xef\xbb\xbf" + raw(), "not_json", "leave out the byte order mark."),
        (raw() + b"{}", "not_json", "The event is not JSON: Extra data"),
        (b"null", "invalid", "The event is None; it must be a JSON object."),
        (b"[1]", "invalid", "The event is a list; it must be a JSON object."),
        (b"[" * 900_000, "too_deep", "The event nests objects or lists hundreds of levels deep."),
        (b'{"a":' * 150_000, "too_deep", "The event nests"),
        (raw(product="[" * 2_000_000), "too_big", "bytes; 1,048,576 are allowed."),
        (b'{"op": "upsert", "op": "delete"}', "duplicate_key", "The key 'op' appears twice in one object; keep one"),
        (raw(product=[1]).replace(b"[1]", b'{"title":"a","title":"a"}'), "duplicate_key", "The key 'title' appears"),
        (raw(version=math.nan), "not_finite", "NaN is not a number of JSON; leave the field out, or send null."),
        (with_product(attributes={"p": -math.inf}), "not_finite", "-Infinity is not a number of JSON"),
        (raw(version=7).replace(b"7", b"7" * 5000), "invalid", "a number of thousands of digits; send it as text."),
    ],
    ids=lambda value: value if isinstance(value, str) and value.islower() else "",
)
def test_what_is_no_json_object_is_refused(data, code, sentence):
    refusal = refused(data)
    assert refusal.code == code
    assert sentence in str(refusal)


IMAGE = "product.images[0].url"


@pytest.mark.parametrize(
    ("data", "where", "sentence"),
    [
        (raw(op="insert"), "op", "op is 'insert'; it must be upsert, patch or delete."),
        (raw(op=["upsert"]), "op", "op is a list; it must be"),
        (b"{}", "op", "op is missing; it must be"),
        (b'{"op": "upsert"}', "product_id", "product_id is missing."),
        (raw(product_id=5), "product_id", "product_id must be text, not 5."),
        (raw(product_id=""), "product_id", "product_id is empty; every product has an id."),
        (raw(product_id="ä" * 101), "product_id", "product_id is 202 bytes long; 200 are allowed."),
        (raw(product_id="a\nb"), "product_id", "product_id holds a control character; leave it out."),
        (raw(product_id="a\x85"), "product_id", "control character"),
        (raw(product_id="\ud800"), "product_id", "product_id holds half a character (a lone surrogate)"),
        (raw(version="3"), "version", "version must be a whole number, not '3'."),
        (raw(version=3.0), "version", "version must be a whole number, not 3.0."),
        (raw(version=True), "version", "version must be a whole number, not True."),
        (raw(version=-1), "version", "version must lie between 0 and 9223372036854775807."),
        (raw(version=2**63), "version", "version must lie between"),
        (raw(version=10**3000), "version", "version must lie between"),
        (raw(version=None), "version", "version must be a whole number, not None."),
        (raw(schema_version=True), "schema_version", "schema_version must be a whole number"),
        (raw(tilte=1), "tilte", "tilte is no field of the contract; known here are op, product, product_id, schema"),
        (raw(product=None), "product", "product must be an object, not None."),
        (raw(product=[1, 2]), "product", "product must be an object, not a list."),
        (with_product(titel="x"), "product.titel", "known here are attributes, description, group_id, images, title."),
        (with_product(title=5), "product.title", "product.title must be text, not 5."),
        (with_product(title={"a": 1}), "product.title", "product.title must be text, not an object."),
        (with_product(title="x" * 4001), "product.title", "product.title is 4,001 bytes long; 4,000 are allowed."),
        (with_product(title="\ud800"), "product.title", "half a character"),
        (with_product(title="a\x00"), "product.title", "product.title holds a NUL character, which no index stores"),
        (with_product(description="x" * 20_001), "product.description", "20,001 bytes long; 20,000 are allowed."),
        (with_product(group_id="x" * 201), "product.group_id", "201 bytes long; 200 are allowed."),
        (with_product(images="a.jpg"), "product.images", 'product.images must be a list, like [{"url": "..."}].'),
        (with_product(images=["a.jpg"]), "product.images[0]", "product.images[0] must be an object, not 'a.jpg'."),
        (with_product(images=[{"u": 1}]), IMAGE, "product.images[0].url is missing."),
        (with_product(images=[{"url": "a"}] * 33), "product.images", "has 33 pictures; 32 are allowed."),
        (with_product(images=[{"url": "a", "x": 1}]), "product.images[0].x", "known here are etag, sha256, url."),
        (with_product(images=[{"url": "a", "sha256": "z"}]), "product.images[0].sha256", "64 hexadecimal digits."),
        (with_product(images=[{"url": "a", "etag": "\r\n"}]), "product.images[0].etag", "control character"),
        (with_product(images=[{"url": ""}]), IMAGE, "is empty; leave the picture out, or say where it is."),
        (with_product(images=[{"url": "/etc/passwd"}]), IMAGE, "must be relative to the image root"),
        (with_product(images=[{"url": "a\\b"}]), IMAGE, "must be relative to the image root"),
        (with_product(images=[{"url": "a/../../b"}]), IMAGE, "leads upwards; a path may not contain .."),
        (with_product(images=[{"url": "file:///etc/passwd"}]), IMAGE, "has a scheme that is not accepted"),
        (with_product(images=[{"url": "C:/a.jpg"}]), IMAGE, "has a scheme that is not accepted"),
        (with_product(images=[{"url": "inline:0"}]), IMAGE, "has a scheme that is not accepted"),
        (with_product(images=[{"url": "http:///a"}]), IMAGE, "has a scheme that is not accepted"),
        (with_product(images=[{"url": "http://h/\x7f"}]), IMAGE, "holds a control character"),
        (with_product(images=[{"url": "http://h/" + "a" * 4096}]), IMAGE, "4,105 bytes long; 4,096 are allowed."),
        (with_product(images=[{"url": "data:text/html,x"}]), IMAGE, "is not of the form data:image/...;base64,..."),
        (with_product(attributes=[1]), "product.attributes", "product.attributes must be an object"),
        (with_product(attributes={"": 1}), "product.attributes", "has an entry without a name."),
        (with_product(attributes={"a\n": 1}), "product.attributes", "'a\\n' holds a control character"),
        (with_product(attributes={"\udc80": 1}), "product.attributes", "half a character"),
        (with_product(attributes={"a": "\udc80"}), "product.attributes", "'a' holds half a character"),
        (with_product(attributes={"a": ["\x00"]}), "product.attributes", "'a' holds a NUL character"),
        (with_product(attributes={"a": {"b": 1}}), "product.attributes", "'a' must be text, a number, true, false"),
        (with_product(attributes={"a": [1]}), "product.attributes", "or a list of texts."),
        (with_product(attributes={"a": [None]}), "product.attributes", "or a list of texts."),
        (with_product(attributes={"a": 2**63}), "product.attributes", "'a' does not fit 64 bits; send it as text."),
        (with_product(attributes={"a": -(10**400)}), "product.attributes", "'a' does not fit 64 bits"),
        (
            with_product(attributes={"a": 7}).replace(b"7", b"1e999"),
            "product.attributes",
            "'a' must be a finite number.",
        ),
        (with_product(attributes={"a": "x" * 16_385}), "product.attributes", "16,385 bytes long; 16,384 are allowed."),
        (with_product(attributes={"a": ["x"] * 1025}), "product.attributes", "'a' has 1,025 items; 1,024 are allowed."),
        (with_product(attributes={str(i): i for i in range(257)}), "product.attributes", "257 entries; 256 are"),
    ],
    ids=lambda value: value if isinstance(value, str) and " " not in value else "",
)
def test_a_wrong_field_is_named(data, where, sentence):
    refusal = refused(data)
    assert refusal.code == ("unknown_field" if "no field of the contract" in str(refusal) else "invalid")
    assert refusal.where == where
    assert str(refusal).startswith(where)
    assert sentence in str(refusal)


@pytest.mark.parametrize("url", ["a.jpg", "a b/c..d.jpg", "data:image/png;base64,AAAA", "HTTPS://h/x?y", "ü.jpg"])
def test_addresses_of_every_kind_are_accepted(url):
    assert parse_event(with_product(images=[{"url": url}])).product.images[0].url == url


def test_unknown_fields_can_be_ignored():
    extra = {"x": 1, "op": "upsert"}
    product = PRODUCT | {"y": [[[]]], "images": [image | {"z": 1} for image in PRODUCT["images"]]}
    data = json.dumps(UPSERT | extra | {"product": product}).encode()
    assert refused(data).code == "unknown_field"
    assert parse_event(data, rules=EventRules(unknown_fields="ignore")) == parse_event(raw())
    wrong = with_product(titel=1, images=[5])
    assert refused(wrong, rules=EventRules(unknown_fields="ignore")).where == "product.images[0]"


def test_the_key_must_be_the_product():
    assert parse_event(raw(product_id="ä"), key="ä".encode()).product_id == "ä"
    refusal = refused(raw(), key=b"p2\n\xff")
    assert (refusal.code, refusal.where) == ("key_mismatch", "product_id")
    assert "The record's key b'p2\\n\\xff' differs from product_id 'p1'" in str(refusal)


def test_a_given_version_takes_the_place_of_the_events_own():
    assert parse_event(raw(), version=9).version == 9
    assert parse_event(raw(version="x"), version=9).version == 9


def test_the_digest_is_of_the_content_alone():
    same = [
        parse_event(data) for data in (raw(), raw(version=9), json.dumps(UPSERT, indent=3, sort_keys=True).encode())
    ]
    assert len({item.digest for item in same}) == 1
    others = [raw(op="patch"), raw(product=PRODUCT | {"title": "mug"}), with_product(attributes={"price": 5.0})]
    digests = {parse_event(data).digest for data in [raw(), with_product(attributes={"price": 5}), *others]}
    assert len(digests) == 5
    assert all(len(digest) == 16 for digest in digests)


def test_the_digest_is_stable_across_releases():
    """Row keys contain it: if it changes, every product is written anew."""
    assert parse_event(raw()).order == (3, False, "0f7003bf646b232c")
    assert event(Delete, 1).order == (1, True, "44136fa355b3678a")


def test_a_copy_has_its_own_digest():
    first, second = parse_event(with_product(title="a")), parse_event(with_product(title="b"))
    assert first.digest != first.model_copy(update={"product": second.product}).digest == second.digest


def test_a_picture_inside_an_event_counts_by_its_hash():
    url = "data:image/png;base64,AAAA"
    parsed = parse_event(with_product(images=[{"url": url}, {"url": "a.jpg"}]))
    kept = parsed.product.kept
    assert kept.images[0].url.startswith("inline:")
    assert kept.images[1] == parsed.product.images[1]
    again = event(Upsert, 3, {"images": [image.model_dump() for image in kept.images]})
    assert again.digest == parsed.digest
    assert event(Upsert, 3, {"images": [{"url": url + "AAAA"}, {"url": "a.jpg"}]}).digest != parsed.digest


def test_events_can_not_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        parse_event(raw()).version = 4


@given(events)
def test_an_event_written_as_json_is_read_back(item):
    again = parse_event(item.to_json())
    assert again == item
    assert again.order == item.order


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.sampled_from(["\ud800", 10**25]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
names = st.sampled_from(["op", "product_id", "version", "product", "schema_version", "\ud83d", "x"])
inner = st.sampled_from([*PRODUCT, "x"])


def nearly(top, product):
    return UPSERT | {"product": PRODUCT | product} | top


near = st.builds(
    nearly, st.dictionaries(names, json_values, max_size=1), st.dictionaries(inner, json_values, max_size=1)
)
ops = st.builds(lambda fields, op: fields | {"op": op}, near, st.sampled_from([*EVENTS]))
lines = (near | ops | json_values).map(lambda value: json.dumps(value).encode()) | st.binary(max_size=20)


def read(data, rules=DEFAULT_RULES):
    """Either an event or what is wrong with it; anything else fails the test."""
    try:
        return parse_event(data, rules=rules)
    except MalformedEvent as error:
        return error


@settings(max_examples=300, deadline=None)
@given(data=lines, unknown=st.sampled_from(["refuse", "ignore"]))
def test_any_bytes_give_an_event_or_a_sentence(data, unknown):
    parsed = read(data, EventRules(unknown_fields=unknown))
    if isinstance(parsed, MalformedEvent):
        assert str(parsed).isprintable()
        assert len(str(parsed)) < 400
    else:
        assert parse_event(parsed.to_json()) == parsed
        assert len(parsed.order.digest) == 16


@settings(max_examples=300)
@given(st.data())
def test_a_damaged_event_gives_an_event_or_a_sentence(data):
    whole = bytearray(raw())
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    parsed = read(bytes(whole[: data.draw(st.integers(0, len(whole)))]))
    assert isinstance(parsed, MalformedEvent) or parse_event(parsed.to_json()) == parsed
