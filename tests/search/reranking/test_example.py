"""The example package is installed as anyone would install it, and used in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[3] / "examples" / "reranker"
USE = """
import numpy as np
from fourtower_encoders import Embedder
from fourtower_search.client import SearchClient
from fourtower_search.index.memory import MemoryRows
from fourtower_search.index.product_index import ProductIndex
from fourtower_search.index.rows import Order, ProductWrite, Row
from fourtower_search.plugins import known_plugins
from fourtower_search.reranking.setup import InstalledRerankers
from fourtower_search.schema import CatalogSchema

assert "short-titles" in known_plugins("fourtower.rerankers")
titles = {"a": "red mug " + "very " * 20 + "nice", "b": "red mug"}
with Embedder.load("demo", runtime="onnx") as embedder:
    vector = np.tile(embedder.embed_texts(["red mug"], role="product_text")[0], 2)
    order = Order(1, False, "d")
    writes = [
        ProductWrite(name, order, (Row(name, order, view=0, row_count=1, vector=vector, title=title),))
        for name, title in titles.items()
    ]
    rows = MemoryRows(CatalogSchema(), vector.size)
    with ProductIndex(rows, params=embedder.params, model_id=embedder.model_id) as index:
        index.apply(writes)
        installed = InstalledRerankers(index.model_id, index.schema)
        with SearchClient(index, model=embedder, rerankers=installed) as client:
            for rerank in (None, "short-titles"):
                print(*(hit.product_id for hit in client.search("red mug", rerank=rerank, mode="vector")))
"""


def test_the_example_installs_and_reranks(tmp_path: Path) -> None:
    target = tmp_path / "installed"
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "--quiet"]
    install = [sys.executable, "-m", "pip", "install", *options, "--target", str(target), str(EXAMPLE)]
    subprocess.run(install, check=True, capture_output=True, cwd=tmp_path)
    path = os.pathsep.join([str(target), *(entry for entry in sys.path if entry)])
    done = subprocess.run(
        [sys.executable, "-c", USE],
        env={**os.environ, "PYTHONPATH": path},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:2] == ["a b", "b a"]
