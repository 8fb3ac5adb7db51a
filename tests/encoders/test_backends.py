import json

import numpy as np
import pytest
import torch

from fourtower_encoders.backends import build_image, build_text, resolve
from fourtower_encoders.backends.resolve import published_preprocess
from fourtower_encoders.backends.source import read_tokenizer
from fourtower_encoders.config import (
    HashedText,
    Preprocess,
    SmallResNet,
    TimmImage,
    TowerConfig,
    TransformersText,
    VisionTransformer,
)
from fourtower_encoders.errors import InvalidConfig, MissingExtra


def _towers(image=None, text=None, size=64):
    return TowerConfig(image=image or SmallResNet(width=4), text=text or HashedText(), preprocess=Preprocess(size=size))


@pytest.mark.parametrize(
    ("config", "size"),
    [(SmallResNet(width=8), 64), (TimmImage(name="test_resnet"), 64), (TimmImage(name="test_vit"), 160)],
)
def test_image_networks_keep_their_promise(config, size):
    network = build_image(config).eval()
    pixels = torch.randn(2, 3, size, size)
    with torch.inference_mode():
        plain = network(pixels)
        channels_last = network(pixels.to(memory_format=torch.channels_last))
    assert plain.shape == (2, network.width)
    torch.testing.assert_close(plain, channels_last, rtol=1e-3, atol=1e-4)


def test_an_unknown_timm_name_gets_close_ones():
    with pytest.raises(InvalidConfig, match=r"no image model 'test_vitt'; did you mean .*test_vit"):
        build_image(TimmImage(name="test_vitt"))


def test_timm_weights_come_from_a_safetensors_file(tmp_path):
    import timm
    from safetensors.torch import save_file

    whole = timm.create_model("test_resnet")  # with its classifier, as weights are published
    file = tmp_path / "weights.safetensors"
    save_file(whole.state_dict(), str(file))
    network = build_image(TimmImage(name="test_resnet", weights=str(file))).eval()
    other = build_image(TimmImage(name="test_resnet", weights=str(file)), pretrained=False).eval()
    pixels = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        wanted = whole.eval().forward_head(whole.forward_features(pixels), pre_logits=True)
        torch.testing.assert_close(network(pixels), wanted)
        assert not torch.allclose(other(pixels), wanted, atol=1e-3)


def test_bad_timm_weights_are_refused(tmp_path):
    pickle, gone, damaged = (tmp_path / name for name in ("w.pth", "gone.safetensors", "w.safetensors"))
    damaged.write_bytes(b"no weights")
    for path, words in ((pickle, "safetensors files only"), (gone, "doesn't exist"), (damaged, "can't be read from")):
        with pytest.raises(InvalidConfig, match=words):
            build_image(TimmImage(name="test_resnet", weights=str(path)))


def test_padding_changes_no_text(bert_source):
    network = build_text(TransformersText(source=str(bert_source), max_tokens=16)).eval()
    with torch.inference_mode():
        short = network(torch.tensor([[2, 5, 6, 3]]))
        padded = network(torch.tensor([[2, 5, 6, 3, 0, 0, 0], [2, 9, 9, 9, 9, 9, 3]]))
    assert padded.shape == (2, network.width)
    torch.testing.assert_close(short[0], padded[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_a_text_of_padding_alone_gives_numbers(bert_source, pooling):
    network = build_text(TransformersText(source=str(bert_source), max_tokens=16, pooling=pooling)).eval()
    with torch.inference_mode():
        assert torch.isfinite(network(torch.zeros(2, 4, dtype=torch.long))).all()


def test_pooling_is_what_it_says(bert_source):
    from transformers import AutoModel

    ids = torch.tensor([[2, 5, 6, 3]])
    with torch.inference_mode():
        states = AutoModel.from_pretrained(bert_source).eval()(input_ids=ids).last_hidden_state
        for pooling, wanted in (("mean", states.mean(dim=1)), ("cls", states[:, 0])):
            network = build_text(TransformersText(source=str(bert_source), max_tokens=16, pooling=pooling))
            torch.testing.assert_close(network.eval()(ids), wanted, rtol=1e-4, atol=1e-5)


def test_resolved_networks_need_no_source(bert_source, clip_source, siglip_source):
    for text, image in (
        (TransformersText(source=str(bert_source), max_tokens=16), SmallResNet(width=4)),
        (
            TransformersText(kind="clip-text", source=str(clip_source), max_tokens=16),
            VisionTransformer(kind="clip", source=str(clip_source)),
        ),
        (
            TransformersText(kind="siglip-text", source=str(siglip_source), max_tokens=16),
            VisionTransformer(kind="siglip", source=str(siglip_source)),
        ),
    ):
        resolved = resolve(_towers(image, text, size=32))
        again = TowerConfig.model_validate_json(resolved.model_dump_json())
        for half, build in ((resolved.image, build_image), (resolved.text, build_text)):
            detached = half.model_copy(update={"source": ""} if hasattr(half, "source") else {})
            fresh, pretrained = build(detached, pretrained=False), build(half)
            assert {n: p.shape for n, p in fresh.state_dict().items()} == {
                n: p.shape for n, p in pretrained.state_dict().items()
            }
        assert again == resolved


def test_padding_is_the_tokenizers(siglip_source):
    text = TransformersText(kind="siglip-text", source=str(siglip_source), max_tokens=16)
    resolved = resolve(_towers(text=text))
    stated = json.loads((siglip_source / "config.json").read_text())["text_config"]["pad_token_id"]
    assert stated == 7
    assert resolved.text.architecture["pad_token_id"] == 1


def test_a_tokenizer_file_is_read_where_its_class_cannot_be(siglip_source, tmp_path):
    import shutil

    folder = shutil.copytree(siglip_source, tmp_path / "copy")
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    settings["tokenizer_class"] = "SiglipTokenizer"  # needs a library that is not installed
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    found, wanted = read_tokenizer(str(folder)), read_tokenizer(str(siglip_source))
    assert found[1:] == wanted[1:] == (1, wanted.vocabulary)
    assert json.loads(found.text)["model"] == json.loads(wanted.text)["model"]


def test_a_tokenizer_of_another_network_is_refused(siglip_source, clip_source, tmp_path):
    import shutil

    folder = shutil.copytree(siglip_source, tmp_path / "copy")
    shutil.copy(clip_source / "tokenizer.json", folder)
    with pytest.raises(InvalidConfig, match="add the tokenizer files that belong to the network"):
        resolve(_towers(text=TransformersText(kind="siglip-text", source=str(folder), max_tokens=16)))


def test_sizes_must_agree(clip_source):
    with pytest.raises(InvalidConfig, match="wants pictures of 32 pixels"):
        resolve(_towers(VisionTransformer(kind="clip", source=str(clip_source)), size=64))
    with pytest.raises(InvalidConfig, match="wants pictures of 160 pixels"):
        resolve(_towers(TimmImage(name="test_vit"), size=64))
    assert resolve(_towers(TimmImage(name="test_resnet"), size=64)).preprocess.size == 64


def test_texts_must_fit_the_positions(bert_source):
    with pytest.raises(InvalidConfig, match="max_tokens 64 exceeds the text network's 24 positions"):
        resolve(_towers(text=TransformersText(source=str(bert_source))))


def test_a_source_of_another_family_is_refused(bert_source):
    with pytest.raises(InvalidConfig, match="holds a 'bert' model, not 'clip'"):
        build_image(VisionTransformer(kind="clip", source=str(bert_source)))


@pytest.mark.parametrize(
    ("source", "words"),
    [("", "names no `source`"), ("./nowhere", "doesn't exist"), ("/no/such/folder", "doesn't exist")],
)
def test_a_missing_folder_is_named(source, words):
    with pytest.raises(InvalidConfig, match=words):
        build_text(TransformersText(source=source))


def test_an_unreachable_hub_asks_for_a_folder(monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(InvalidConfig, match=r"hub can't be reached.* pass a local folder"):
        build_text(TransformersText(source="nobody/no-such-model"))
    with pytest.raises(InvalidConfig, match="can't be read from the model hub; pass a safetensors file"):
        build_image(TimmImage(name="test_resnet", pretrained=True))


def test_a_damaged_folder_is_named(tmp_path):
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(InvalidConfig, match="incomplete or damaged"):
        build_text(TransformersText(source=str(tmp_path)))


def test_pickled_weights_are_refused(bert_source, tmp_path):
    import shutil

    from safetensors.torch import load_file

    folder = shutil.copytree(bert_source, tmp_path / "copy")
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(InvalidConfig, match="incomplete or damaged"):
        build_text(TransformersText(source=str(folder), max_tokens=16))


@pytest.mark.parametrize(
    ("package", "config"), [("timm", TimmImage(name="test_vit")), ("transformers", TransformersText(source="x"))]
)
def test_a_missing_package_names_the_extra(monkeypatch, package, config):
    monkeypatch.setitem(__import__("sys").modules, package, None)
    build = build_image if package == "timm" else build_text
    with pytest.raises(MissingExtra, match=r"fourtower\[train\]"):
        build(config)


def test_published_settings_of_timm():
    preprocess = published_preprocess(TimmImage(name="test_resnet"))
    assert (preprocess.size, preprocess.resize, preprocess.crop_pct) == (160, "crop", 0.95)
    assert preprocess.interpolation == "bilinear"
    np.testing.assert_allclose(preprocess.mean, 0.5)


def test_published_settings_of_transformers(clip_source, siglip_source):
    clip = published_preprocess(VisionTransformer(kind="clip", source=str(clip_source)))
    assert (clip.size, clip.resize, clip.crop_pct) == (32, "crop", 32 / 36)
    siglip = published_preprocess(VisionTransformer(kind="siglip", source=str(siglip_source)))
    assert (siglip.size, siglip.resize, siglip.mean) == (32, "squash", (0.5, 0.5, 0.5))


def test_unknown_settings_are_refused(siglip_source, tmp_path):
    import shutil

    for number, (change, words) in enumerate(
        [({"resample": 1}, "unknown way"), ({"size": {"height": 32, "width": 48}}, "doesn't look at squares")]
    ):
        folder = shutil.copytree(siglip_source, tmp_path / str(number))
        file = folder / "preprocessor_config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | change))
        with pytest.raises(InvalidConfig, match=words):
            published_preprocess(VisionTransformer(kind="siglip", source=str(folder)))
