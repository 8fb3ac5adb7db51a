"""Records that are odd, broken or hostile, each with its fate: `applied`, or the code of a dead letter.

They are for a compacted topic, for which brokers take no record without a key; `generator` has such ones.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from tests.stream.generator import data_url

ID = "odd"
APPLIED = "applied"


class Odd(NamedTuple):
    """A record and its fate."""

    name: str
    value: bytes | None
    fate: str
    key: bytes | None = ...  # type: ignore[assignment]
    headers: tuple[tuple[str, bytes], ...] = ()


def raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def upsert(product_id: str = ID, version: object = 1, **product: object) -> bytes:
    fields = {"title": "mug", "attributes": {"category": "mug"}} | product
    return json.dumps({"op": "upsert", "product_id": product_id, "version": version, "product": fields}).encode()


def with_attributes(**attributes: object) -> bytes:
    return upsert(attributes={"category": "mug", **attributes})


def nested(levels: int) -> bytes:
    return (
        b'{"op": "upsert", "product_id": "odd", "version": 1, "product": '
        + b'{"a":' * levels
        + b"1"
        + b"}" * levels
        + b"}"
    )


LINE = (
    '{"op": "upsert", "product_id": "odd", "version": %s, '
    '"product": {"title": %s, "attributes": {"category": "mug"%s}}}'
)
HEAD = '{"op": "delete", "product_id": "odd", '

CORPUS = [
    Odd("plain", upsert(), APPLIED),
    Odd("white space around", b"\n\t " + upsert() + b" \r\n", APPLIED),
    Odd("escapes", raw(LINE % (1, '"\\u00fc\\n\\ud83d\\ude00"', "")), APPLIED),
    Odd("not JSON", b"{]", "not_json"),
    Odd("empty", b"", "not_json"),
    Odd("only a space", b" ", "not_json"),
    Odd("cut off", upsert()[:-3], "not_json"),
    Odd("two events", upsert() + upsert(), "not_json"),
    Odd("single quotes", upsert().replace(b'"', b"'"), "not_json"),
    Odd("a comment", b"/* hello */ " + upsert(), "not_json"),
    Odd("trailing comma", upsert()[:-1] + b",}", "not_json"),
    Odd("byte order mark", b"\xef\xbb\xbf" + upsert(), "not_json"),
    Odd("UTF-16", upsert().decode().encode("utf-16"), "not_json"),
    Odd("Latin-1", (LINE % (1, '"\u00fc"', "")).encode("latin-1"), "not_json"),
    Odd("overlong UTF-8", upsert().replace(b"mug", b"\xc0\xaf"), "not_json"),
    Odd("bytes at random", bytes(range(256)), "not_json"),
    Odd("Avro's first bytes", b"\x00\x00\x00\x00\x07" + upsert(), "not_json"),
    Odd("NaN", raw(LINE % (1, '"mug"', ', "price": NaN')), "not_finite"),
    Odd("Infinity", raw(LINE % (1, '"mug"', ', "price": -Infinity')), "not_finite"),
    Odd("a float beyond all", raw(LINE % (1, '"mug"', ', "price": 1e999')), "invalid"),
    Odd("the same key twice", raw(HEAD + '"version": 1, "version": 2}'), "duplicate_key"),
    Odd("the same attribute twice", raw(LINE % (1, '"mug"', ', "price": 1, "price": 2')), "duplicate_key"),
    Odd("half a character", raw(LINE % (1, '"\\ud800"', "")), "invalid"),
    Odd("NUL in a title", raw(LINE % (1, '"\\u0000"', "")), "invalid"),
    Odd("deep", nested(300), "unknown_field"),
    Odd("deeper than any stack", nested(100_000), "too_deep"),
    Odd("lists all the way down", b"[" * 200_000, "too_deep"),
    Odd("a number of 100,000 digits", raw(HEAD + '"version": ' + "9" * 100_000 + "}"), "invalid"),
    Odd("text", b'"upsert"', "invalid"),
    Odd("null inside", b"null", "invalid"),
    Odd("a list", b"[" + upsert() + b"]", "invalid"),
    Odd("an empty object", b"{}", "invalid"),
    Odd("no version", raw(HEAD[:-2] + "}"), "invalid"),
    Odd("version as text", upsert(version="1"), "invalid"),
    Odd("version true", upsert(version=True), "invalid"),
    Odd("version 1.0", upsert(version=1.0), "invalid"),
    Odd("version null", upsert(version=None), "invalid"),
    Odd("version -1", upsert(version=-1), "invalid"),
    Odd("version 0", upsert(version=0), APPLIED),
    Odd("the highest version", upsert(version=2**63 - 1), APPLIED),
    Odd("one above", upsert(version=2**63), "invalid"),
    Odd("an unknown op", upsert().replace(b'"upsert"', b'"replace"'), "invalid"),
    Odd("op as a list", upsert().replace(b'"upsert"', b'["upsert"]'), "invalid"),
    Odd("another schema version", upsert()[:-1] + b', "schema_version": 2}', "invalid"),
    Odd("our schema version", upsert()[:-1] + b', "schema_version": 1}', APPLIED),
    Odd("an unknown field", upsert()[:-1] + b', "colour": "red"}', "unknown_field"),
    Odd("a misspelt field", upsert(titel="mug"), "unknown_field"),
    Odd("__proto__", upsert()[:-1] + b', "__proto__": {"op": "delete"}}', "unknown_field"),
    Odd("no product", raw('{"op": "upsert", "product_id": "odd", "version": 1}'), "invalid"),
    Odd("product as text", raw('{"op": "upsert", "product_id": "odd", "version": 1, "product": "mug"}'), "invalid"),
    Odd("title as a number", upsert(title=7), "invalid"),
    Odd("title null", upsert(title=None, description="a mug"), APPLIED),
    Odd("a title too long", upsert(title="x" * 4001), "invalid"),
    Odd("a title as long as may be", upsert(title="x" * 4000), APPLIED),
    Odd("nothing to be found by", upsert(title="", images=[]), "nothing_to_embed"),
    Odd("too many pictures", upsert(images=[{"url": f"{n}.png"} for n in range(33)]), "invalid"),
    Odd("a picture outside", upsert(images=[{"url": "../../etc/passwd"}]), "invalid"),
    Odd("an absolute path", upsert(images=[{"url": "/etc/passwd"}]), "invalid"),
    Odd("a file address", upsert(images=[{"url": "file:///etc/passwd"}]), "invalid"),
    Odd("a host that is not allowed", upsert(images=[{"url": "http://169.254.169.254/latest"}]), APPLIED),
    Odd("a picture that is missing", upsert(images=[{"url": "images/gone.png"}]), APPLIED),
    Odd("a picture inside", upsert(images=[{"url": data_url(1)}]), APPLIED),
    Odd("a broken picture inside", upsert(images=[{"url": "data:image/png;base64,!!!!"}]), APPLIED),
    Odd("a picture that is a page", upsert(images=[{"url": "data:text/html;base64,AAAA"}]), "invalid"),
    Odd("a hash that is none", upsert(images=[{"url": "images/1.png", "sha256": "abc"}]), "invalid"),
    Odd("an object as attribute", with_attributes(size={"w": 1}), "invalid"),
    Odd("lists in lists", with_attributes(tags=[["a"]]), "invalid"),
    Odd("a huge whole number", with_attributes(ean=2**64), "invalid"),
    Odd("a price in words", with_attributes(price="cheap"), "invalid_product"),
    Odd("a price in yes and no", with_attributes(price=True), "invalid_product"),
    Odd("no category", upsert(attributes={}), "invalid_product"),
    Odd("too many tags", with_attributes(tags=["x"] * 65), "invalid_product"),
    Odd("too many attributes", with_attributes(**{f"a{n}": 1 for n in range(300)}), "invalid"),
    Odd("attributes as a list", upsert(attributes=["mug"]), "invalid"),
    Odd("a patch in a compacted topic", upsert().replace(b'"upsert"', b'"patch"'), "patch_refused"),
    Odd("larger than an event may be", upsert(description="x" * 1_060_000), "too_big"),
    Odd("a large one that came compressed", upsert(description="x" * 6_000_000), "too_big"),
    Odd("another key", upsert(), "key_mismatch", key=b"even"),
    Odd("a key with a space", upsert(), "key_mismatch", key=b"odd "),
    Odd("a key in quotes", upsert(), "key_mismatch", key=b'"odd"'),
    Odd("a key that is not UTF-8", upsert(), "key_mismatch", key=b"\xff"),
    Odd("an empty key", upsert(""), "invalid", key=b""),
    Odd("an id with a line break", upsert("o\nd"), "invalid", key=b"o\nd"),
    Odd("an id too long", upsert("x" * 201), "invalid", key=b"x" * 201),
    Odd("an id as long as may be", upsert("x" * 200), APPLIED, key=b"x" * 200),
    Odd("an id in another script", upsert("\u5546\u54c1-\u00fc"), APPLIED, key="\u5546\u54c1-\u00fc".encode()),
    Odd("an id that looks like a filter", upsert("' or 1 == 1 or '"), APPLIED, key=b"' or 1 == 1 or '"),
    Odd("an id that looks like a key of rows", upsert("a@1.b#0"), APPLIED, key=b"a@1.b#0"),
    Odd("a delete of what never was", raw('{"op": "delete", "product_id": "odd", "version": 4}'), APPLIED),
    Odd("a delete with a product", upsert().replace(b'"upsert"', b'"delete"'), "unknown_field"),
    Odd("null with its version", None, APPLIED, headers=(("x-version", b"7"),)),
    Odd("null without a version", None, "no_version"),
    Odd("null with a version in words", None, "bad_header", headers=(("x-version", b"seven"),)),
    Odd("null with a negative version", None, "bad_header", headers=(("x-version", b"-7"),)),
    Odd("headers that lie", upsert(), APPLIED, headers=(("x-dlq-code", b"poison"), ("x-version", b"\xff"))),
]  # fmt: skip


def records() -> list[Odd]:
    """The corpus, each record about a product of its own where its key is not what is odd about it."""
    found = []
    for number, odd in enumerate(CORPUS):
        key = f"odd{number:03d}".encode()
        named = odd.value and odd.value.replace(b'"odd"', b'"' + key + b'"')
        found.append(odd._replace(key=key, value=named) if odd.key is ... else odd)
    return found
