import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from fourtower_encoders import export
from fourtower_encoders.checkpoint import load_model
from fourtower_encoders.config import Preprocess, SmallResNet, TowerConfig
from fourtower_encoders.errors import CheckpointError
from fourtower_encoders.export import export_onnx
from fourtower_encoders.model import FourTower

KINDS = ("small", "timm-bert", "clip", "siglip")


def _run(path, **feed):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, feed), strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_graphs_say_what_the_towers_say(checkpoints, kind):
    model = load_model(checkpoints(kind))
    size, rng = model.config.preprocess.size, np.random.default_rng(0)
    fixed = kind == "siglip"
    for batch, length in ((1, 1), (3, 5), (2, 16)):
        pixels = rng.integers(0, 256, (batch, size, size, 3), dtype=np.uint8)
        ids = rng.integers(1, 40, (batch, 16 if fixed else length))
        ids[0, length // 2 + 1 :] = 0 if kind != "siglip" else 1
        outputs = _run(checkpoints(kind) / "image.onnx", pixels=pixels)
        assert list(outputs) == ["query_image", "product_image"]
        outputs |= _run(checkpoints(kind) / "text.onnx", ids=ids)
        assert list(outputs)[2:] == ["query_text", "product_text"]
        with torch.inference_mode():
            for role, output in outputs.items():
                tower = model.embed_image if role.endswith("image") else model.embed_text
                expected = tower(torch.from_numpy(pixels if role.endswith("image") else ids), role).numpy()
                assert output.dtype == np.float32
                np.testing.assert_allclose(np.linalg.norm(output, axis=1), 1, atol=1e-5)
                assert (output * expected).sum(axis=1).min() >= 0.9999


def test_heads_per_role_differ(checkpoints):
    pixels = np.random.default_rng(0).integers(0, 256, (4, 160, 160, 3), dtype=np.uint8)
    outputs = _run(checkpoints("timm-bert") / "image.onnx", pixels=pixels)
    assert (outputs["query_image"] * outputs["product_image"]).sum(axis=1).max() < 0.99


def test_a_graph_is_one_file_and_runs_its_network_once(checkpoints):
    folder = checkpoints("small")
    assert {p.name for p in folder.iterdir()} == {
        "config.json", "image.onnx", "model.json", "model.safetensors", "query.json", "text.onnx"
    }  # fmt: skip
    graph = onnx.load(folder / "image.onnx").graph
    convolutions = sum(node.op_type == "Conv" for node in graph.node)
    network = load_model(folder).image_network
    assert convolutions == sum(isinstance(m, torch.nn.Conv2d) for m in network.modules())


def test_exporting_is_quiet(tmp_path, capfd):
    model = FourTower(TowerConfig(image=SmallResNet(width=4), preprocess=Preprocess(size=32), dim=16)).eval()
    export_onnx(model, tmp_path)
    assert capfd.readouterr() == ("", "")


def test_a_graph_that_differs_is_refused(checkpoints, monkeypatch):
    model = load_model(checkpoints("small"))
    graph = export._ImageGraph(model).eval()
    example = export._example_pixels(model.config)
    model.mean_product_image.neg_()
    with pytest.raises(CheckpointError, match=r"image\.onnx gives other vectors than the towers"):
        export._check_parity(graph, example, checkpoints("small") / "image.onnx", name="pixels")


@pytest.mark.parametrize("kind", KINDS)
def test_graphs_tell_nothing_of_the_machine(checkpoints, kind):
    for graph in ("image.onnx", "text.onnx"):
        content = (checkpoints(kind) / graph).read_bytes()
        assert b"site-packages" not in content
        assert b"export.py" not in content
