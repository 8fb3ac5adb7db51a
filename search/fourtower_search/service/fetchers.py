"""The fetcher of pictures from elsewhere that a service has: one, for queries and for thumbnails alike.

So connections are kept, and a host that wastes time is known to all who would ask it.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from fourtower_search.service.settings import ServiceSettings

if TYPE_CHECKING:
    from fourtower_encoders.fetching import ImageFetcher


class Fetchers:
    """Makes the fetcher when it is first needed; threads may share it."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._fetcher: ImageFetcher | None = None

    def get(self) -> ImageFetcher | None:
        """The fetcher; None where no hosts are allowed."""
        if not self._settings.image_hosts:
            return None
        with self._lock:
            if self._fetcher is None:
                self._fetcher = _made(self._settings)
            return self._fetcher

    def close(self) -> None:
        """Close its connections; another one is made if it is needed again."""
        with self._lock:
            fetcher, self._fetcher = self._fetcher, None
        if fetcher is not None:
            fetcher.close()


def _made(settings: ServiceSettings) -> ImageFetcher:
    from fourtower_encoders.fetch_policy import FetchPolicy
    from fourtower_search.service.measured_fetching import MeasuredFetcher

    policy = FetchPolicy(
        allow_hosts=settings.image_hosts,
        allow_private=settings.image_private,
        ports=settings.image_ports,
        deadline_s=settings.timeout_s,
    )
    return MeasuredFetcher(policy, max_pixels=settings.max_pixels)
