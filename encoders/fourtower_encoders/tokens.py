"""Turns texts into token ids, without torch: hashed words and trigrams, or a `tokenizer.json` file."""

from __future__ import annotations

import unicodedata
import zlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fourtower_encoders.config import HashedText, TransformersText
from fourtower_encoders.errors import CheckpointError

Ids = NDArray[np.int64]

_CHARACTERS_PER_TOKEN = 64
"""Text beyond this many characters per token could not count; cutting it first bounds the work."""
_LONGEST_WORD = 48
_LARGEST_TABLE = 1 << 16


class Tokenizer(Protocol):
    """What a text network reads: token ids of a batch of texts, padded to one length."""

    def __call__(self, texts: Sequence[str]) -> Ids:
        """Return ids [B, T]; T is at least 1, also for empty texts."""
        ...


class HashedTokenizer:
    """Words and their character trigrams as bucket numbers 1..buckets-1; 0 is padding.

    The numbers depend on the text alone: they are the same in every process and on every machine.
    Trigrams let unseen and misspelt words share something with known ones.
    """

    def __init__(self, buckets: int, max_tokens: int) -> None:
        self._buckets = buckets
        self._max_tokens = max_tokens

    def __call__(self, texts: Sequence[str]) -> Ids:
        """Return bucket numbers [B, T], padded to the longest text of the batch."""
        rows = [self._ids(text) for text in texts]
        ids = np.zeros((len(rows), max(map(len, rows), default=1) or 1), dtype=np.int64)
        for row, values in zip(ids, rows, strict=True):
            row[: len(values)] = values
        return ids

    def _ids(self, text: str) -> list[int]:
        hashed = [_hash_word(word, self._buckets) for word in _words(text[: self._limit])]
        words = [numbers[0] for numbers in hashed]
        trigrams = [number for numbers in hashed for number in numbers[1:]]
        # Words come first: where a text is too long, spelling is given up before vocabulary.
        return (words + trigrams)[: self._max_tokens]

    @property
    def _limit(self) -> int:
        return self._max_tokens * _CHARACTERS_PER_TOKEN


class FileTokenizer:
    """The tokenizer of a `tokenizer.json` file, run by the `tokenizers` library."""

    def __init__(self, path: Path, max_tokens: int, *, pad_id: int, fixed_length: bool = False) -> None:
        """Load a tokenizer.

        Args:
            path: the `tokenizer.json` file.
            max_tokens: longer texts are cut; the start and end tokens of the model are kept.
            pad_id: the id that fills up shorter texts.
            fixed_length: pad to `max_tokens` always, as networks trained without a mask need it.
        """
        from tokenizers import Tokenizer as Loaded

        try:
            self._tokenizer = Loaded.from_file(str(path))
        except Exception as error:  # the library raises plain Exception
            raise CheckpointError(f"{path} is not a tokenizer.json file: {error}.") from error
        self._tokenizer.enable_truncation(max_tokens)
        self._tokenizer.no_padding()
        self._max_tokens = max_tokens
        self._pad_id = pad_id
        self._fixed_length = fixed_length

    def __call__(self, texts: Sequence[str]) -> Ids:
        """Return token ids [B, T], padded on the right."""
        limit = self._max_tokens * _CHARACTERS_PER_TOKEN
        rows = [coded.ids for coded in self._tokenizer.encode_batch_fast([_valid(t[:limit]) for t in texts])]
        length = self._max_tokens if self._fixed_length else max(map(len, rows), default=1) or 1
        ids = np.full((len(rows), length), self._pad_id, dtype=np.int64)
        for row, values in zip(ids, rows, strict=True):
            row[: len(values)] = values
        return ids


def build_tokenizer(config: HashedText | TransformersText, file: Path | None = None) -> Tokenizer:
    """Make the tokenizer that belongs to a text network.

    Args:
        config: the text network; resolved, if it is one of transformers.
        file: its `tokenizer.json`; the hashed network needs none.
    """
    if isinstance(config, HashedText):
        return HashedTokenizer(config.buckets, config.max_tokens)
    if file is None:
        raise CheckpointError(f"The text network '{config.kind}' needs a tokenizer.json, but there is none.")
    pad_id = int(config.architecture["pad_token_id"])
    # SigLIP reads its last token, padding or not: the length must be the one of its training.
    return FileTokenizer(file, config.max_tokens, pad_id=pad_id, fixed_length=config.kind == "siglip-text")


class _Separators(dict[int, str | int]):
    """A `str.translate` table: letters, marks and digits stay, everything else becomes a space.

    Combining marks are kept, so that words of Hindi or Thai don't fall apart.
    """

    def __missing__(self, code: int) -> str | int:
        kept = unicodedata.category(chr(code))[0] in "LMN"
        value: str | int = code if kept else " "
        if len(self) < _LARGEST_TABLE:
            self[code] = value
        return value


_SEPARATORS = _Separators()


def _words(text: str) -> list[str]:
    return unicodedata.normalize("NFKC", text).casefold().translate(_SEPARATORS).split()


@lru_cache(maxsize=1 << 16)
def _hash_word(word: str, buckets: int) -> tuple[int, ...]:
    """The bucket of the word itself, then those of its trigrams."""
    marked = f"<{word[:_LONGEST_WORD]}>"
    trigrams = [marked[start : start + 3] for start in range(len(marked) - 2)]
    # "=" keeps a word of three letters apart from the same trigram inside a longer word.
    return tuple(_bucket(piece, buckets) for piece in (f"={marked}", *trigrams))


def _bucket(piece: str, buckets: int) -> int:
    return zlib.crc32(piece.encode("utf-8", "surrogatepass")) % (buckets - 1) + 1


def _valid(text: str) -> str:
    """Replace lone surrogates, which have no UTF-8 form."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
