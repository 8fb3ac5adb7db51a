"""Which files of Milvus Lite this process has open: the engine runs here, and lets go when the last user has."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path


class OpenFiles:
    """Counts the users of each file."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users: Counter[str] = Counter()

    def use(self, path: str) -> None:
        """One more connection; pymilvus starts the engine with the first."""
        with self._lock:
            self._users[path] += 1

    def release(self, path: str) -> None:
        """One less; the last one stops the engine, so that another process can open the file."""
        from milvus_lite.server_manager import server_manager_instance

        with self._lock:
            self._users[path] -= 1
            if self._users[path] == 0:
                server_manager_instance.release_server(path)


FILES = OpenFiles()


def locked(file: Path) -> bool:
    """Whether another process has a file open."""
    import fcntl

    try:
        with (file / "LOCK").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
