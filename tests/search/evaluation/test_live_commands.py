"""The commands that ask a live index: measure it, and learn from it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from fourtower_encoders.embedder import Embedder
from fourtower_encoders.errors import InvalidConfig
from fourtower_search.evaluate_cli import evaluate
from fourtower_search.index.generations import GenerationPlan
from fourtower_search.index.opening import create_index
from fourtower_search.index.rows import ProductWrite
from fourtower_search.rerank_cli import app as rerank_app
from fourtower_search.reranking.listwise import ListwiseReranker
from fourtower_search.schema import CatalogSchema

evaluate_app = typer.Typer()
evaluate_app.command()(evaluate)


def run(app: typer.Typer, *arguments: object) -> str:
    result = CliRunner().invoke(app, [str(each) for each in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="module")
def database(
    drawn_catalog: Path,
    catalog_writes: Sequence[ProductWrite],
    demo_embedder: Embedder,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The catalog in a Milvus Lite file."""
    path = tmp_path_factory.mktemp("live") / "products.db"
    params = demo_embedder.params
    plan = GenerationPlan(
        model="demo",
        model_id=demo_embedder.model_id,
        dim=2 * demo_embedder.dim,
        catalog=CatalogSchema.load(drawn_catalog / "catalog.toml"),
        kappa_image=params.kappa_image,
        kappa_text=params.kappa_text,
    )
    with create_index(str(path), plan, params=params) as index:
        assert {outcome.status for outcome in index.apply(catalog_writes)} == {"applied"}
    return path


def some(drawn_catalog: Path, every: int) -> Path:
    """A part of the queries, beside their pictures."""
    lines = (drawn_catalog / "judgments.test.jsonl").read_text().splitlines()
    path = drawn_catalog / f"every-{every}.jsonl"
    path.write_text("\n".join(lines[::every]) + "\n")
    return path


def test_a_live_index_is_measured_and_compared(database: Path, drawn_catalog: Path) -> None:
    judgments = some(drawn_catalog, 12)
    shown = run(evaluate_app, "--index", database, "--against", database, "--judgments", judgments, "--json")
    found = json.loads(shown)
    first, second = (each["figures"]["all"] for each in found["indexes"])
    assert first["queries"] == len(judgments.read_text().splitlines())
    assert first["nDCG@10"] == second["nDCG@10"] > 0.5
    quality = [each for each in found["differences"] if not each["figure"].endswith("_ms")]
    assert {each["figure"] for each in quality} == {"nDCG@10", "recall@10", "MRR@10", "Hit@1", "Hit@10", "XC@1"}
    assert not any(each["sure"] for each in quality)


def test_a_reranker_is_learned_and_belongs_to_its_model(
    database: Path, demo_embedder: Embedder, drawn_catalog: Path, tmp_path: Path
) -> None:
    out = tmp_path / "reranker.json"
    shown = run(rerank_app, "fit", some(drawn_catalog, 3), "--index", database, "--out", out)
    schema = CatalogSchema.load(drawn_catalog / "catalog.toml")
    model = ListwiseReranker.load(out, model_id=demo_embedder.model_id, schema=schema).model
    assert model.quality is not None
    assert f"plain       {model.quality.plain:.4f}" in shown
    assert f"re-ranked   {model.quality.reranked:.4f}" in shown
    assert ("don't use it" in shown) == (model.quality.low <= 0)
    beside = ("--index", database, "--rerank", out, "--against", database, "--judgments", some(drawn_catalog, 12))
    measured = [each["name"] for each in json.loads(run(evaluate_app, *beside, "--json"))["indexes"]]
    assert measured == [f"{database}, {out}", str(database)]


def test_without_an_index_a_checkpoint_is_measured_as_before(drawn_catalog: Path) -> None:
    figures = json.loads(run(evaluate_app, "demo", "--data", drawn_catalog, "--runtime", "onnx", "--json"))["figures"]
    assert 0 < figures["R@1"] <= figures["R@10"] <= 1


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "Name a checkpoint and --data"),
        (["demo"], "Name a checkpoint and --data"),
        (["demo", "--data", "x", "--judgments", "j.jsonl"], "name it with --index"),
        (["demo", "--data", "x", "--against", "b.db"], "name it with --index"),
        (["--index", "a.db"], "name their file with --judgments"),
        (["demo", "--index", "a.db", "--judgments", "j.jsonl"], "leave them out"),
        (["--index", "a.db", "--judgments", "j.jsonl", "--bootstrap"], "leave them out"),
    ],
)
def test_contradicting_options_are_explained(arguments: list[str], problem: str) -> None:
    with pytest.raises(InvalidConfig, match=problem):
        run(evaluate_app, *arguments)
