"""Builds the image and text networks that a configuration names.

A network is an `nn.Module` with an attribute `width`. Image networks map normalised pixels [B, 3, H, W] to
[B, width], text networks map token ids [B, T] to [B, width] and tell padding apart by themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fourtower_encoders.backends.resolve import resolve
from fourtower_encoders.config import HashedText, ImageBackend, SmallResNet, TextBackend, TimmImage

if TYPE_CHECKING:
    from torch import nn

__all__ = ["build_image", "build_text", "resolve"]


def build_image(config: ImageBackend, *, pretrained: bool = True) -> nn.Module:
    """Build an image network.

    Args:
        config: which network.
        pretrained: False gives random weights whatever the configuration says, to be loaded over.
    """
    if isinstance(config, SmallResNet):
        from fourtower_encoders.backends.small import ResNet

        return ResNet(config)
    if isinstance(config, TimmImage):
        from fourtower_encoders.backends.timm_image import TimmNetwork

        return TimmNetwork(config, pretrained=pretrained)
    from fourtower_encoders.backends.clip import VisionNetwork

    return VisionNetwork(config, pretrained=pretrained)


def build_text(config: TextBackend, *, pretrained: bool = True) -> nn.Module:
    """Build a text network.

    Args:
        config: which network.
        pretrained: False gives random weights whatever the configuration says, to be loaded over.
    """
    if isinstance(config, HashedText):
        from fourtower_encoders.backends.small import HashedBag

        return HashedBag(config)
    if config.kind == "transformers":
        from fourtower_encoders.backends.transformers_text import TransformersNetwork

        return TransformersNetwork(config, pretrained=pretrained)
    from fourtower_encoders.backends.clip import TextNetwork

    return TextNetwork(config, pretrained=pretrained)
