"""The command, called as the console does; exit codes and sentences are those that a person sees."""

import json
import shutil
import sys

import pytest
from PIL import Image

from fourtower_encoders.checkpoint import read_checkpoint
from fourtower_encoders.metrics_log import read_metrics
from fourtower_workers.cli import main

TINY = ["--steps", "4", "--batch-size", "8", "--width", "4", "--image-size", "16", "--dim", "8", "--device", "cpu"]


@pytest.fixture
def call(monkeypatch, capsys):
    """Runs `fourtower train ...`; gives its exit code, stdout and stderr."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["fourtower", "train", *TINY, *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, *capsys.readouterr()

    return run


@pytest.fixture
def folder(catalog, tmp_path):
    """A catalog of one's own."""
    shutil.copytree(catalog, tmp_path / "data")
    return tmp_path / "data"


def test_a_whole_run_and_its_continuation(catalog, call, tmp_path):
    out = tmp_path / "runs" / "first"
    code, printed, said = call("--data", catalog, "--out", out, "--json", "--photos", 2)
    assert code == 0, said
    figures = json.loads(printed)
    assert figures["sizes"]["photos"] > 0
    assert 0 <= figures["figures"]["R@1"] <= 1
    assert f"Checkpoint {out / 'checkpoint'}, curves {out / 'curves.png'}" in said
    assert {path.name for path in out.iterdir()} == {"checkpoint", "curves.png", "metrics.jsonl", "state.safetensors"}
    checkpoint = read_checkpoint(out / "checkpoint")
    assert checkpoint.params.fitted
    assert checkpoint.has("image.onnx")
    assert checkpoint.identity.provenance["training"]["sampling"]["photos_per_product"] == 2
    assert figures["model_id"] == checkpoint.model_id
    with Image.open(out / "curves.png") as curves:
        assert curves.format == "PNG"
    assert [line["step"] for line in read_metrics(out)] == [4]

    code, _, said = call("--data", catalog, "--out", out, "--resume")
    assert code == 1
    assert "other settings (sampling.photos_per_product)" in said
    code, printed, said = call("--data", catalog, "--out", out, "--photos", 2, "--resume", "--half")
    assert code == 0, said
    assert "R@1" in printed
    assert [line["step"] for line in read_metrics(out)] == [4], "all steps were done before"
    assert read_checkpoint(out / "checkpoint").identity.provenance["data"] == "catalog"

    code, _, said = call("--data", catalog, "--out", tmp_path / "more", "--start-from", out / "checkpoint", "--resume")
    assert code == 1
    assert "Train without --resume first" in said, "a state is sought in --out, towers elsewhere"
    code, _, said = call("--data", catalog, "--out", tmp_path / "more", "--start-from", catalog)
    assert code == 1
    assert "is not a Fourtower checkpoint" in said


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["--image", "big"], 2, "fourtower: --image 'big' is not known. Use small, timm:NAME"),
        (["--text", "words"], 2, "fourtower: --text 'words' is not known. Use hashed"),
        (["--photos", "5"], 2, "fourtower: A batch of 8 has no room for two products with 5 photos each."),
        (["--resume"], 1, "holds no saved state to resume. Train without --resume first."),
        (["--start-from", "gone"], 1, "fourtower: There is no checkpoint folder gone"),
        (["--dim", "4"], 2, "Invalid value for '--dim'"),
        (["--width", "3"], 2, "Invalid value for '--width'"),
        (["--image-size", "8"], 2, "Invalid value for '--image-size'"),
        (["--learning-rate", "0"], 2, "Invalid value for '--learning-rate'"),
        (["--seed", "-1"], 2, "Invalid value for '--seed'"),
        (["--variant", "5-tower"], 2, "Invalid value for '--variant'"),
        (["--device", "abacus"], 2, "fourtower: 'abacus' is not a device; use auto, cpu, cuda or cuda:0."),
        (["--device", "cuda:99"], 2, "fourtower: There is no device 'cuda:99'"),
    ],
)
def test_wrong_calls(catalog, call, tmp_path, arguments, code, sentence):
    found, printed, said = call("--data", catalog, "--out", tmp_path / "out", *arguments)
    assert (found, printed) == (code, "")
    assert sentence in " ".join(said.replace("│", " ").split())
    assert "Traceback" not in said


def test_no_data(call, tmp_path):
    code, _, said = call("--data", tmp_path, "--out", tmp_path / "out")
    assert code == 1
    assert "products.jsonl does not exist. Name a split that the folder has" in said


def test_a_bad_line_ends_it(call, folder, tmp_path):
    with (folder / "products.val.jsonl").open("a") as file:
        file.write('{"title": "no id"}\n')
    code, _, said = call("--data", folder, "--out", tmp_path / "out")
    assert code == 1
    assert said.startswith("fourtower: products.val.jsonl line ")
    assert "product_id: Field required. Mend the line, or pass --on-bad skip." in said


def test_an_unreadable_picture_ends_it(call, folder, tmp_path):
    photo = json.loads((folder / "queries.train.jsonl").read_text().splitlines()[2])["query_image"]
    (folder / photo).write_bytes(b"<html>not found</html>")
    code, _, said = call("--data", folder, "--out", tmp_path / "out")
    assert code == 1
    assert said.startswith(f"fourtower: queries.train.jsonl line 3: {photo}: ")
    assert said.endswith("Mend it, or pass --on-bad skip.\n")


def test_a_diverging_run_ends_with_a_sentence(call, catalog, tmp_path):
    code, _, said = call("--data", catalog, "--out", tmp_path / "out", "--learning-rate", "1e30")
    assert code == 1
    assert "fourtower: Training stopped: " in said
    assert "Lower --learning-rate. No state was saved before it." in said


def test_bad_lines_are_skipped_aloud(call, folder, tmp_path):
    """The run then fails for another reason, which is quicker than a whole one."""
    with (folder / "queries.test.jsonl").open("a") as file:
        file.write("{oops\n")
    code, _, said = call("--data", folder, "--out", tmp_path / "out", "--on-bad", "skip", "--resume")
    assert code == 1
    assert said.startswith("skipped: queries.test.jsonl line ")
    assert "--resume first" in said


def test_a_used_folder_is_not_overwritten_by_accident(catalog, call, tmp_path):
    assert call("--data", catalog, "--out", tmp_path)[0] == 0
    code, _, said = call("--data", catalog, "--out", tmp_path)
    assert code == 2
    assert said.strip() == (
        f"fourtower: {tmp_path} holds a run already: add --resume to go on, --overwrite to start over."
    )
    assert call("--data", catalog, "--out", tmp_path, "--overwrite")[0] == 0
