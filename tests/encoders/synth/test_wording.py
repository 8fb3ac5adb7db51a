from __future__ import annotations

from itertools import combinations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fourtower_encoders.synth import wording
from fourtower_encoders.synth.config import TitleStyle
from fourtower_encoders.synth.looks import Look
from fourtower_encoders.synth.palette import COLOURS
from fourtower_encoders.synth.patterns import PATTERNS
from fourtower_encoders.synth.silhouettes import CATEGORIES, SHAPES
from fourtower_encoders.synth.wording import CATEGORY_WORDS, PATTERN_WORDS, category_words, copy, queries

ALL_SHAPES = [(category, variant) for category in CATEGORIES for variant in range(len(SHAPES[category]))]


def a_look(shape: tuple[str, int], pattern: str, colour: str) -> Look:
    return Look(*shape, pattern, colour, scale=1.0, phase=(0.0, 0.0), angle_deg=0.0)


looks = st.builds(a_look, st.sampled_from(ALL_SHAPES), st.sampled_from(PATTERNS), st.sampled_from(list(COLOURS)))


def says(text: str, words: tuple[str, ...]) -> bool:
    return any(f" {word} " in f" {text.lower()} " for word in words)


def test_no_word_means_two_things() -> None:
    by_category = [{*CATEGORY_WORDS[c], *(shape.word for shape in SHAPES[c])} for c in CATEGORIES]
    adjectives = [set(words) for words in PATTERN_WORDS.values()] + [set(pair.words) for pair in COLOURS.values()]
    for group in (by_category, adjectives):
        assert all(not one & other for one, other in combinations(group, 2))
    assert not set.union(*by_category) & set.union(*adjectives)
    shape_words = [SHAPES[category][variant].word for category, variant in ALL_SHAPES]
    assert len(set(shape_words)) == len(shape_words)


def test_junk_words_say_nothing_about_the_look() -> None:
    telling = {word for words in (*CATEGORY_WORDS.values(), *PATTERN_WORDS.values()) for word in words}
    telling |= {word for pair in COLOURS.values() for word in pair.words}
    telling |= {shape.word for shapes in SHAPES.values() for shape in shapes}
    junk = " ".join((*wording.BRANDS, *wording._PRAISE))
    assert not [word for word in sorted(telling) if says(junk, (word,))]


@given(asked=looks, owned=looks)
@settings(max_examples=200, deadline=None)
def test_a_product_lists_exactly_the_queries_it_answers(asked: Look, owned: Look) -> None:
    """Any query that some look gives rise to is in another look's list just when its words fit that one."""
    fitting = category_words(owned.category, owned.variant)
    adjectives = (*PATTERN_WORDS[owned.pattern], *COLOURS[owned.colour].words)
    answered = set(queries(owned))
    for word in category_words(asked.category, asked.variant):
        assert (word in answered) == (word in fitting)
        for adjective in (*PATTERN_WORDS[asked.pattern], *COLOURS[asked.colour].words):
            assert (f"{adjective} {word}" in answered) == (word in fitting and adjective in adjectives)


@given(look=looks, seed=st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_without_drop_out_or_noise_a_title_tells_everything(look: Look, seed: int) -> None:
    honest = TitleStyle(colour_dropout=0, pattern_dropout=0)
    title, _ = copy(np.random.default_rng(seed), "Kestrel", look, honest)
    assert says(title, COLOURS[look.colour].words)
    assert says(title, PATTERN_WORDS[look.pattern])
    assert says(title, category_words(look.category, look.variant))
    assert "Kestrel" in title


@given(look=looks, seed=st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_full_drop_out_leaves_no_word_of_the_look_in_either_text(look: Look, seed: int) -> None:
    silent = TitleStyle(colour_dropout=1, pattern_dropout=1, category_dropout=1)
    text = " ".join(copy(np.random.default_rng(seed), "Kestrel", look, silent))
    assert not says(text, (*COLOURS[look.colour].words, *PATTERN_WORDS[look.pattern]))
    assert not says(text, category_words(look.category, look.variant))


@given(look=looks, seed=st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_full_label_noise_names_only_wrong_things(look: Look, seed: int) -> None:
    lying = TitleStyle(colour_dropout=0, pattern_dropout=0, label_noise=1)
    title, _ = copy(np.random.default_rng(seed), "Kestrel", look, lying)
    assert not says(title, COLOURS[look.colour].words)
    assert not says(title, category_words(look.category, look.variant))
    assert any(says(title, COLOURS[name].words) for name in COLOURS)
