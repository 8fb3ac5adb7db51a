"""Embeds the words and pictures of queries."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fourtower_encoders.embedder import Embedder
from fourtower_encoders.errors import EncoderError, ImageError, ImageUnavailable
from fourtower_encoders.images import DEFAULT_LIMITS, ImageLimits, ImageSource, read_source
from fourtower_encoders.joint import QueryParams
from fourtower_search.encoding.batching import Batching
from fourtower_search.encoding.cache import CacheStats, EmbeddingCache
from fourtower_search.errors import InvalidQuery

if TYPE_CHECKING:
    from fourtower_encoders.fetching import ImageFetcher

Array = NDArray[np.float32]


class QueryEncoder:
    """The query side of a model; safe to use from several threads, whose work is joined into batches."""

    def __init__(
        self,
        embedder: Embedder,
        *,
        limits: ImageLimits = DEFAULT_LIMITS,
        fetcher: ImageFetcher | None = None,
        cache_bytes: int = 64_000_000,
        owned: bool = True,
    ) -> None:
        """Wrap an embedder.

        Args:
            embedder: the model.
            limits: what a picture may cost.
            fetcher: gets pictures from URLs; without one they are refused.
            cache_bytes: how much of recent queries is remembered; 0 is nothing.
            owned: closing this closes the embedder.
        """
        self._embedder, self._limits, self._fetcher, self._owned = embedder, limits, fetcher, owned
        self._cache = EmbeddingCache(cache_bytes)
        self._texts: Batching[str, Array] = Batching(self._run_texts)
        self._images: Batching[bytes | Image.Image, Array] = Batching(self._run_images, largest=32)

    @property
    def model_id(self) -> str:
        """Short hash of all that determines the embeddings."""
        return self._embedder.model_id

    @property
    def dim(self) -> int:
        """Length of an embedding."""
        return self._embedder.dim

    @property
    def params(self) -> QueryParams:
        """The numbers fitted with the model."""
        return self._embedder.params

    def texts(self, texts: Sequence[str]) -> list[Array]:
        """The embedding [D] of each text."""
        keys = [_key(b"text", text.encode(errors="surrogatepass")) for text in texts]
        found = [self._cache.get(key) for key in keys]
        missing = [n for n, embedding in enumerate(found) if embedding is None]
        for n, result in zip(missing, self._texts([texts[n] for n in missing]), strict=True):
            found[n] = self._remember(keys[n], result)
        return [embedding for embedding in found if embedding is not None]

    def images(self, sources: Sequence[ImageSource]) -> list[Array]:
        """The embedding [D] of each picture.

        Raises:
            InvalidQuery: a picture can't be used.
            ImageUnavailable: a picture could not be had this time.
        """
        pictures = [self._read(source, n) for n, source in enumerate(sources)]
        keys = [_key(b"image", picture) if isinstance(picture, bytes) else None for picture in pictures]
        found = [None if key is None else self._cache.get(key) for key in keys]
        missing = [n for n, embedding in enumerate(found) if embedding is None]
        for n, result in zip(missing, self._images([pictures[n] for n in missing]), strict=True):
            if isinstance(result, ImageError):
                raise _explained(result, n) from result
            found[n] = self._remember(keys[n], result)
        return [embedding for embedding in found if embedding is not None]

    def cache_stats(self) -> CacheStats:
        """How the memory of recent queries has done."""
        return self._cache.stats()

    def close(self) -> None:
        """Free the model's memory; calls that still run finish."""
        if self._owned:
            self._embedder.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self, source: object, position: int) -> bytes | Image.Image:
        """A picture's bytes, so that it is recognised when it comes again; Pillow images stay as they are."""
        if isinstance(source, Image.Image):
            return source
        if not isinstance(source, bytes | str | Path):
            kind = type(source).__name__
            raise InvalidQuery(f"A picture is a path, a URL, bytes or a Pillow image, not {kind}.")
        try:
            return read_source(source, limits=self._limits, fetcher=self._fetcher)
        except ImageError as error:
            raise _explained(error, position) from error

    def _remember(self, key: bytes | None, result: Array | Exception) -> Array:
        if isinstance(result, Exception):
            raise result
        if key is not None:
            self._cache.put(key, result)
        return result

    def _run_texts(self, texts: Sequence[str]) -> Sequence[Array | Exception]:
        return list(self._embedder.embed_texts(texts, role="query_text"))

    def _run_images(self, pictures: Sequence[bytes | Image.Image]) -> Sequence[Array | Exception]:
        failures: dict[int, ImageError] = {}
        rows = self._embedder.embed_images(pictures, role="query_image", on_error=failures.__setitem__)
        return [failures.get(n, row) for n, row in enumerate(rows)]


def _key(kind: bytes, content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=24, key=kind).digest()


def _explained(error: ImageError, position: int) -> EncoderError | InvalidQuery:
    """A picture that never will do is a fault of the query."""
    if isinstance(error, ImageUnavailable):
        return ImageUnavailable(f"Picture {position + 1} of the query: {error}")
    return InvalidQuery(f"Picture {position + 1} of the query: {error}")
