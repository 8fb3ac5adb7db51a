"""Image networks of timm, their classifier removed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from fourtower_encoders.config import TimmImage
from fourtower_encoders.errors import InvalidConfig, MissingExtra


class TimmNetwork(nn.Module):
    """Any model that `timm.create_model` knows."""

    def __init__(self, config: TimmImage, *, pretrained: bool) -> None:
        super().__init__()
        self.network = _create(config, pretrained=pretrained)
        self.width = int(getattr(self.network, "head_hidden_size", None) or self.network.num_features)

    def forward(self, pixels: Tensor) -> Tensor:
        """Map normalised pixels [B, 3, H, W] to features [B, width]."""
        features: Tensor = self.network(pixels)
        return features


def published_settings(name: str) -> dict[str, Any]:
    """How the authors of a timm model prepared its pictures: input_size, mean, std, crop_pct and more."""
    _check_name(name)
    settings: dict[str, Any] = _timm().get_pretrained_cfg(name).to_dict()
    return settings


def _create(config: TimmImage, *, pretrained: bool) -> Any:
    _check_name(config.name)
    if not pretrained or not (config.pretrained or config.weights):
        return _timm().create_model(config.name, num_classes=0)
    if config.weights:
        _check_weights(config.weights)
    overlay = {"file": config.weights} if config.weights else None
    try:
        return _timm().create_model(config.name, pretrained=True, num_classes=0, pretrained_cfg_overlay=overlay)
    except Exception as error:  # the hub's client, safetensors and torch raise a dozen unrelated classes
        origin = config.weights or "the model hub"
        raise InvalidConfig(
            f"Weights for the timm model '{config.name}' can't be read from {origin}; "
            f"pass a safetensors file of that model as `weights` ({type(error).__name__})."
        ) from error


def _check_name(name: str) -> None:
    timm = _timm()
    if timm.is_model(name):
        return
    from difflib import get_close_matches

    close = get_close_matches(name, timm.list_models(), n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else "`timm.list_models()` lists all names."
    raise InvalidConfig(f"timm has no image model '{name}'; {hint}")


def _check_weights(weights: str) -> None:
    if not weights.endswith(".safetensors"):
        raise InvalidConfig(f"Weights are read from safetensors files only, not from {weights}; convert it.")
    if not Path(weights).is_file():
        raise InvalidConfig(f"The weights file {weights} doesn't exist; correct the path.")


def _timm() -> Any:
    try:
        import timm
    except ImportError as error:
        raise MissingExtra(
            "timm is not installed, and this image network needs it; run pip install 'fourtower[train]'."
        ) from error
    return timm
