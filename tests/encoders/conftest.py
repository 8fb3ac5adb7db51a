"""Tiny models of every kind of back-end, made from scratch once per session, data, and a host on loopback."""

from __future__ import annotations

import io
import string
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.encoders.image_host import Host, only, policy_for, serve

from fourtower_encoders.fetching import ImageFetcher

WORDS = ("red", "shoe", "green", "mug", "leather", "bag", "small", "lamp")


def _vocabulary(start: list[str], *, suffix: str = "", middle: str = "") -> dict[str, int]:
    letters = list(string.ascii_lowercase + string.digits)
    pieces = [*start, *(f"{word}{suffix}" for word in WORDS), *letters, *(f"{middle}{c}{suffix}" for c in letters)]
    return {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}


def _enliven(model) -> None:
    """Widen random weights, so that different inputs give clearly different outputs."""
    import torch

    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.15)


@pytest.fixture(scope="session")
def jpeg() -> Callable[..., bytes]:
    """Makes a JPEG of smooth colours: `jpeg(seed, size=(w, h))`."""

    def make(seed: int, size: tuple[int, int] = (90, 60), format: str = "JPEG") -> bytes:
        noise = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC).save(buffer, format, quality=92)
        return buffer.getvalue()

    return make


@pytest.fixture(scope="session")
def bert_source(tmp_path_factory) -> Path:
    """A transformers folder with a two-layer BERT and its WordPiece tokenizer."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    vocabulary = _vocabulary(["[PAD]", "[UNK]", "[CLS]", "[SEP]"], middle="##")
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    folder = tmp_path_factory.mktemp("bert")
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )
    wrapped.save_pretrained(folder)
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=24,
    )
    model = BertModel(config)
    _enliven(model)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def clip_source(tmp_path_factory) -> Path:
    """A transformers folder with a tiny CLIP, its tokenizer and its image settings."""
    import torch
    from tokenizers import pre_tokenizers
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTokenizer

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = [*alphabet, *(f"{c}</w>" for c in alphabet), "<|startoftext|>", "<|endoftext|>"]
    folder = tmp_path_factory.mktemp("clip")
    CLIPTokenizer(vocab={piece: n for n, piece in enumerate(pieces)}, merges=[]).save_pretrained(folder)
    CLIPImageProcessor(size={"shortest_edge": 36}, crop_size={"height": 32, "width": 32}).save_pretrained(folder)
    torch.manual_seed(2)
    layers = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
    ends = {"bos_token_id": len(pieces) - 2, "eos_token_id": len(pieces) - 1}
    text = layers | ends | {"vocab_size": len(pieces), "max_position_embeddings": 40}
    vision = layers | {"image_size": 32, "patch_size": 8}
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=24))
    _enliven(model)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def siglip_source(tmp_path_factory) -> Path:
    """A transformers folder with a tiny SigLIP, its tokenizer and its image settings."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast, SiglipConfig, SiglipImageProcessor, SiglipModel

    vocabulary = _vocabulary(["<unk>", "</s>"], middle="##")
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A $B </s>", special_tokens=[("</s>", 1)]
    )
    folder = tmp_path_factory.mktemp("siglip")
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="</s>", unk_token="<unk>", eos_token="</s>")
    wrapped.save_pretrained(folder)
    SiglipImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    torch.manual_seed(3)
    layers = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
    # The stated padding is wrong on purpose, as it is in published models: the tokenizer's counts.
    text = layers | {"vocab_size": len(vocabulary), "max_position_embeddings": 16, "pad_token_id": 7}
    vision = layers | {"image_size": 32, "patch_size": 8}
    model = SiglipModel(SiglipConfig(text_config=text, vision_config=vision))
    _enliven(model)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory, request) -> Callable[[str], Path]:
    """Saves towers of a kind at their first use; `small` and `timm-bert` have means that are not zero."""
    made: dict[str, Path] = {}

    def make(kind: str) -> Path:
        if kind not in made:
            folder = tmp_path_factory.mktemp("checkpoint") / kind
            _save(kind, folder, request)
            made[kind] = folder
        return made[kind]

    return make


def _save(kind: str, folder: Path, request) -> None:
    import torch

    from fourtower_encoders.backends import resolve
    from fourtower_encoders.backends.source import read_tokenizer
    from fourtower_encoders.config import Preprocess, SmallResNet, TimmImage, TowerConfig, TransformersText
    from fourtower_encoders.importing import import_model
    from fourtower_encoders.joint import QueryParams
    from fourtower_encoders.model import FourTower
    from fourtower_encoders.saving import save_checkpoint

    def fit(model, tokenizer):
        generator = torch.Generator().manual_seed(7)
        for role in ("query_image", "product_image", "query_text", "product_text"):
            getattr(model, f"mean_{role}").copy_(torch.randn(model.config.dim, generator=generator) / 8)
        return QueryParams(fitted=True)

    if kind in ("clip", "siglip"):
        import_model(request.getfixturevalue(f"{kind}_source"), folder)
        return
    torch.manual_seed(4)
    tokenizer_file = None
    if kind == "small":
        config = TowerConfig(image=SmallResNet(width=8), preprocess=Preprocess(size=32), dim=16)
    else:
        source = request.getfixturevalue("bert_source")
        tokenizer_file = folder.with_suffix(".json")
        tokenizer_file.write_text(read_tokenizer(str(source)).text)
        config = TowerConfig(
            image=TimmImage(name="test_vit"),
            text=TransformersText(source=str(source), max_tokens=16),
            preprocess=Preprocess(size=160, resize="crop", crop_pct=0.9, interpolation="bicubic"),
            dim=24,
            head="mlp",
            heads_per_role=True,
        )
    model = FourTower(resolve(config)).eval()
    _enliven(model)
    save_checkpoint(folder, model, fit(model, None), tokenizer_file=tokenizer_file)


@pytest.fixture(scope="session")
def catalog(tmp_path_factory) -> Path:
    """A drawn data folder of 60 products with all three splits; copy it before changing anything."""
    from fourtower_encoders.synth import SynthConfig, write_catalog

    folder = tmp_path_factory.mktemp("data") / "catalog"
    config = SynthConfig(products=60, seed=3, size=32, photos=2, val_share=0.2, test_share=0.2, tasks_per_kind=4)
    write_catalog(folder, config)
    return folder


@pytest.fixture(scope="session")
def make_arrays() -> Callable[..., object]:
    """Makes training data in memory; each product has a colour pattern, words and a category of its own."""
    from fourtower_encoders.training_data import TrainingData

    def make(products: int = 16, *, photos: int = 2, size: int = 16, seed: int = 0) -> TrainingData:
        rng = np.random.default_rng(seed)
        side = round(size * 9 / 8)
        patterns = rng.integers(30, 220, (products, 3, 3, 3), dtype=np.uint8)
        grid = np.arange(side) * 3 // side
        views = patterns[:, grid][:, :, grid]
        shots = np.repeat(views, photos, axis=0)
        shots = shots + rng.integers(0, 30, shots.shape, dtype=np.uint8)
        numbers = np.arange(products)
        queries = rng.integers(1, 64, (products + 5, 6))
        queries[-1] = 0
        return TrainingData(
            pixels=np.concatenate([shots, views]),
            pair_photo=np.arange(products * photos),
            pair_product=np.repeat(numbers, photos),
            views=[np.array([products * photos + number]) for number in numbers],
            titles=rng.integers(1, 64, (products, 6)),
            queries=queries,
            answered=np.stack([numbers, products + numbers % 4], axis=1),
            group=np.where(numbers < 2, 0, -1),
            text=numbers,
            category=numbers % 4,
            bad={},
        )

    return make


@pytest.fixture(scope="session")
def make_towers() -> Callable[..., object]:
    """Makes tiny towers that fit `make_arrays`; equal seeds give equal weights."""
    import torch

    from fourtower_encoders.config import HashedText, Preprocess, SmallResNet, TowerConfig
    from fourtower_encoders.model import FourTower

    def make(*, norm: str = "batch", seed: int = 0, size: int = 16, **networks: object) -> FourTower:
        image, text = SmallResNet(width=4, norm=norm), HashedText(buckets=64, width=8)
        torch.manual_seed(seed)
        return FourTower(TowerConfig(image=image, text=text, preprocess=Preprocess(size=size), dim=8), **networks)

    return make


@pytest.fixture
def host() -> Iterator[Host]:
    yield from serve(Host())


@pytest.fixture
def fetcher(host: Host) -> Iterator[ImageFetcher]:
    """Trusts `host` under any name below `.test`."""
    with ImageFetcher(policy_for(host), resolver=only("127.0.0.1")) as fetcher:
        yield fetcher
