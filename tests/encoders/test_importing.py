import io
import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from fourtower_encoders.checkpoint import load_model, read_checkpoint
from fourtower_encoders.embedder import Embedder
from fourtower_encoders.errors import CheckpointError, InvalidConfig, ManifestError
from fourtower_encoders.importing import import_model
from fourtower_encoders.joint import QueryParams
from fourtower_encoders.model_cli import app

TEXTS = ["red shoe", "", "Leather BAG, small lamp: mug & green 123 xyz abcdef ghij klmnopqr", "mug", "größe"]
SIZES = [(90, 60), (60, 91), (300, 210), (640, 480), (32, 32), (20, 25), (145, 144)]


@pytest.fixture
def imported(clip_source, siglip_source, checkpoints):
    """Both families: where from, and what became of it."""
    sources = {"clip": clip_source, "siglip": siglip_source}
    return {name: (source, read_checkpoint(checkpoints(name))) for name, source in sources.items()}


def _unit(output):
    return torch.nn.functional.normalize(output.pooler_output, dim=-1).numpy()


@pytest.mark.parametrize("name", ["clip", "siglip"])
@pytest.mark.parametrize("runtime", ["onnx", "torch"])
def test_embeddings_are_those_of_transformers(imported, jpeg, name, runtime):
    from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

    source, checkpoint = imported[name]
    whole, processor = AutoModel.from_pretrained(source).eval(), AutoImageProcessor.from_pretrained(source)
    pictures = [jpeg(number, size) for number, size in enumerate(SIZES)]
    opened = [Image.open(io.BytesIO(picture)) for picture in pictures]
    tokens = AutoTokenizer.from_pretrained(source)(
        TEXTS,
        padding="max_length",
        truncation=True,
        max_length=checkpoint.config.text.max_tokens,
        return_tensors="pt",
    )
    with torch.inference_mode():
        images = _unit(whole.get_image_features(**processor(opened, return_tensors="pt")))
        texts = _unit(whole.get_text_features(input_ids=tokens["input_ids"]))
    embedder = Embedder.load(checkpoint.folder, runtime=runtime, device="cpu")
    assert (embedder.embed_images(pictures) * images).sum(axis=1).min() >= 0.999
    assert (embedder.embed_texts(TEXTS) * texts).sum(axis=1).min() >= 0.9999
    assert (images @ images.T).min() < 0.9, "different pictures, different vectors"


@pytest.mark.parametrize("name", ["clip", "siglip"])
def test_the_same_pixels_give_the_same_vectors(imported, name):
    from transformers import AutoModel

    source, checkpoint = imported[name]
    pixels = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    preprocess = checkpoint.config.preprocess
    values = (pixels / 255.0 - preprocess.mean) / preprocess.std
    with torch.inference_mode():
        wanted = _unit(
            AutoModel.from_pretrained(source)
            .eval()
            .get_image_features(pixel_values=torch.from_numpy(values).permute(0, 3, 1, 2).float())
        )
    result = Embedder.load(checkpoint.folder, runtime="onnx").embed_pixels(pixels)
    assert (result * wanted).sum(axis=1).min() >= 0.9999


def test_without_data_the_numbers_are_stated_defaults(imported):
    source, checkpoint = imported["clip"]
    assert checkpoint.params == QueryParams(fitted=False)
    assert not load_model(checkpoint.folder).mean_query_text.any()
    assert checkpoint.identity.provenance == {"imported": {"family": "clip", "name": source.name}}
    assert str(source) not in (checkpoint.folder / "config.json").read_text()


def test_other_models_are_refused(bert_source, tmp_path):
    with pytest.raises(InvalidConfig, match="holds a 'bert' model; only clip and siglip"):
        import_model(bert_source, tmp_path / "out")
    with pytest.raises(InvalidConfig, match="There is no folder"):
        import_model(tmp_path / "nowhere", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["model.safetensors", "preprocessor_config.json", "tokenizer.json"])
def test_an_incomplete_folder_is_refused(clip_source, tmp_path, name):
    folder = shutil.copytree(clip_source, tmp_path / "source")
    (folder / name).unlink()
    with pytest.raises(InvalidConfig, match="source"):
        import_model(folder, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_the_command_imports_and_fits(siglip_source, catalog, checkpoints, tmp_path):
    folder = tmp_path / "fitted"
    arguments = ["import", str(siglip_source), "--out", str(folder), "--fit", str(catalog), "--half"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    fitted = read_checkpoint(folder)
    assert fitted.model_id in result.output
    assert fitted.params.fitted
    assert fitted.identity.provenance["fitted_on"] == "catalog"
    assert Embedder.load(folder, runtime="onnx").embed_texts(["mug"]).shape == (1, 32)
    plain = checkpoints("siglip") / "model.safetensors"
    assert (folder / "model.safetensors").stat().st_size < 0.6 * plain.stat().st_size


def test_bad_data_stops_an_import_before_it_begins(siglip_source, tmp_path):
    with pytest.raises(ManifestError, match="There is no data folder"):
        import_model(siglip_source, tmp_path / "out", fit=tmp_path / "nowhere")
    assert not (tmp_path / "out").exists()


def test_info_shows_what_a_checkpoint_is(imported):
    _, checkpoint = imported["clip"]
    result = CliRunner().invoke(app, ["info", str(checkpoint.folder), "--json"])
    facts = json.loads(result.output)
    assert facts["model_id"] == checkpoint.model_id
    assert (facts["dim"], facts["picture_size"], facts["demo"]) == (24, 32, False)
    assert facts["image_network"] == "clip clip_vision_model"
    assert facts["files"]["model.safetensors"] == (checkpoint.folder / "model.safetensors").stat().st_size
    stored = load_model(checkpoint.folder).state_dict()
    assert facts["weights"] == sum(tensor.numel() for tensor in stored.values())
    plain = CliRunner().invoke(app, ["info", str(checkpoint.folder)]).output
    assert f"model_id        {checkpoint.model_id}" in plain


def test_info_of_a_foreign_folder(tmp_path):
    result = CliRunner().invoke(app, ["info", str(tmp_path)])
    assert isinstance(result.exception, CheckpointError)
