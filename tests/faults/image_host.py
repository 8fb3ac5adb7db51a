"""A host of pictures on loopback that has whatever manners it is told to have, good ones to begin with."""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from tests.encoders.image_host import Answers, Host

Manner = Literal["well", "drips", "silent", "endless", "endless_chunks", "fails", "loop", "bomb", "garbage"]
WAITING: tuple[Manner, ...] = ("drips", "silent")
"""That keep whoever asks waiting."""
HOSTILE: tuple[Manner, ...] = ("endless", "endless_chunks", "fails", "loop", "bomb", "garbage")
"""That answer soon, and badly."""


class ImageHost(Host):
    """Serves a folder until it is closed; use it as a context manager.

    Args:
        folder: holds the pictures.
    """

    request_queue_size = 128

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.RequestHandlerClass = _Gallery
        self.folder = folder
        self.manner: Manner = "well"
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.over.set()
        self.shutdown()
        self._thread.join()
        self.server_close()

    def address(self, name: str) -> str:
        """Of one of its pictures."""
        return self.url(f"gallery/{name}")


class _Gallery(Answers):
    server: ImageHost

    def gallery(self, name: str) -> None:
        """Serve a file, or do what the manner of the moment is."""
        manner = self.server.manner
        (self.well if manner == "well" else getattr(self, manner))(name)

    def well(self, name: str) -> None:
        """Serve a file; what follows a question mark tells addresses apart and nothing else."""
        path = self.server.folder / Path(name.partition("?")[0]).name
        if path.is_file():
            self.answer(body=path.read_bytes())
        else:
            self.answer(404, b"")

    def drips(self, _: str) -> None:
        """One byte a second, of very many."""
        self.answer(body=b"", content_length="1000000")
        self.drip(b"x", 1.0)

    def fails(self, _: str) -> None:
        """An error of the host's own."""
        self.answer(500, b"")
