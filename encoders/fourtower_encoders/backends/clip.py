"""The two halves of CLIP and SigLIP checkpoints, each a whole tower with its own projection."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from fourtower_encoders.backends.source import read_config, read_weights, transformers
from fourtower_encoders.config import TransformersText, VisionTransformer
from fourtower_encoders.errors import InvalidConfig

_NETWORKS = {
    "clip": ("CLIPVisionModelWithProjection", "CLIPVisionConfig"),
    "clip-text": ("CLIPTextModelWithProjection", "CLIPTextConfig"),
    "siglip": ("SiglipVisionModel", "SiglipVisionConfig"),
    "siglip-text": ("SiglipTextModel", "SiglipTextConfig"),
}


class VisionNetwork(nn.Module):
    """The image half: what `get_image_features` of transformers gives."""

    def __init__(self, config: VisionTransformer, *, pretrained: bool) -> None:
        super().__init__()
        self.network = _create(config, pretrained=pretrained)
        self.projected = config.kind == "clip"
        described = self.network.config
        self.width = int(described.projection_dim if self.projected else described.hidden_size)

    def forward(self, pixels: Tensor) -> Tensor:
        """Map normalised pixels [B, 3, H, W] to features [B, width]."""
        output = self.network(pixel_values=pixels)
        features: Tensor = output.image_embeds if self.projected else output.pooler_output
        return features


class TextNetwork(nn.Module):
    """The text half: what `get_text_features` of transformers gives.

    Neither needs a mask. CLIP looks to the left only and reads its end token, so padding after it never
    counts; SigLIP was trained on texts padded to one length, without a mask.
    """

    def __init__(self, config: TransformersText, *, pretrained: bool) -> None:
        super().__init__()
        self.network = _create(config, pretrained=pretrained)
        self.projected = config.kind == "clip-text"
        described = self.network.config
        self.pad_id = int(config.architecture.get("pad_token_id", described.pad_token_id or 0))
        self.width = int(described.projection_dim if self.projected else described.projection_size)

    def forward(self, ids: Tensor) -> Tensor:
        """Map token ids [B, T] to features [B, width]."""
        output = self.network(input_ids=ids)
        features: Tensor = output.text_embeds if self.projected else output.pooler_output
        return features


def architecture_of(config: VisionTransformer | TransformersText) -> Any:
    """The configuration object of one half, from what was saved or from its source."""
    described_by = getattr(transformers(), _NETWORKS[config.kind][1])
    if config.architecture:
        return described_by(**config.architecture)
    whole = read_config(config.source)
    family = config.kind.removesuffix("-text")
    if whole.model_type != family:
        raise InvalidConfig(f"{config.source} holds a '{whole.model_type}' model, not '{family}'; correct `kind`.")
    half = whole.text_config if config.kind.endswith("-text") else whole.vision_config
    if family == "clip":
        half.projection_dim = whole.projection_dim  # the whole model's value is the one that it uses
    return half


def _create(config: VisionTransformer | TransformersText, *, pretrained: bool) -> Any:
    network = getattr(transformers(), _NETWORKS[config.kind][0])
    described = architecture_of(config)
    if pretrained and config.pretrained and config.source:
        return read_weights(network, config.source, described)
    return network(described)
