"""The towers: one image network and one text network that serve four roles."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fourtower_encoders.backends import build_image, build_text
from fourtower_encoders.config import IMAGE_ROLES, ROLES, TEXT_ROLES, ImageRole, Role, TextRole, TowerConfig
from fourtower_encoders.errors import InvalidConfig


class Embeddings(NamedTuple):
    """One aligned batch: row i of each is about the same product; shapes [B, D], unit norm."""

    query_image: Tensor
    product_image: Tensor
    query_text: Tensor
    product_text: Tensor


class FourTower(nn.Module):
    """Four roles over two shared networks; the roles differ in their projection heads and means."""

    pixel_mean: Tensor
    pixel_std: Tensor

    def __init__(
        self,
        config: TowerConfig,
        *,
        image_network: nn.Module | None = None,
        text_network: nn.Module | None = None,
        pretrained: bool = True,
    ) -> None:
        """Build the towers; a ready network may replace one that the configuration describes."""
        super().__init__()
        self.config = config
        self.image_network = image_network or build_image(config.image, pretrained=pretrained)
        self.text_network = text_network or build_text(config.text, pretrained=pretrained)
        self.image_heads = _heads(config, IMAGE_ROLES, _width(self.image_network))
        self.text_heads = _heads(config, TEXT_ROLES, _width(self.text_network))
        # Fitted after training; zero means leave the embeddings as they are.
        for role in ROLES:
            self.register_buffer(f"mean_{role}", torch.zeros(config.dim))
        mean, std = (torch.tensor(values) * 255 for values in (config.preprocess.mean, config.preprocess.std))
        self.register_buffer("pixel_mean", mean.view(3, 1, 1), persistent=False)
        self.register_buffer("pixel_std", std.view(3, 1, 1), persistent=False)

    def encode_image(self, pixels: Tensor, role: ImageRole) -> Tensor:
        """Map uint8 pixels [B, S, S, 3] to unit vectors [B, D], before centring."""
        return self._project(self.image_features(pixels), role)

    def encode_text(self, ids: Tensor, role: TextRole) -> Tensor:
        """Map token ids [B, T] to unit vectors [B, D], before centring."""
        return self._project(self.text_network(ids), role)

    def embed_image(self, pixels: Tensor, role: ImageRole) -> Tensor:
        """What is indexed and searched: `encode_image`, centred on the role's mean."""
        return self.centre(self.encode_image(pixels, role), role)

    def embed_text(self, ids: Tensor, role: TextRole) -> Tensor:
        """What is indexed and searched: `encode_text`, centred on the role's mean."""
        return self.centre(self.encode_text(ids, role), role)

    def forward(
        self, query_image: Tensor, product_image: Tensor, query_text: Tensor, product_text: Tensor
    ) -> Embeddings:
        """Encode an aligned batch, both texts padded to one length; each network runs once over its two roles."""
        images = self.image_features(torch.cat([query_image, product_image]))  # [2 B, width]
        texts = self.text_network(torch.cat([query_text, product_text]))  # [2 B, width]
        photos, views = images.chunk(2)
        words, titles = texts.chunk(2)
        return Embeddings(
            self._project(photos, "query_image"),
            self._project(views, "product_image"),
            self._project(words, "query_text"),
            self._project(titles, "product_text"),
        )

    def image_features(self, pixels: Tensor) -> Tensor:
        """Run the image network on uint8 [B, S, S, 3]; seen as [B, 3, S, S] that is channels-last already."""
        x = (pixels.permute(0, 3, 1, 2).float() - self.pixel_mean) / self.pixel_std
        features: Tensor = self.image_network(x)
        return features

    def embed_features(self, features: Tensor, role: Role) -> Tensor:
        """Finish what a network began: project its features [B, width] for a role and centre them."""
        return self.centre(self._project(features, role), role)

    def centre(self, embedding: Tensor, role: Role) -> Tensor:
        """Subtract the role's mean and return to unit norm; shapes [B, D]."""
        mean: Tensor = getattr(self, f"mean_{role}")
        return F.normalize(embedding - mean, dim=-1)

    def _project(self, features: Tensor, role: Role) -> Tensor:
        heads = self.image_heads if role in IMAGE_ROLES else self.text_heads
        name = role if role in heads else "shared"
        return F.normalize(heads[name](features).float(), dim=-1)


def _heads(config: TowerConfig, roles: tuple[Role, ...], width: int) -> nn.ModuleDict:
    """The projection heads of one modality: one per role, or a single shared one."""
    names = roles if config.heads_per_role else ("shared",)
    return nn.ModuleDict({name: _head(config, width) for name in names})


def _head(config: TowerConfig, width: int) -> nn.Module:
    if config.head == "linear":
        return nn.Sequential(nn.LayerNorm(width), nn.Linear(width, config.dim, bias=False))
    if config.head == "mlp":
        return nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, config.dim, bias=False)
        )
    if width != config.dim:
        raise InvalidConfig(f"head 'none' needs dim {width}, the network's own width, not {config.dim}.")
    return nn.Identity()


def _width(network: nn.Module) -> int:
    return int(network.width)  # type: ignore[arg-type]  # every back-end declares it
