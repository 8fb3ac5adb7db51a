"""One training run from a data folder to a fitted, measured checkpoint; the command line is a thin shell around it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from fourtower_encoders.backends import resolve
from fourtower_encoders.backends.resolve import published_preprocess
from fourtower_encoders.backends.source import read_tokenizer
from fourtower_encoders.checkpoint import RUN_CHECKPOINT, Checkpoint, load_model, locate, read_checkpoint
from fourtower_encoders.config import (
    HashedText,
    ImageBackend,
    Preprocess,
    SmallResNet,
    TextBackend,
    TimmImage,
    TowerConfig,
    TransformersText,
    VisionTransformer,
)
from fourtower_encoders.embedder import Embedder
from fourtower_encoders.errors import InvalidConfig
from fourtower_encoders.evaluate import embed_dataset
from fourtower_encoders.fitting import save_fitted, set_means
from fourtower_encoders.manifest import Dataset, OnBad, load_dataset
from fourtower_encoders.metrics_log import draw_curves
from fourtower_encoders.model import FourTower
from fourtower_encoders.saving import check_target
from fourtower_encoders.scoring import Evaluation, score
from fourtower_encoders.tokens import build_tokenizer
from fourtower_encoders.train import OnStep, TrainConfig, train
from fourtower_encoders.training_data import Progress, TrainingData, load_training_data, readable, without_pictures
from fourtower_encoders.weights import Precision


def towers(image: str, text: str, *, pretrained: bool, width: int, image_size: int, dim: int) -> TowerConfig:
    """Make a configuration from short names such as `timm:vit_tiny_patch16_224` or `transformers:./minilm`."""
    image_backend = _image_backend(image, width=width, pretrained=pretrained)
    preprocess = Preprocess(size=image_size)
    if not isinstance(image_backend, SmallResNet):
        preprocess = published_preprocess(image_backend)
    if isinstance(image_backend, TimmImage):
        preprocess = preprocess.model_copy(update={"size": image_size})
    text_backend = _text_backend(text, pretrained=pretrained)
    return resolve(TowerConfig(image=image_backend, text=text_backend, preprocess=preprocess, dim=dim))


def _image_backend(name: str, *, width: int, pretrained: bool) -> ImageBackend:
    kind, _, source = name.partition(":")
    if name == "small":
        return SmallResNet(width=width)
    if kind == "timm" and source:
        return TimmImage(name=source, pretrained=pretrained)
    if kind in ("clip", "siglip") and source:
        return VisionTransformer(kind=kind, source=source, pretrained=pretrained)
    raise InvalidConfig(f"--image {name!r} is not known. Use small, timm:NAME, clip:SOURCE or siglip:SOURCE.")


def _text_backend(name: str, *, pretrained: bool) -> TextBackend:
    kind, _, source = name.partition(":")
    kinds = {"transformers": "transformers", "clip": "clip-text", "siglip": "siglip-text"}
    if name == "hashed":
        return HashedText()
    if kind in kinds and source:
        return TransformersText(kind=kinds[kind], source=source, pretrained=pretrained)
    raise InvalidConfig(f"--text {name!r} is not known. Use hashed, transformers:SOURCE, clip:SOURCE or siglip:SOURCE.")


class TrainingRun:
    """Loads, trains, fits and measures, in this order."""

    def __init__(
        self,
        data: Path,
        out: Path,
        config: TowerConfig,
        training: TrainConfig,
        *,
        device: str = "cpu",
        start_from: str | Path | None = None,
        on_bad: OnBad = "fail",
    ) -> None:
        self.data, self.out, self.device = data, out, device
        self.training, self._on_bad = training, on_bad
        self._started = read_checkpoint(locate(start_from)) if start_from else None
        self.config = self._started.config if self._started else config
        self._text_source = "" if isinstance(config.text, HashedText) else config.text.source
        self.bad: list[str] = []

    @property
    def checkpoint_folder(self) -> Path:
        """Where the fitted towers are saved."""
        return self.out / RUN_CHECKPOINT

    def load(self, *, progress: Progress | None = None) -> None:
        """Read all splits and decode the pictures of the training split.

        Raises:
            ManifestError: a line or a picture is bad and bad ones are not to be skipped.
            CheckpointError: something else lies where the checkpoint would go.
        """
        self.out.mkdir(parents=True, exist_ok=True)
        check_target(self.checkpoint_folder)
        train_split = load_dataset(self.data, "train", on_bad=self._on_bad)
        self._val_split = self._readable("val")
        # Whatever is wrong with it should not come to light after the training.
        self._test_split = self._readable("test") if (self.data / "queries.test.jsonl").exists() else None
        self._tokenizer_file = self._tokenizer()
        tokenizer = build_tokenizer(self.config.text, self._tokenizer_file)
        self._arrays: TrainingData = load_training_data(
            train_split, tokenizer, self.config.preprocess, on_bad=self._on_bad, progress=progress
        )
        self._train_split = without_pictures(train_split, self._arrays.bad)
        splits = (self._train_split, self._val_split, self._test_split)
        # Splits that share one products file share its bad lines.
        self.bad = list(dict.fromkeys(sentence for split in splits if split for sentence in split.bad))

    def _readable(self, split: str) -> Dataset:
        return readable(load_dataset(self.data, split, on_bad=self._on_bad), on_bad=self._on_bad)

    def train(self, *, resume: bool = False, on_step: OnStep | None = None) -> None:
        """Run the loop; the state to resume from is kept in the output folder."""
        torch.manual_seed(self.training.seed)
        self._model = load_model(self._started.folder) if self._started else FourTower(self.config)
        set_means(self._model, {})  # they are fitted anew
        train(
            self._model,
            self._arrays,
            self.training,
            out=self.out,
            resume=resume,
            device=self.device,
            on_step=on_step,
        )

    def finish(self, *, precision: Precision = "float32", facts: dict[str, Any] | None = None) -> Checkpoint:
        """Save, fit and export the towers and draw the curves."""
        draw_curves(self.out)
        provenance = {
            "data": self.data.name,
            "products": len(self._train_split.products),
            "pairs": len(self._arrays.pair_photo),
            "training": self.training.model_dump(mode="json"),
            **(facts or {}),
        }
        return save_fitted(
            self.checkpoint_folder,
            self._model.cpu().float(),
            self._train_split,
            self._val_split,
            tokenizer_file=self._tokenizer_file,
            provenance=provenance,
            device=self.device,
            precision=precision,
        )

    def evaluate(self) -> Evaluation:
        """Measure the saved checkpoint on the test split, or on validation where there is none."""
        split = self._test_split or self._val_split
        with Embedder.load(self.checkpoint_folder) as embedder:
            return score(embed_dataset(embedder, split), embedder.params)

    def _tokenizer(self) -> Path | None:
        """The `tokenizer.json` of the text network, kept in the output folder."""
        if isinstance(self.config.text, HashedText):
            return None
        if self._started:
            return self._started.file("tokenizer.json")
        path = self.out / "tokenizer.json"
        draft = self.out / f".tokenizer.{os.getpid()}"  # all processes write it, and none may read half of it
        draft.write_text(read_tokenizer(self._text_source)[0], encoding="utf-8")
        return draft.replace(path)
