"""Rules about the code as a whole; the direction of imports is checked by import-linter in `make check`."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {
    "fourtower_encoders": ROOT / "encoders",
    "fourtower_ingest": ROOT / "ingest",
    "fourtower_search": ROOT / "search",
    "fourtower_workers": ROOT / "workers",
}
MODULES = sorted(path for folder in PACKAGES.values() for path in folder.rglob("*.py"))
AROUND = sorted(path for folder in ("benchmarks", "tests") for path in (ROOT / folder).rglob("*.py"))
PUBLIC_NAMES = {
    "fourtower_encoders": ["Embedder", "EncoderError", "QueryParams", "TowerConfig"],
    "fourtower_ingest": [],
    "fourtower_search": [
        "AsyncSearchClient",
        "CatalogSchema",
        "Cut",
        "DecayBoost",
        "F",
        "FacetRequest",
        "Filter",
        "FlagBoost",
        "Image",
        "LinearBoost",
        "MatchBoost",
        "PickBy",
        "Product",
        "ProductHit",
        "SaturationBoost",
        "SearchClient",
        "SearchError",
        "SearchResult",
        "Sort",
        "Text",
        "Vector",
        "connect",
    ],
    "fourtower_workers": [],
}
HEAVY = (
    "torch",
    "torchvision",
    "timm",
    "transformers",
    "onnx",
    "onnxruntime",
    "matplotlib",
    "pymilvus",
    "celery",
    "fastapi",
    "uvicorn",
    "kafka",
    "kombu",
    "redis",
    "prometheus_client",
)
LIGHT_MODULES = [
    "fourtower_encoders",
    "fourtower_encoders.config",
    "fourtower_encoders.embedder",
    "fourtower_encoders.errors",
    "fourtower_encoders.images",
    "fourtower_encoders.joint",
    "fourtower_encoders.manifest",
    "fourtower_encoders.metrics",
    "fourtower_encoders.tokens",
    "fourtower_ingest",
    "fourtower_ingest.dlq_cli",
    "fourtower_ingest.flow.flow",
    "fourtower_ingest.ingest_cli",
    "fourtower_ingest.produce_cli",
    "fourtower_ingest.records",
    "fourtower_ingest.status_cli",
    "fourtower_ingest.topics_cli",
    "fourtower_search",
    "fourtower_search.async_client",
    "fourtower_search.client",
    "fourtower_search.index.milvus.connection",
    "fourtower_search.index.opening",
    "fourtower_search.ranking.pipeline",
    "fourtower_search.keys_cli",
    "fourtower_search.remote.remote",
    "fourtower_search.searching.searcher",
    "fourtower_workers",
    "fourtower_workers.bootstrapping",
    "fourtower_workers.cli",
    "fourtower_workers.index_cli",
    "fourtower_workers.indexing",
    "fourtower_workers.reconcile_cli",
    "fourtower_workers.reindex_cli",
    "fourtower_workers.serve_cli",
    "fourtower_workers.worker_cli",
]
GRAB_BAGS = {"utils", "util", "common", "helpers", "base", "manager", "misc"}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_module_says_what_it_is_for(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert docstring, "the first line of a module says what it is responsible for"
    assert docstring.splitlines()[0].endswith((".", ":")), "a whole sentence on the first line"


@pytest.mark.parametrize("path", MODULES + AROUND, ids=name_of)
def test_module_is_one_short_concept(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400
    assert path.stem not in GRAB_BAGS


@pytest.mark.parametrize("package", PACKAGES)
def test_package_is_typed_and_lies_here(package: str) -> None:
    """A package installed elsewhere under the same name would otherwise be tested in place of ours."""
    assert (PACKAGES[package] / package / "py.typed").exists()
    assert Path(str(importlib.import_module(package).__file__)).is_relative_to(PACKAGES[package])


@pytest.mark.parametrize("package", PACKAGES)
def test_public_names(package: str) -> None:
    module = importlib.import_module(package)
    assert module.__all__ == PUBLIC_NAMES[package]
    assert module.__all__ == sorted(module.__all__)
    for name in module.__all__:
        assert name == "F" or getattr(module, name).__name__ == name
        assert name in dir(module)
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = module.no_such_name


@pytest.mark.parametrize("module", LIGHT_MODULES)
def test_import_is_light(module: str) -> None:
    """Queries are served, and the command line answers, where torch is not even installed."""
    code = f"import sys, {module}; print(*sorted(set(sys.modules) & set({HEAVY!r})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
