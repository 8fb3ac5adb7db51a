"""The command, on untrained towers saved as a checkpoint."""

import json
import shutil

import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from fourtower_encoders.config import HashedText, SmallResNet, TowerConfig
from fourtower_encoders.errors import CheckpointError, ImageRejected, ManifestError
from fourtower_encoders.evaluate_cli import evaluate

COLOURS = ("red", "green", "blue")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A checkpoint of tiny towers and a data folder of three plain products."""
    import torch

    from fourtower_encoders.joint import QueryParams
    from fourtower_encoders.model import FourTower
    from fourtower_encoders.saving import save_checkpoint

    torch.manual_seed(0)
    checkpoint, data = tmp_path_factory.mktemp("towers") / "checkpoint", tmp_path_factory.mktemp("data")
    config = TowerConfig(image=SmallResNet(width=4), text=HashedText(buckets=64, width=8), dim=8)
    save_checkpoint(checkpoint, FourTower(config), QueryParams(), onnx=False)
    for colour in COLOURS:
        Image.new("RGB", (32, 32), colour).save(data / f"{colour}.png")
    products = [{"product_id": c, "title": f"{c} mug", "category": "mug", "images": [f"{c}.png"]} for c in COLOURS]
    pairs = [{"query_image": f"{c}.png", "product_id": c} for c in COLOURS]
    (data / "products.test.jsonl").write_text("\n".join(map(json.dumps, products)))
    (data / "queries.test.jsonl").write_text("\n".join(map(json.dumps, pairs)))
    return checkpoint, data


def run(*arguments):
    app = typer.Typer()
    app.command()(evaluate)
    return CliRunner().invoke(app, list(map(str, arguments)))


def test_json_has_figures_and_intervals(folders):
    checkpoint, data = folders
    result = run(checkpoint, "--data", data, "--json", "--bootstrap")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["sizes"] == {"products": 3, "rows": 3, "photos": 3, "tasks": 0}
    assert report["figures"]["R@5"] == 1.0
    assert report["figures"]["XC@1"] == 0.0
    assert report["intervals"]["R@5"] == [1.0, 1.0]


def test_tables_and_picture(folders, tmp_path):
    checkpoint, data = folders
    out = tmp_path / "found.png"
    result = run(checkpoint, "--data", data, "--picture", out)
    assert result.exit_code == 0, result.output
    assert "R@1" in result.stdout
    assert "drawings" not in result.output  # said of the shipped demo model alone
    assert str(out) in result.stderr.replace("\n", "")
    with Image.open(out) as image:
        assert image.width > 500


def test_bad_lines_fail_or_are_skipped_aloud(folders, tmp_path):
    checkpoint, data = folders
    for file in data.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    with (tmp_path / "queries.test.jsonl").open("a") as file:
        file.write('\n{"query_image": "red.png", "product_id": "nobody"}\n')
    assert isinstance(run(checkpoint, "--data", tmp_path).exception, ManifestError)
    result = run(checkpoint, "--data", tmp_path, "--on-bad", "skip", "--json")
    assert json.loads(result.stdout)["sizes"]["photos"] == 3
    assert "nobody" in result.stderr


def test_bad_pictures_fail_or_are_skipped_aloud(folders, tmp_path):
    checkpoint, data = folders
    shutil.copytree(data, tmp_path, dirs_exist_ok=True)
    (tmp_path / "blue.png").write_bytes(b"no picture")
    assert isinstance(run(checkpoint, "--data", tmp_path).exception, ImageRejected)
    result = run(checkpoint, "--data", tmp_path, "--on-bad", "skip", "--json")
    assert result.exit_code == 0, result.output
    assert "blue.png" in result.stderr
    assert json.loads(result.stdout)["sizes"] == {"products": 3, "rows": 3, "photos": 2, "tasks": 0}


def test_errors_are_the_packages_own(folders, tmp_path):
    checkpoint, data = folders
    assert isinstance(run(tmp_path, "--data", data).exception, CheckpointError)
    assert isinstance(run(checkpoint, "--data", data, "--split", "val").exception, ManifestError)
    assert run(checkpoint).exit_code == 2
