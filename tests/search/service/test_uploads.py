"""Forms and pictures of any kind are answered, or refused by an error of ours, in bounded memory."""

import json
import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.encoders.test_images import BOMBS
from tests.search.service.live import error_of, form, named

from fourtower_search.errors import InvalidQuery
from fourtower_search.service.uploads import LITERALS, WORDS, Posted, take_apart

SLOWLY = settings(max_examples=60, suppress_health_check=list(HealthCheck))
CONTENTS = st.binary(max_size=60) | st.sampled_from(
    [
        b"\r\n--seam",
        b"--seam--",
        b"\r\n--seam--\r\n",
        b"\r\n--sea",
        b"\r" * 9,
        b"{}",
        b'{"query": "mug"}',
        b"null",
        b"\xff",
    ]
)
NAMES = st.sampled_from(["image", "request", *sorted(WORDS | LITERALS), "", "nonsense", 'a"b', "Käse"])
FILES = st.none() | st.sampled_from(["", "a.jpg", "../../etc/passwd", 'quo"te', "nul\0", "x" * 300])
HEADS = st.sampled_from(
    [
        b"",
        b"Content-Disposition: form-data",
        b"Content-Disposition: attachment; name=image",
        b"Content-Disposition: form-data; name=image\r\nContent-Type: multipart/mixed; boundary=inner",
        b"Content-Disposition: form-data; name=image\r\nContent-Transfer-Encoding: base64",
        b"Content-Disposition: form-data; name*=utf-8''image",
        b"Content-Disposition: form-data; name=image; name=request",
        b"X: " + b"y" * 5000,
        b"X: y\r\n" * 20,
        b": nameless",
        b"no colon",
    ]
)
PARTS = st.lists(
    st.builds(lambda name, content, file: named(name, content, file=file), NAMES, CONTENTS, FILES)
    | st.tuples(HEADS, CONTENTS),
    max_size=6,
)


def apart(parts, **options):
    body, _ = form(parts)
    return take_apart(body, b"seam", **{"max_images": 8, **options})


@given(pictures=st.lists(st.binary(max_size=200), max_size=8), request=st.binary(max_size=50))
def test_what_was_put_together_comes_apart_again(pictures, request):
    parts = [named("image", each, file="a.jpg") for each in pictures]
    if any(b"\r\n--seam" in b"\r\n" + each for each in (*pictures, request)):
        return
    assert apart([*parts, named("request", request)]) == Posted(request, pictures)
    assert apart([named("request", request), *parts]) == Posted(request, pictures)


@given(parts=PARTS, cut=st.integers(0, 400), noise=st.binary(max_size=20), at=st.integers(0, 400))
def test_a_damaged_form_is_read_or_refused(parts, cut, noise, at):
    whole, _ = form(parts)
    for body in (whole, whole[:cut], whole[:at] + noise + whole[at:], noise + whole, whole * 2):
        with suppress(InvalidQuery):
            assert len(take_apart(body, b"seam", max_images=3).uploads) <= 3


REFUSED = {
    "a form that is cut off": (lambda body: body[:-6], "cut off"),
    "nothing": (lambda body: b"", "cut off"),
    "another boundary": (lambda body: body.replace(b"seam", b"other"), "can't be read"),
    "a nested form": (lambda body: body.replace(b"form-data", b"mixed"), "Content-Disposition"),
    "an unknown field": (lambda body: body.replace(b'"image"', b'"imago"'), "imago"),
}


@pytest.mark.parametrize(("damage", "said"), list(REFUSED.values()), ids=list(REFUSED))
def test_a_form_that_is_none_is_told_why(http, photo, damage, said):
    body, kind = form([named("image", photo, file="a.jpg")])
    response = http.post("/search", content=damage(body), headers={"Content-Type": kind})
    assert said in error_of(response, 422, "invalid_query")["message"]


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ([named("image", b"x", file="a")] * 9, "more than 8 pictures"),
        ([named("text", b"a")] * 2, "twice"),
        ([named("text", b"a"), named("request", b"{}")], "fields of their own"),
        ([named("limit", b"many")], "limit"),
        ([named("limit", b"1" * 40)], "limit"),
        ([named("text", b"\xff")], "text"),
        ([named("request", b"{}"), named("image", b"", file="a")], "empty"),
        ([(b"X: " + b"y" * 9000, b"")], "can't be read"),
        ([(b"X: y\r\n" * 20, b"")], "can't be read"),
    ],
)
def test_a_form_that_breaks_a_rule_is_told_which(http, parts, said):
    body, kind = form(parts)
    response = http.post("/search", content=body, headers={"Content-Type": kind})
    assert said in error_of(response, 422, "invalid_query")["message"]


@pytest.mark.parametrize(
    "kind", ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=" + "b" * 300]
)
def test_a_form_needs_a_boundary(http, kind):
    response = http.post("/search", content=b"--\r\n", headers={"Content-Type": kind})
    assert "boundary" in error_of(response, 422, "invalid_query")["message"]


def test_a_hundred_thousand_parts_cost_nothing():
    body, _ = form([named("image", b"", file="a")] * 100_000)
    tracemalloc.start()
    try:
        with pytest.raises(InvalidQuery, match="more than 8 pictures"):
            take_apart(body, b"seam", max_images=8)
        assert tracemalloc.get_traced_memory()[1] < 2 * len(body)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.parametrize("path", ["/search", "/embed"])
def test_picture_bombs_are_refused(http, path, name):
    response = http.post(path, files={"image": BOMBS[name]})
    assert "icture" in error_of(response, 422, "invalid_query")["message"]


@SLOWLY
@given(data=st.data())
def test_any_form_is_answered_or_refused(http, photo, data):
    parts = data.draw(PARTS)
    if data.draw(st.booleans()):
        cut = data.draw(st.integers(0, len(photo)))
        parts.insert(0, named("image", photo[:cut] + data.draw(st.binary(max_size=9)), file="a.jpg"))
    body, kind = form(parts)
    body = body[: data.draw(st.sampled_from([len(body)] * 3 + [len(body) // 2]))]
    path = data.draw(st.sampled_from(["/search", "/search/batch", "/facets", "/embed"]))
    response = http.post(path, content=body, headers={"Content-Type": kind})
    if response.status_code != 200:
        error_of(response, 422, response.json()["code"])


@SLOWLY
@given(
    body=st.binary(max_size=80)
    | st.recursive(
        st.none()
        | st.booleans()
        | st.floats()
        | st.integers()
        | st.text(max_size=8)
        | st.sampled_from(["mug", "stool"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["query", "queries", "text", "where", "ids", "texts", "of", "must", "field"]), inner
            )
        ),
        max_leaves=6,
    ).map(lambda value: json.dumps(value).encode())
)
@pytest.mark.parametrize(
    "path", ["/search", "/search/batch", "/facets", "/embed", "/products/lookup", "/products/count", "/products/scan"]
)
def test_any_json_is_answered_or_refused(http, path, body):
    response = http.post(path, content=body, headers={"Content-Type": "application/json"})
    if response.status_code != 200:
        error_of(response, 422, response.json()["code"])
