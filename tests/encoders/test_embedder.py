import io
import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from fourtower_encoders.checkpoint import load_model, read_checkpoint
from fourtower_encoders.config import ROLES
from fourtower_encoders.decoding import AHEAD, decoded_batches
from fourtower_encoders.embedder import Embedder
from fourtower_encoders.errors import (
    CheckpointError,
    EncoderError,
    ImageRejected,
    ImageUnavailable,
    InvalidConfig,
    MissingExtra,
)
from fourtower_encoders.images import ImageLimits
from fourtower_encoders.preprocess import to_pixels

TEXTS = ["red shoe", "", "a very small green leather bag, and a lamp 42", "Größe mug", "mug"]


@pytest.fixture
def small(checkpoints):
    with Embedder.load(checkpoints("small"), runtime="onnx") as embedder:
        yield embedder


def _cosines(a, b):
    assert a.shape == b.shape
    assert a.dtype == b.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(a, axis=1), 1, atol=1e-5)
    return (a * b).sum(axis=1)


@pytest.mark.parametrize("kind", ["small", "timm-bert", "clip", "siglip"])
def test_both_runtimes_agree_from_bytes_and_strings(checkpoints, jpeg, kind):
    pictures = [jpeg(1), jpeg(2, (60, 91)), jpeg(3, (400, 300), "PNG"), jpeg(4, (33, 200), "WEBP"), jpeg(5, (900, 700))]
    onnx, torch = (Embedder.load(checkpoints(kind), runtime=name, device="cpu") for name in ("onnx", "torch"))
    assert (onnx.runtime, torch.runtime) == ("onnx", "torch")
    for role in ROLES:
        embeddings = [
            e.embed_images(pictures, role=role, batch_size=2)
            if role.endswith("image")
            else e.embed_texts(TEXTS, role=role, batch_size=2)
            for e in (onnx, torch)
        ]
        assert _cosines(*embeddings).min() >= 0.9999
        assert (embeddings[0] @ embeddings[0].T).min() < 0.97, "different inputs, different vectors"


def test_the_means_are_subtracted(checkpoints, jpeg):
    folder = checkpoints("small")
    model, embedder = load_model(folder), Embedder.load(folder, runtime="onnx")
    import torch

    pixels = to_pixels(Image.open(io.BytesIO(jpeg(1))), embedder.config.preprocess)
    with torch.inference_mode():
        raw = model.encode_image(torch.from_numpy(pixels[None].copy()), "product_image").numpy()
    centred = raw - model.mean_product_image.numpy()
    wanted = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    assert _cosines(embedder.embed_images([jpeg(1)]), wanted.astype(np.float32)).min() >= 0.9999
    assert (embedder.embed_images([jpeg(1)]) * raw).sum() < 0.99


def test_order_is_kept_whatever_the_batches(small, jpeg):
    pictures = [jpeg(n, (20 + n * 3, 80 - n)) for n in range(13)]
    wanted = np.concatenate([small.embed_images([picture]) for picture in pictures])
    for batch_size, threads in ((1, 1), (3, 4), (5, 2), (64, 8)):
        result = small.embed_images(pictures, batch_size=batch_size, threads=threads)
        np.testing.assert_allclose(result, wanted, atol=1e-5)
    texts = [f"{'shoe ' * (n % 4)}{n}" for n in range(13)]
    wanted = np.concatenate([small.embed_texts([text]) for text in texts])
    np.testing.assert_allclose(small.embed_texts(texts, batch_size=4), wanted, atol=1e-5)


def test_every_kind_of_source(small, jpeg, tmp_path):
    data = jpeg(1, format="PNG")
    (tmp_path / "a.png").write_bytes(data)
    pixels = to_pixels(Image.open(io.BytesIO(data)).convert("RGB"), small.config.preprocess)
    results = small.embed_images([data, tmp_path / "a.png", str(tmp_path / "a.png"), Image.open(io.BytesIO(data))])
    rooted = small.embed_images(["a.png"], root=tmp_path)
    np.testing.assert_allclose(np.concatenate([results, rooted]), small.embed_pixels(pixels[None])[[0] * 5], atol=1e-6)


def test_nothing_gives_nothing(small):
    assert small.embed_images([]).shape == (0, small.dim)
    assert small.embed_texts([]).shape == (0, small.dim)
    size = small.config.preprocess.size
    assert small.embed_pixels(np.empty((0, size, size, 3), np.uint8)).shape == (0, small.dim)


def test_what_an_embedder_says_of_itself(small, checkpoints):
    checkpoint = read_checkpoint(checkpoints("small"))
    assert (small.dim, small.model_id, small.config) == (16, checkpoint.model_id, checkpoint.config)
    assert small.params.fitted


def test_a_bad_picture_is_named(small, jpeg, tmp_path):
    (tmp_path / "fake.jpg").write_bytes(b"<html>")
    with pytest.raises(ImageRejected, match=r"Picture 2 \(fake\.jpg\): "):
        small.embed_images([jpeg(1), jpeg(2), "fake.jpg", jpeg(3)], root=tmp_path, batch_size=2)
    with pytest.raises(ImageRejected, match=r"Picture 0 \(bytes\): "):
        small.embed_images([b"nonsense"])
    with pytest.raises(ImageRejected, match=r"Picture 0 \(https://a\.example/b\.jpg\): .*fetching is off"):
        small.embed_images(["https://a.example/b.jpg"])


def test_bad_pictures_can_be_left_out(small, jpeg):
    failed = []
    sources = [jpeg(1), b"nonsense", jpeg(2), "no such file", jpeg(3)]
    result = small.embed_images(sources, batch_size=2, on_error=lambda at, error: failed.append((at, type(error))))
    assert failed == [(1, ImageRejected), (3, ImageRejected)]
    assert not result[[1, 3]].any()
    good = small.embed_images([jpeg(1), jpeg(2), jpeg(3)])
    np.testing.assert_allclose(result[[0, 2, 4]], good, atol=1e-5)


def test_limits_and_fetcher_are_used(checkpoints, jpeg):
    class Shop:
        def fetch(self, url: str) -> bytes:
            if url.endswith("gone"):
                raise ImageUnavailable("try later")
            return jpeg(1)

    embedder = Embedder.load(checkpoints("small"), runtime="onnx", limits=ImageLimits(max_pixels=6000), fetcher=Shop())
    fetched = embedder.embed_images(["http://shop.example/a"])
    np.testing.assert_allclose(fetched, embedder.embed_images([jpeg(1)]), atol=1e-6)
    with pytest.raises(ImageUnavailable, match="try later"):
        embedder.embed_images(["http://shop.example/gone"])
    with pytest.raises(ImageRejected, match="max_pixels"):
        embedder.embed_images([jpeg(1, (200, 100))])


def test_progress_counts_up(small, jpeg):
    done = []
    small.embed_images([jpeg(1)] * 7, batch_size=3, progress=done.append)
    assert done == [3, 6, 7]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda e: e.embed_texts("mug"), "A list is wanted"),
        (lambda e: e.embed_images(b"bytes"), "A list is wanted"),
        (lambda e: e.embed_texts(["mug"], role="query_image"), "'query_image' is no role of this kind"),
        (lambda e: e.embed_images([], role="query_text"), "'query_text' is no role of this kind"),
        (lambda e: e.embed_texts(["mug"], batch_size=0), "batch_size must be 1 or more"),
        (lambda e: e.embed_images([], threads=0), "threads must be 1 or more"),
        (lambda e: e.embed_pixels(np.zeros((1, 8, 8, 3), np.uint8)), "Pixels must be uint8"),
        (lambda e: e.embed_pixels(np.zeros((1, 32, 32, 3), np.float32)), "not float32"),
    ],
)
def test_wrong_calls(small, call, words):
    with pytest.raises(InvalidConfig, match=words):
        call(small)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"runtime": "jax"}, "is not a runtime"),
        ({"precision": "int8"}, "is not a precision"),
        ({"runtime": "onnx", "device": "cuda"}, "onnx runtime runs on the CPU"),
        ({"runtime": "onnx", "precision": "bf16"}, "onnx runtime runs on the CPU"),
        ({"device": "cuda:99"}, "There is no device 'cuda:99'"),
        ({"runtime": "torch", "device": "toaster"}, "'toaster' is not a device"),
    ],
)
def test_contradictory_choices(checkpoints, options, words):
    with pytest.raises(InvalidConfig, match=words):
        Embedder.load(checkpoints("small"), **options)


def test_a_closed_embedder_says_so(checkpoints):
    with Embedder.load(checkpoints("small"), runtime="onnx") as embedder:
        pass
    with pytest.raises(EncoderError, match="closed"):
        embedder.embed_texts(["mug"])


def test_without_graphs_torch_is_used_and_without_torch_it_is_named(checkpoints, tmp_path, monkeypatch):
    from fourtower_encoders.joint import QueryParams
    from fourtower_encoders.saving import save_checkpoint

    folder = tmp_path / "towers"
    save_checkpoint(folder, load_model(checkpoints("small")), QueryParams(), onnx=False)
    assert Embedder.load(folder, device="cpu").runtime == "torch"
    with pytest.raises(CheckpointError, match=r"lacks image\.onnx"):
        Embedder.load(folder, runtime="onnx")
    monkeypatch.setattr("fourtower_encoders.runtimes.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"fourtower\[train\]"):
        Embedder.load(folder)


def test_a_damaged_graph_is_named(checkpoints, tmp_path):
    folder = shutil.copytree(checkpoints("small"), tmp_path / "copy")
    (folder / "text.onnx").write_bytes(b"\x08nonsense")
    with pytest.raises(CheckpointError, match=r"text\.onnx is not the file that was saved"):
        Embedder.load(folder, runtime="onnx")


def test_bf16_is_close_and_still_unit_norm(checkpoints, jpeg):
    full = Embedder.load(checkpoints("timm-bert"), runtime="torch", device="cpu")
    half = Embedder.load(checkpoints("timm-bert"), device="cpu", precision="bf16")
    assert half.runtime == "torch"
    pictures = [jpeg(n) for n in range(3)]
    cosines = _cosines(half.embed_images(pictures), full.embed_images(pictures))
    assert 0.98 < cosines.min() < 0.9999999
    assert _cosines(half.embed_texts(TEXTS), full.embed_texts(TEXTS)).min() > 0.98


@pytest.mark.parametrize("runtime", ["onnx", "torch"])
def test_many_threads_share_an_embedder(checkpoints, jpeg, runtime):
    embedder = Embedder.load(checkpoints("small"), runtime=runtime, device="cpu")
    pictures = [jpeg(n) for n in range(6)]
    wanted = embedder.embed_images(pictures), embedder.embed_texts(TEXTS)

    def work(_):
        return embedder.embed_images(pictures, batch_size=2), embedder.embed_texts(TEXTS, batch_size=2)

    with ThreadPoolExecutor(6) as pool:
        for images, texts in pool.map(work, range(12)):
            np.testing.assert_allclose(images, wanted[0], atol=1e-5)
            np.testing.assert_allclose(texts, wanted[1], atol=1e-5)


@pytest.mark.gpu
def test_a_gpu_says_the_same(checkpoints, jpeg):
    pictures = [jpeg(n) for n in range(9)]
    for kind in ("small", "timm-bert", "clip", "siglip"):
        onnx = Embedder.load(checkpoints(kind), runtime="onnx")
        exact = Embedder.load(checkpoints(kind), device="cuda", precision="fp32")
        assert Embedder.load(checkpoints(kind)).runtime == "torch"
        assert _cosines(exact.embed_images(pictures, batch_size=2), onnx.embed_images(pictures)).min() > 0.9999
        assert _cosines(exact.embed_texts(TEXTS), onnx.embed_texts(TEXTS)).min() > 0.9999


def _fresh(code: str, *arguments: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


HEAVY = "[m for m in ('torch', 'timm', 'transformers', 'matplotlib', 'onnxruntime') if m in sys.modules]"


def test_importing_loads_nothing_heavy():
    assert _fresh(f"import sys, fourtower_encoders.embedder; print({HEAVY})") == "[]"


@pytest.mark.parametrize("kind", ["small", "clip"])
def test_queries_need_no_torch(checkpoints, kind):
    code = (
        "import sys; from fourtower_encoders.embedder import Embedder; e = Embedder.load(sys.argv[1], device='cpu');"
        f"print(e.runtime, e.embed_texts(['mug']).shape, {HEAVY})"
    )
    dim = read_checkpoint(checkpoints(kind)).config.dim
    assert _fresh(code, str(checkpoints(kind))) == f"onnx (1, {dim}) ['onnxruntime']"


def test_decoding_stays_a_few_batches_ahead():
    started = 0
    lock = threading.Lock()

    def load(position):
        nonlocal started
        with lock:
            started += 1
        return np.full((16, 16, 3), position, np.uint8)

    batches = decoded_batches(load, 100, size=16, batch_size=5, threads=2)
    for number, batch in enumerate(batches):
        assert batch.pixels[:, 0, 0, 0].tolist() == list(range(batch.start, batch.start + 5))
        with lock:
            assert started <= 5 * (number + 1 + AHEAD)


def test_decoding_stops_when_its_reader_does():
    seen = []
    batches = decoded_batches(
        lambda position: seen.append(position) or np.zeros((16, 16, 3), np.uint8),
        1000,
        size=16,
        batch_size=4,
        threads=2,
    )
    next(batches)
    batches.close()
    after = len(seen)
    assert after <= 4 * (1 + AHEAD)
    assert not [t for t in threading.enumerate() if t.name.startswith("decode")]
