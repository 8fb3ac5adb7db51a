"""Cursors come back as they were made, or not at all."""

import base64
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fourtower_search.errors import CursorExpired, InvalidQuery, SearchError
from fourtower_search.query.request import MAX_CURSOR
from fourtower_search.ranking.cursors import Cursor, decode, encode

KEY = b"0123456789abcdef"
CURSOR = Cursor("products_1", "feed", 1, 1000, 42, False, (("sku-1", 0, 0.5, 0.25), ("sku-2", 3, 0.125, 0.5)))
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_="


def read(token, **changed):
    return decode(token, **{"key": KEY, "generation": "products_1", "request": "feed", "now_s": 999.0, **changed})


places = st.tuples(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=12),
    st.integers(0, 99),
    st.floats(0, 1),
    st.floats(0, 1),
)
cursors = st.builds(
    Cursor,
    st.text(max_size=20),
    st.text(max_size=20),
    st.integers(0, 500),
    st.integers(1, 2**40),
    st.integers(0, 500),
    st.booleans(),
    st.lists(places, max_size=20).map(tuple),
)


@settings(deadline=None)
@given(cursor=cursors, key=st.binary(min_size=16, max_size=64))
def test_a_cursor_comes_back_with_four_digits_of_its_scores(cursor, key):
    back = decode(encode(cursor, key), key, generation=cursor.generation, request=cursor.request, now_s=0.0)
    assert replace(back, remaining=()) == replace(cursor, remaining=())
    for place, original in zip(back.remaining, cursor.remaining, strict=True):
        assert place[:2] == original[:2]
        assert place[2:] == pytest.approx(original[2:], rel=1e-3)


def test_scores_that_are_the_relevance_are_written_once():
    same = replace(CURSOR, remaining=(("sku-1", 0, 0.5, 0.5), ("sku-2", 3, 0.125, 0.125)))
    token = encode(same, KEY)
    assert read(token) == same
    assert len(token) < len(TOKEN)


def test_a_token_is_safe_in_an_address():
    assert set(encode(CURSOR, KEY)) <= set(ALPHABET) - {"="}


TOKEN = encode(CURSOR, KEY)


@pytest.mark.parametrize("position", range(len(TOKEN)))
def test_no_changed_character_is_accepted(position):
    for character in ALPHABET:
        changed = TOKEN[:position] + character + TOKEN[position + 1 :]
        if changed != TOKEN:
            with pytest.raises(InvalidQuery, match="none of ours"):
                read(changed)


@settings(deadline=None)
@given(junk=st.text(max_size=80) | st.binary(max_size=80).map(lambda data: base64.urlsafe_b64encode(data).decode()))
def test_junk_is_refused(junk):
    with pytest.raises(InvalidQuery, match="none of ours"):
        read(junk)


@pytest.mark.parametrize(
    "token",
    [
        TOKEN + "=",
        TOKEN + "\n",
        " " + TOKEN,
        TOKEN[:-1],
        TOKEN[4:],
        TOKEN + TOKEN,
        "A" * (MAX_CURSOR + 1),
        "é",
        "\ud800",
    ],
)
def test_other_spellings_are_refused(token):
    with pytest.raises(InvalidQuery, match="none of ours"):
        read(token)


def test_another_key_does_not_open_it():
    with pytest.raises(InvalidQuery, match="none of ours"):
        read(TOKEN, key=b"another key, sixteen")
    with pytest.raises(SearchError, match="has 5 bytes"):
        encode(CURSOR, b"short")
    with pytest.raises(SearchError, match="has 0 bytes"):
        read(TOKEN, key=b"")


def test_when_it_is_too_late():
    assert read(TOKEN) == CURSOR
    with pytest.raises(CursorExpired, match="has expired"):
        read(TOKEN, now_s=1000.0)
    with pytest.raises(CursorExpired, match="index was rebuilt"):
        read(TOKEN, generation="products_2")


def test_it_fits_one_query_only():
    with pytest.raises(InvalidQuery, match="another query") as caught:
        read(TOKEN, request="beef")
    assert not isinstance(caught.value, CursorExpired)


@pytest.mark.parametrize(
    ("count", "length", "most"), [(10, 12, 420), (90, 12, 2300), (490, 12, 11_700), (500, 256, MAX_CURSOR)]
)
def test_tokens_are_as_short_as_stated(count, length, most):
    luck = random.Random(1)
    remaining = tuple(
        ("".join(luck.choices(ALPHABET, k=length)), luck.randrange(4), luck.random(), luck.random())
        for _ in range(count)
    )
    size = len(encode(replace(CURSOR, remaining=remaining), KEY))
    assert size <= most
