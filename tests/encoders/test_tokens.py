import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourtower_encoders.backends.source import read_tokenizer
from fourtower_encoders.config import HashedText, TransformersText
from fourtower_encoders.errors import CheckpointError
from fourtower_encoders.tokens import FileTokenizer, HashedTokenizer, build_tokenizer


@given(st.lists(st.text(max_size=60), max_size=5))
def test_any_text_gives_bounded_ids(texts):
    ids = HashedTokenizer(128, 12)(texts)
    assert ids.dtype == np.int64
    assert len(ids) == len(texts)
    assert 1 <= ids.shape[1] <= 12
    assert ((ids >= 0) & (ids < 128)).all()
    padding = ids == 0
    assert (padding[:, 1:] >= padding[:, :-1]).all(), "padding comes last"


def test_a_batch_does_not_change_its_texts():
    tokenizer = HashedTokenizer(4096, 96)
    together = tokenizer(["red shoe", "a green leather bag", ""])
    for row, text in zip(together, ["red shoe", "a green leather bag"], strict=False):
        alone = tokenizer([text])[0]
        assert (row[: len(alone)] == alone).all()
        assert (row[len(alone) :] == 0).all()
    assert (together[2] == 0).all()


@pytest.mark.parametrize(
    ("a", "b"),
    [("Red  SHOE!", "red shoe"), ("ｃａｆé", "cafe\u0301"), ("Straße", "STRASSE"), ("red-shoe", "red shoe")],
)
def test_spelling_variants_are_one(a, b):
    tokenizer = HashedTokenizer(4096, 96)
    assert tokenizer([a]).tolist() == tokenizer([b]).tolist()


def test_a_misspelt_word_shares_trigrams_but_not_the_word():
    tokenizer = HashedTokenizer(1 << 20, 96)
    right, wrong = (list(tokenizer([text])[0]) for text in ("leather", "lether"))
    assert right[0] != wrong[0]
    assert len(set(right) & set(wrong)) >= 3


def test_combining_marks_stay_inside_their_word():
    ids = HashedTokenizer(1 << 20, 96)(["हिन्दी"])[0]
    assert len(ids) == 1 + len("हिन्दी"), "one word and its trigrams"


def test_a_long_text_keeps_its_words_before_its_trigrams():
    words = [f"word{n}" for n in range(10)]
    tokenizer = HashedTokenizer(1 << 20, 10)
    singly = {int(tokenizer([word])[0][0]) for word in words}
    assert set(tokenizer([" ".join(words)])[0].tolist()) == singly


def test_the_same_ids_in_every_process():
    code = "from fourtower_encoders.tokens import *; print(HashedTokenizer(4096, 96)(['Red shoe, größe 42']).tolist())"
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert outputs == {str(HashedTokenizer(4096, 96)(["Red shoe, größe 42"]).tolist())}


def test_the_ids_never_change():
    assert HashedTokenizer(4096, 96)(["mug"]).tolist() == [[3039, 1703, 1400, 3602]]


@pytest.fixture
def bert_file(bert_source, tmp_path):
    tokenizer = read_tokenizer(str(bert_source))
    path = tmp_path / "tokenizer.json"
    path.write_text(tokenizer.text)
    return path, tokenizer.pad_id


def test_file_tokenizer_pads_and_cuts_but_keeps_the_end_token(bert_file):
    path, pad_id = bert_file
    ids = FileTokenizer(path, 6, pad_id=pad_id)(["red", "red shoe green mug leather bag small lamp", ""])
    assert ids.shape == (3, 6)
    assert ids[0].tolist()[3:] == [pad_id] * 3
    assert ids[:2, 0].tolist() == [2, 2]
    assert ids[1, -1] == 3
    assert ids[2].tolist() == [2, 3, 0, 0, 0, 0]


def test_file_tokenizer_of_fixed_length(bert_file):
    path, _ = bert_file
    ids = FileTokenizer(path, 9, pad_id=5, fixed_length=True)(["red"])
    assert ids.tolist() == [[2, ids[0, 1], 3, 5, 5, 5, 5, 5, 5]]


def test_file_tokenizer_survives_lone_surrogates_and_empty_batches(bert_file):
    path, pad_id = bert_file
    tokenizer = FileTokenizer(path, 9, pad_id=pad_id)
    assert tokenizer(["red \ud800 shoe", "\x00"]).shape[0] == 2
    assert tokenizer([]).shape == (0, 1)


def test_a_broken_tokenizer_file_is_named(tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_text("{}")
    with pytest.raises(CheckpointError, match=r"tokenizer\.json"):
        FileTokenizer(path, 8, pad_id=0)


def test_build_tokenizer_follows_the_text_network(bert_file):
    path, pad_id = bert_file
    known = {"architecture": {"pad_token_id": pad_id}, "max_tokens": 8}
    assert isinstance(build_tokenizer(HashedText()), HashedTokenizer)
    assert build_tokenizer(TransformersText(**known), path)(["red"]).shape == (1, 3)
    assert build_tokenizer(TransformersText(kind="siglip-text", **known), path)(["red"]).shape == (1, 8)
    with pytest.raises(CheckpointError, match=r"needs a tokenizer\.json"):
        build_tokenizer(TransformersText(**known))
