"""The small pair that trains from scratch on a CPU: a residual image network and a hashing text network."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fourtower_encoders.config import HashedText, SmallResNet


class ResNet(nn.Module):
    """Stem and four stages of one residual block; the resolution halves as the width doubles."""

    def __init__(self, config: SmallResNet) -> None:
        super().__init__()
        widths = [config.width * factor for factor in (1, 1, 2, 4, 8)]
        self.stem = _conv(3, widths[0], stride=2, norm=config.norm)
        strides = (1, 2, 2, 2)
        self.stages = nn.Sequential(
            *(
                _Block(narrow, wide, stride=stride, norm=config.norm)
                for narrow, wide, stride in zip(widths[:-1], widths[1:], strides, strict=True)
            )
        )
        self.width = widths[-1]

    def forward(self, pixels: Tensor) -> Tensor:
        """Map normalised pixels [B, 3, H, W] to features [B, width]."""
        features: Tensor = self.stages(torch.relu(self.stem(pixels)))  # [B, width, H/16, W/16]
        return features.mean(dim=(2, 3))


class _Block(nn.Module):
    """Two 3x3 convolutions around a shortcut."""

    def __init__(self, narrow: int, wide: int, *, stride: int, norm: str) -> None:
        super().__init__()
        self.first = _conv(narrow, wide, stride=stride, norm=norm)
        self.second = _conv(wide, wide, stride=1, norm=norm)
        same = narrow == wide and stride == 1
        self.shortcut = nn.Identity() if same else _conv(narrow, wide, stride=stride, norm=norm, kernel=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.second(torch.relu(self.first(x))) + self.shortcut(x))


def _conv(narrow: int, wide: int, *, stride: int, norm: str, kernel: int = 3) -> nn.Sequential:
    """A convolution and its normalisation; the bias would be cancelled by the latter."""
    convolution = nn.Conv2d(narrow, wide, kernel, stride=stride, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(wide) if norm == "batch" else nn.GroupNorm(4, wide))


class HashedBag(nn.Module):
    """The mean of hashed word and trigram embeddings, refined by a two-layer network."""

    def __init__(self, config: HashedText) -> None:
        super().__init__()
        self.table = nn.Embedding(config.buckets, config.width, padding_idx=0)
        nn.init.normal_(self.table.weight, std=config.width**-0.5)
        self.mlp = nn.Sequential(
            nn.LayerNorm(config.width),
            nn.Linear(config.width, 2 * config.width),
            nn.GELU(),
            nn.Linear(2 * config.width, config.width),
        )
        self.width = config.width

    def forward(self, ids: Tensor) -> Tensor:
        """Map bucket numbers [B, T], 0 where padded, to features [B, width]."""
        known = (ids != 0).unsqueeze(-1)  # [B, T, 1]
        total = (self.table(ids) * known).sum(dim=1)  # [B, width]
        mean = total / known.sum(dim=1).clamp(min=1)
        features: Tensor = mean + self.mlp(mean)
        return features
