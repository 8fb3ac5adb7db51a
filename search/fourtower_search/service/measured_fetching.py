"""Fetches pictures that have no more pixels than the service takes."""

from __future__ import annotations

from fourtower_encoders.errors import ImageRejected
from fourtower_encoders.fetching import Fetched, FetchPolicy, ImageFetcher
from fourtower_search.service.sizes import excess


class MeasuredFetcher(ImageFetcher):
    """Measures what it fetched before anybody decodes it."""

    def __init__(self, policy: FetchPolicy, *, max_pixels: int) -> None:
        super().__init__(policy)
        self._max_pixels = max_pixels

    def fetch_if_changed(self, url: str, etag: str | None) -> Fetched:
        """See `ImageFetcher`.

        Raises:
            ImageRejected: also because of its size.
        """
        fetched = super().fetch_if_changed(url, etag)
        if reason := excess(fetched.data or b"", self._max_pixels):
            raise ImageRejected(f"The picture at {url:.80} is too large. {reason}")
        return fetched
