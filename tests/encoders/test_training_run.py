"""Whole runs from a data folder to a fitted checkpoint, killed ones included."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from fourtower_encoders.backends import resolve
from fourtower_encoders.batches import SamplingConfig
from fourtower_encoders.checkpoint import TOKENIZER, load_model
from fourtower_encoders.config import HashedText, Preprocess, SmallResNet, TimmImage, TowerConfig, TransformersText
from fourtower_encoders.embedder import Embedder
from fourtower_encoders.errors import CheckpointError, InvalidConfig, ManifestError
from fourtower_encoders.metrics_log import read_metrics
from fourtower_encoders.train import TrainConfig
from fourtower_encoders.training_run import TrainingRun, towers
from fourtower_encoders.training_state import STATE_FILE

SMALL = TowerConfig(
    image=SmallResNet(width=4), text=HashedText(buckets=64, width=8), preprocess=Preprocess(size=16), dim=8
)
SHORT = TrainConfig(
    steps=10,
    save_every=4,
    log_every=1,
    mine_every=3,
    precision="fp32",
    sampling=SamplingConfig(batch_size=8, hard_share=0.25),
)

KILLED = """
import os, signal, sys
from pathlib import Path
import torch
from fourtower_encoders.config import TowerConfig
from fourtower_encoders.train import TrainConfig
from fourtower_encoders.training_run import TrainingRun

torch.set_num_threads(1)
data, out = map(Path, sys.argv[1:3])
towers, training = TowerConfig.model_validate_json(sys.argv[3]), TrainConfig.model_validate_json(sys.argv[4])
run = TrainingRun(data, out, towers, training, on_bad="skip")
run.load()
run.train(on_step=lambda report: report.step == 7 and os.kill(os.getpid(), signal.SIGKILL))
"""


@pytest.fixture
def damaged(catalog, tmp_path):
    """The catalog with one unreadable picture and one bad line in each split; gives the pictures' names too."""
    folder = tmp_path / "damaged"
    shutil.copytree(catalog, folder)
    broken = []
    for split in ("train", "val", "test"):
        pair = json.loads((folder / f"queries.{split}.jsonl").read_text().splitlines()[0])
        (folder / pair["query_image"]).write_bytes(b"\xff\xd8\xff no jpeg")
        broken.append(pair["query_image"])
        with (folder / f"products.{split}.jsonl").open("a") as file:
            file.write('{"product_id": 5}\n')
    return folder, broken


def losses(folder):
    return [(line["step"], line["terms"]) for line in read_metrics(folder)]


def test_a_killed_run_continues_as_if_nothing_had_happened(damaged, tmp_path):
    """Killed at step 7 by the kernel, saved at step 4; bad lines and pictures of every split are skipped."""
    data, broken = damaged
    straight = TrainingRun(data, tmp_path / "straight", SMALL, SHORT, on_bad="skip")
    straight.load()
    straight.train()

    out = tmp_path / "killed"
    arguments = [data, out, SMALL.model_dump_json(), SHORT.model_dump_json()]
    done = subprocess.run([sys.executable, "-c", KILLED, *map(str, arguments)], env=os.environ, check=False)
    assert done.returncode == -signal.SIGKILL
    assert [step for step, _ in losses(out)] == [1, 2, 3, 4, 5, 6, 7]
    assert (out / STATE_FILE).exists()

    run = TrainingRun(data, out, SMALL, SHORT, on_bad="skip")
    run.load()
    run.train(resume=True)
    assert losses(out) == losses(tmp_path / "straight")
    ends, wanted = (load_file(folder / STATE_FILE) for folder in (out, tmp_path / "straight"))
    assert ends.keys() == wanted.keys()
    assert all(torch.equal(ends[name], wanted[name]) for name in wanted), "to the last bit"

    checkpoint = run.finish(facts={"note": "resumed"})
    assert checkpoint.identity.provenance["note"] == "resumed"
    assert checkpoint.identity.provenance["training"] == SHORT.model_dump(mode="json")
    assert checkpoint.params.fitted
    evaluation = run.evaluate()
    assert evaluation.sizes["photos"] == len((data / "queries.test.jsonl").read_text().splitlines()) - 1
    said = "\n".join(run.bad)
    assert len(run.bad) == 6
    assert all(f"{picture}: " in said for picture in broken)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_what_can_not_be_read_is_said_before_training(catalog, damaged, tmp_path, number):
    """Also of the test split, which is only needed in the end."""
    data, broken = damaged
    split = ("train", "val", "test")[number]
    for other in {"train", "val", "test"} - {split}:
        shutil.copyfile(catalog / f"products.{other}.jsonl", data / f"products.{other}.jsonl")
        picture = broken[("train", "val", "test").index(other)]
        shutil.copyfile(catalog / picture, data / picture)
    run = TrainingRun(data, tmp_path / "out", SMALL, SHORT)
    with pytest.raises(ManifestError, match=rf"^products\.{split}\.jsonl line \d+: product_id: "):
        run.load()
    shutil.copyfile(catalog / f"products.{split}.jsonl", data / f"products.{split}.jsonl")
    with pytest.raises(ManifestError, match=rf"^queries\.{split}\.jsonl line 1: {broken[number]}: "):
        run.load()


def test_networks_of_timm_and_transformers_from_scratch(catalog, tmp_path, bert_source):
    config = resolve(
        TowerConfig(
            image=TimmImage(name="test_resnet"),
            text=TransformersText(source=str(bert_source), max_tokens=16),
            preprocess=Preprocess(size=32),
            dim=8,
        )
    )
    training = SHORT.model_copy(update={"steps": 2})
    run = TrainingRun(catalog, tmp_path / "out", config, training)
    run.load()
    run.train()
    checkpoint = run.finish(precision="float16")
    original = (bert_source / "tokenizer.json").read_text()
    assert json.loads(checkpoint.file(TOKENIZER).read_text())["model"] == json.loads(original)["model"]
    assert checkpoint.config.text.source == "", "the folder is not needed again"

    again = TrainingRun(catalog, tmp_path / "more", SMALL, training, start_from=run.out)
    assert again.config == checkpoint.config, "what is started from decides, not what was asked for"
    again.load()
    again.train()
    before, after = (load_model(run.checkpoint_folder).state_dict(), again._model.state_dict())
    assert before.keys() == after.keys()
    head = "image_heads.shared.1.weight"
    assert 0 < (before[head] - after[head]).abs().max() < 0.02, "trained on, not anew"
    assert not any(after[name].any() for name in after if name.startswith("mean_")), "means are fitted anew"
    with Embedder.load(run.checkpoint_folder, runtime="onnx") as embedder:
        assert embedder.embed_texts(["red mug"]).shape == (1, 8)


def test_without_a_test_split_validation_is_measured(catalog, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(catalog, data, ignore=shutil.ignore_patterns("*.test.jsonl"))
    run = TrainingRun(data, tmp_path / "out", SMALL, SHORT.model_copy(update={"steps": 1}))
    run.load()
    assert run.bad == []
    assert run._test_split is None


def test_an_output_that_can_not_be_a_folder_is_said_first(catalog, tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(FileExistsError):
        TrainingRun(catalog, tmp_path / "out", SMALL, SHORT).load()


def test_nothing_to_start_from(catalog, tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint folder"):
        TrainingRun(catalog, tmp_path / "out", SMALL, SHORT, start_from=Path("gone"))


def short_names(image="small", text="hashed", **changes):
    return towers(image, text, **({"pretrained": False, "width": 8, "image_size": 64, "dim": 16} | changes))


def test_short_names_of_networks(clip_source):
    assert short_names() == TowerConfig(image=SmallResNet(width=8), preprocess=Preprocess(size=64), dim=16)
    timm = short_names("timm:test_resnet", image_size=48)
    assert timm.image == TimmImage(name="test_resnet", pretrained=False)
    assert (timm.preprocess.size, timm.preprocess.resize) == (48, "crop"), "prepared as published, but smaller"
    clip = short_names(f"clip:{clip_source}")
    assert (clip.image.kind, clip.preprocess.size) == ("clip", 32)
    assert clip.image.architecture["patch_size"] == 8


@pytest.mark.parametrize("name", ["big", "timm", "timm:", "small:x", "", "clip:", "bert:x"])
def test_unknown_names_are_answered_with_the_known_ones(name):
    with pytest.raises(InvalidConfig, match=rf"--image '{name}' is not known\. Use small, timm:NAME"):
        short_names(image=name)
    with pytest.raises(InvalidConfig, match=rf"--text '{name}' is not known\. Use hashed, transformers:SOURCE"):
        short_names(text=name)


def test_names_that_their_library_does_not_know(tmp_path):
    with pytest.raises(InvalidConfig, match=r"did you mean .*test_resnet"):
        short_names("timm:test_resnett")
    with pytest.raises(InvalidConfig, match="wants pictures of 160 pixels"):
        short_names("timm:test_vit", image_size=64)
    with pytest.raises(InvalidConfig, match="doesn't exist"):
        short_names(text=f"transformers:{tmp_path / 'gone'}")
