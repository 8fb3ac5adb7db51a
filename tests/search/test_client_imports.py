"""Importing costs little: the names of the package come alone, without torch, Milvus or the runtime of the towers."""

import json
import statistics
import subprocess
import sys

import pytest

import fourtower_search

HEAVY = ("torch", "transformers", "pymilvus", "grpc", "milvus_lite", "onnxruntime", "pandas", "rich", "httpcore")


def in_a_fresh_interpreter(code):
    """What a line of Python prints in a process of its own, as JSON."""
    script = f"import json, sys, time\n{code}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout)


def loaded_after(statement):
    return in_a_fresh_interpreter(f"{statement}\nprint(json.dumps([each for each in {HEAVY} if each in sys.modules]))")


def test_the_package_alone_loads_nothing():
    assert in_a_fresh_interpreter("import fourtower_search\nprint(json.dumps('numpy' in sys.modules))") is False


def test_all_public_names_together_load_nothing_heavy():
    names = ", ".join(fourtower_search.__all__)
    assert loaded_after(f"from fourtower_search import {names}") == []


@pytest.mark.parametrize("name", ["SearchClient", "F"])
def test_a_public_name_comes_alone(name):
    assert loaded_after(f"from fourtower_search import {name}") == []


def test_every_public_name_is_there_and_no_other():
    for name in fourtower_search.__all__:
        assert name == "F" or getattr(fourtower_search, name).__name__ == name
    assert set(fourtower_search.__all__) <= set(dir(fourtower_search))
    with pytest.raises(AttributeError, match="has no attribute 'Nonsense'"):
        _ = fourtower_search.Nonsense
    with pytest.raises(ImportError):
        exec("from fourtower_search import Nonsense")


def test_importing_the_client_is_quick():
    """About 0.2 s of CPU on an idle machine, most of it NumPy, Pillow and pydantic; the bound allows for a busy one."""
    statement = "from fourtower_search import SearchClient"
    times = [
        in_a_fresh_interpreter(f"start = time.process_time()\n{statement}\nprint(time.process_time() - start)")
        for _ in range(5)
    ]
    assert statistics.median(times) < 1.0


def test_a_search_loads_neither_torch_nor_milvus():
    """In memory, with the towers in ONNX Runtime."""
    found = loaded_after(
        "from fourtower_encoders.embedder import Embedder\n"
        "from fourtower_search import CatalogSchema, SearchClient\n"
        "from fourtower_search.index.memory import MemoryRows\n"
        "from fourtower_search.index.product_index import ProductIndex\n"
        "with Embedder.load('demo') as towers:\n"
        "    rows = MemoryRows(CatalogSchema(), 2 * towers.dim)\n"
        "    index = ProductIndex(rows, params=towers.params, model_id=towers.model_id)\n"
        "    with SearchClient(index, model=towers) as client:\n"
        "        assert client.search('red mug -dots').hits == ()"
    )
    assert found == ["onnxruntime"]
