from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from fourtower_encoders.errors import InvalidConfig
from fourtower_encoders.synth_cli import synth

app = typer.Typer()
app.command()(synth)
SMALL = ["--products", "12", "--size", "32", "--workers", "1"]


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_json_counts_what_lies_in_the_folder(tmp_path: Path) -> None:
    facts = json.loads(run("--out", str(tmp_path / "data"), *SMALL, "--json"))
    assert sum(facts["products"].values()) == 12
    assert facts["catalog_images"] == len(list((tmp_path / "data/images").iterdir()))
    assert facts["street_images"] == len(list((tmp_path / "data/street").iterdir()))
    assert facts["images_per_s"] > 0


def test_the_table_names_the_folder_and_the_splits(tmp_path: Path) -> None:
    out = run("--out", str(tmp_path), *SMALL, "--seed", "3")
    assert str(tmp_path) in out
    assert re.search(r"products +\d+ train, \d+ val, \d+ test", out)


def test_a_folder_in_use_is_refused_unless_forced(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(InvalidConfig, match="--force"):
        run("--out", str(tmp_path), *SMALL)
    run("--out", str(tmp_path), *SMALL, "--force")
    assert (tmp_path / "mine.txt").read_text() == "precious"
    with pytest.raises(InvalidConfig, match="is a file"):
        run("--out", str(tmp_path / "mine.txt"), *SMALL)


def test_the_command_loads_nothing_heavy_before_it_runs() -> None:
    code = (
        "import sys, fourtower_encoders.synth_cli as m; "
        "print([n for n in ('numpy', 'PIL', 'torch', 'rich.progress', 'fourtower_encoders.synth') if n in sys.modules])"
    )
    path = ":".join(entry for entry in sys.path if entry)
    shown = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": path}, capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip() == "[]"
