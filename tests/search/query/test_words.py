"""Minus-words are told from hyphens, and nothing that a person typed gets lost."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourtower_search.errors import InvalidQuery
from fourtower_search.query.words import MINUS_WEIGHT, Words, split_words, text_parts


@pytest.mark.parametrize(
    ("text", "positive", "negative"),
    [
        ("shoes -leather", "shoes", ("leather",)),
        ("-leather shoes", "shoes", ("leather",)),
        ('shoes -"dark red"', "shoes", ("dark red",)),
        ('-"dark  red" shoes -suede', "shoes", ("dark red", "suede")),
        ('shoes -"dark red', "shoes", ("dark red",)),
        ('shoes -"dark red"boots', "shoes boots", ("dark red",)),
        ("t-shirt wi-fi", "t-shirt wi-fi", ()),
        ("shoes - leather", "shoes - leather", ()),
        ("shoes-", "shoes-", ()),
        ("shoes --leather", "shoes --leather", ()),
        ("sleeping bag -15 °C", "sleeping bag -15 °C", ()),
        ('bolt -"15"', "bolt", ("15",)),
        ('shoes -"" -" "', 'shoes -"" -" "', ()),
        ('"dark red" shoes', '"dark red" shoes', ()),
        ("Schuhe -für-Kinder", "Schuhe", ("für-Kinder",)),
        ("靴 -革", "靴", ("革",)),
        ("  shoes \n boots ", "shoes boots", ()),
        ("-leather", "", ("leather",)),
        ("", "", ()),
    ],
)
def test_what_is_a_minus_word(text, positive, negative):
    assert split_words(text) == Words(positive, negative)


word = st.from_regex(re.compile(r"[a-zäé][a-z0-9'-]{0,6}"), fullmatch=True)
phrase = st.lists(word, min_size=1, max_size=3).map(" ".join)
pieces = st.lists(st.tuples(st.sampled_from(["word", "minus", "phrase"]), word, phrase), max_size=8)


@given(pieces=pieces)
def test_whatever_is_put_together_is_taken_apart(pieces):
    typed = {"word": "{0}", "minus": "-{0}", "phrase": '-"{1}"'}
    text = " ".join(typed[kind].format(word, phrase) for kind, word, phrase in pieces)
    expected = Words(
        " ".join(word for kind, word, _ in pieces if kind == "word"),
        tuple(phrase if kind == "phrase" else word for kind, word, phrase in pieces if kind != "word"),
    )
    assert split_words(text) == expected


@given(text=st.text(alphabet=st.one_of(st.sampled_from('-"ab1 \n'), st.characters()), max_size=40))
def test_no_character_is_lost_but_minus_signs_quotes_and_space(text):
    words = split_words(text)
    kept = "".join((words.positive, *words.negative))
    bare = re.compile(r'[-"\s]')
    assert sorted(bare.sub("", kept)) == sorted(bare.sub("", text))
    assert all(negative.strip() == negative != "" for negative in words.negative)


def test_a_string_becomes_weighted_parts():
    shoes, leather = text_parts("shoes -leather", 0.8)
    assert (shoes.text, shoes.weight) == ("shoes", 0.8)
    assert (leather.text, leather.weight) == ("leather", 0.8 * MINUS_WEIGHT)
    assert leather.weight < 0


def test_something_positive_must_be_there_unless_another_part_brings_it():
    with pytest.raises(InvalidQuery, match=r"only says what it should not be \(leather\)"):
        text_parts("-leather")
    with pytest.raises(InvalidQuery, match="is empty"):
        text_parts("  ")
    assert [part.text for part in text_parts("-leather", alone=False)] == ["leather"]


def test_long_strings_are_refused_before_they_are_parsed():
    with pytest.raises(InvalidQuery, match="1,001 characters"):
        text_parts("-" * 1001)
