import json
import os
import shutil
import stat

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from fourtower_encoders import saving
from fourtower_encoders.checkpoint import Checkpoint, load_model, locate, read_checkpoint, record_of
from fourtower_encoders.config import Preprocess, SmallResNet, TowerConfig, TransformersText
from fourtower_encoders.errors import CheckpointError
from fourtower_encoders.joint import QueryParams, Weights
from fourtower_encoders.model import FourTower
from fourtower_encoders.saving import save_checkpoint, write_params

TINY = TowerConfig(image=SmallResNet(width=4), preprocess=Preprocess(size=32), dim=16)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return FourTower(TINY).eval()


@pytest.fixture
def saved(model, tmp_path) -> Checkpoint:
    return save_checkpoint(tmp_path / "towers", model, QueryParams(), onnx=False, provenance={"steps": 3})


def _reseal(folder, *names):
    """Write the records anew, as somebody who edits files by hand would."""
    path = folder / "model.json"
    identity = json.loads(path.read_text())
    identity["files"] |= {name: record_of(folder / name).model_dump() for name in names}
    path.write_text(json.dumps(identity))


def test_what_is_saved_is_what_is_read(model, saved):
    again = load_model(saved.folder)
    assert again.config == TINY
    assert not again.training
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name
    assert saved.identity.provenance == {"steps": 3}
    assert saved.params == QueryParams()
    assert sorted(os.listdir(saved.folder)) == ["config.json", "model.json", "model.safetensors", "query.json"]
    assert stat.S_IMODE(saved.folder.stat().st_mode) == 0o755


def test_half_precision_rounds_once(model, tmp_path):
    full = save_checkpoint(tmp_path / "full", model, QueryParams(), onnx=False)
    half = save_checkpoint(tmp_path / "half", model, QueryParams(), onnx=False, precision="float16")
    size = {c.folder.name: (c.folder / "model.safetensors").stat().st_size for c in (full, half)}
    assert size["half"] < 0.6 * size["full"]
    rounded = load_model(half.folder)
    assert all(p.dtype == torch.float32 for p in rounded.parameters())
    again = save_checkpoint(tmp_path / "again", rounded, QueryParams(), onnx=False)
    assert again.model_id == half.model_id != full.model_id


def test_a_value_beyond_half_precision_keeps_its_tensor(model, tmp_path):
    variance = model.image_network.stem[1].running_var
    variance[0] = 1e6
    half = save_checkpoint(tmp_path / "half", model, QueryParams(), onnx=False, precision="float16")
    assert torch.equal(load_model(half.folder).image_network.stem[1].running_var, variance)


def test_model_id_is_what_determines_the_towers(model, saved, tmp_path):
    def resaved(**options):
        return save_checkpoint(tmp_path / "other", options.pop("model", model), QueryParams(**options), onnx=False)

    assert resaved().model_id == saved.model_id
    assert resaved(weights=Weights(ii=2.0)).model_id == saved.model_id
    model.mean_query_text += 0.1
    assert resaved().model_id != saved.model_id
    model.mean_query_text -= 0.1
    model.mean_query_text.zero_()
    assert resaved().model_id == saved.model_id
    model.config = TINY.model_copy(update={"preprocess": Preprocess(size=32, resize="crop")})
    assert resaved().model_id != saved.model_id


def test_query_numbers_change_alone(saved):
    write_params(saved.folder, QueryParams(fitted=True, kappa_text=0.4))
    again = read_checkpoint(saved.folder)
    assert again.params.kappa_text == 0.4
    assert again.identity == saved.identity


def test_saving_over_a_checkpoint_replaces_all_of_it(model, saved):
    (saved.folder / "README.md").write_text("old")
    model.mean_query_text += 0.1
    again = save_checkpoint(saved.folder, model, QueryParams(), onnx=False)
    assert again.model_id != saved.model_id
    assert not (saved.folder / "README.md").exists()
    assert os.listdir(saved.folder.parent) == ["towers"]


def test_a_folder_of_somebody_else_is_never_replaced(model, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(CheckpointError, match="is not a checkpoint; it is not replaced"):
        save_checkpoint(tmp_path, model, QueryParams(), onnx=False)
    assert os.listdir(tmp_path) == ["thesis.txt"]
    (tmp_path / "empty").mkdir()
    assert save_checkpoint(tmp_path / "empty", model, QueryParams(), onnx=False).config == TINY


@pytest.mark.parametrize("step", ["write_weights", "write_params", "_write_identity", "_swap"])
@pytest.mark.parametrize("there", [False, True])
def test_an_interrupted_save_leaves_the_old_checkpoint_or_none(model, tmp_path, monkeypatch, step, there):
    folder = tmp_path / "towers"
    old = save_checkpoint(folder, model, QueryParams(), onnx=False) if there else None
    model.mean_query_text += 0.1
    real = getattr(saving, step)

    def interrupted(*args, **options):
        if step != "_swap":
            real(*args, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(saving, step, interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(folder, model, QueryParams(), onnx=False)
    assert os.listdir(tmp_path) == (["towers"] if there else [])
    if old:
        assert read_checkpoint(folder).model_id == old.model_id
        load_model(folder)


def test_towers_of_transformers_need_their_tokenizer(bert_source, tmp_path):
    text = TransformersText(source=str(bert_source), max_tokens=16)
    model = FourTower(TINY.model_copy(update={"text": text}))
    with pytest.raises(CheckpointError, match="needs a tokenizer_file"):
        save_checkpoint(tmp_path / "towers", model, QueryParams(), onnx=False)
    assert not (tmp_path / "towers").exists()


def test_a_checkpoint_never_names_its_sources(checkpoints, bert_source):
    config = (checkpoints("timm-bert") / "config.json").read_text()
    assert str(bert_source) not in config
    assert not read_checkpoint(checkpoints("timm-bert")).config.text.pretrained


def test_truncated_weights(saved):
    path = saved.folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"model\.safetensors is not the file that was saved"):
        load_model(saved.folder)
    _reseal(saved.folder, "model.safetensors")
    with pytest.raises(CheckpointError, match=r"model\.safetensors is damaged"):
        load_model(saved.folder)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_one_changed_byte(saved, name):
    path = saved.folder / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=f"{name} is not the file that was saved"):
        load_model(saved.folder)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("model.safetensors", "lacks model.safetensors"),
        ("query.json", "query.json can't be read"),
        ("config.json", "is not a Fourtower checkpoint: it has no config.json"),
        ("model.json", "is not a Fourtower checkpoint: it has no model.json"),
    ],
)
def test_a_missing_file_is_named(saved, name, words):
    (saved.folder / name).unlink()
    with pytest.raises(CheckpointError, match=words):
        load_model(saved.folder)


def test_weights_of_other_towers(saved):
    path = saved.folder / "model.safetensors"
    tensors = load_file(path)
    for change, words in (
        ({"mean_query_text": torch.zeros(17)}, r"mean_query_text has shape \(17,\) instead of \(16,\)"),
        ({"surplus": torch.zeros(1)}, "surplus is unknown"),
        ({"mean_query_text": None}, "mean_query_text is missing"),
    ):
        changed = {name: tensor for name, tensor in (tensors | change).items() if tensor is not None}
        save_file(changed, path)
        _reseal(saved.folder, "model.safetensors")
        with pytest.raises(CheckpointError, match=words):
            load_model(saved.folder)


@pytest.mark.parametrize("name", ["config.json", "query.json", "model.json"])
def test_a_newer_version_says_so(saved, name):
    path = saved.folder / name
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": 2, "novelty": True}))
    _reseal(saved.folder, "config.json")
    with pytest.raises(CheckpointError, match=f"{name} was written by a newer Fourtower .*upgrade"):
        read_checkpoint(saved.folder)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"dim": "many"}', "\x00"])
@pytest.mark.parametrize("name", ["config.json", "query.json", "model.json"])
def test_nonsense_is_damage(saved, name, content):
    (saved.folder / name).write_text(content)
    if name == "config.json":
        _reseal(saved.folder, name)
    with pytest.raises(CheckpointError, match=f"{name} is damaged"):
        read_checkpoint(saved.folder)


def test_foreign_folders(tmp_path, clip_source):
    with pytest.raises(CheckpointError, match="There is no checkpoint folder"):
        read_checkpoint(tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match="is not a Fourtower checkpoint"):
        read_checkpoint(tmp_path)
    with pytest.raises(CheckpointError, match="'fourtower model import'"):
        read_checkpoint(clip_source)


def test_a_record_cannot_point_outside(saved, tmp_path):
    (tmp_path / "secret").write_text("x")
    path = saved.folder / "model.json"
    identity = json.loads(path.read_text())
    identity["files"] = {"../secret": record_of(tmp_path / "secret").model_dump()}
    path.write_text(json.dumps(identity))
    with pytest.raises(CheckpointError, match=r"lacks config\.json"):
        read_checkpoint(saved.folder)


def test_a_copied_checkpoint_is_the_same(saved, tmp_path):
    copied = read_checkpoint(shutil.copytree(saved.folder, tmp_path / "copy"))
    assert copied.model_id == saved.model_id
    np.testing.assert_array_equal(copied.tokenizer()(["mug"]), saved.tokenizer()(["mug"]))


def test_demo_is_the_shipped_folder(tmp_path):
    assert locate("demo").name == "demo"
    assert locate("demo").is_absolute()
    assert locate(str(tmp_path)) == tmp_path
