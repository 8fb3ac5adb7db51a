"""An index with generations, see `halls`."""

from __future__ import annotations

import pytest
from tests.workers.reindexing.halls import Hall
from tests.workers.shop import png


@pytest.fixture
def hall(counting_embedder, tmp_path):
    for name, seed in (("a.png", 1), ("b.png", 2)):
        (tmp_path / name).write_bytes(png(seed))
    (tmp_path / "broken.png").write_bytes(b"no picture")
    return Hall(counting_embedder, tmp_path)
