"""What a pair of towers is: back-ends, heads and preprocessing, frozen and saved beside the weights."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Role = Literal["query_image", "product_image", "query_text", "product_text"]
ImageRole = Literal["query_image", "product_image"]
TextRole = Literal["query_text", "product_text"]
IMAGE_ROLES: tuple[ImageRole, ImageRole] = ("query_image", "product_image")
TEXT_ROLES: tuple[TextRole, TextRole] = ("query_text", "product_text")
ROLES: tuple[Role, ...] = (*IMAGE_ROLES, *TEXT_ROLES)

SCHEMA_VERSION: Literal[1] = 1
"""Raised when an older reader could no longer understand a saved configuration."""


class Frozen(BaseModel):
    """Base of configurations: immutable, hashable by content, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SmallResNet(Frozen):
    """A residual network small enough to train on a CPU; four stages of one block each."""

    kind: Literal["small-resnet"] = "small-resnet"
    width: int = Field(default=24, ge=4, le=256)
    norm: Literal["batch", "group"] = "batch"
    """Group norm is slower on a CPU, but does not look at the rest of the batch."""


class TimmImage(Frozen):
    """Any image model of timm, its classifier removed."""

    kind: Literal["timm"] = "timm"
    name: str
    pretrained: bool = False
    """Start from published weights; ignored when a saved checkpoint is loaded."""
    weights: str | None = None
    """A local weights file (safetensors) to start from instead of the hub."""


class VisionTransformer(Frozen):
    """The image half of a CLIP or SigLIP checkpoint of transformers."""

    kind: Literal["clip", "siglip"]
    source: str = ""
    """Hub name or local folder to start from; not needed once `architecture` is known."""
    pretrained: bool = True
    """Start from the source's weights; ignored when a saved checkpoint is loaded."""
    architecture: dict[str, Any] = {}
    """The source's vision configuration, filled in when the towers are built."""


class HashedText(Frozen):
    """Words and character trigrams hashed into one table of embeddings, averaged, then a small MLP."""

    kind: Literal["hashed"] = "hashed"
    buckets: int = Field(default=4096, ge=64, le=1 << 22)
    width: int = Field(default=96, ge=8, le=2048)
    max_tokens: int = Field(default=96, ge=4, le=1024)


class TransformersText(Frozen):
    """Any text network of transformers, or the text half of a CLIP or SigLIP checkpoint."""

    kind: Literal["transformers", "clip-text", "siglip-text"] = "transformers"
    source: str = ""
    """Hub name or local folder to start from; not needed once `architecture` is known."""
    pretrained: bool = True
    """Start from the source's weights; ignored when a saved checkpoint is loaded."""
    pooling: Literal["mean", "cls"] = "mean"
    """How token states become one vector; CLIP and SigLIP pool by themselves."""
    max_tokens: int = Field(default=64, ge=4, le=8192)
    architecture: dict[str, Any] = {}
    """The source's text configuration, filled in when the towers are built."""


class Preprocess(Frozen):
    """From a decoded picture to the pixels that the image network sees."""

    size: int = Field(default=64, ge=16, le=1024)
    resize: Literal["squash", "crop", "pad"] = "pad"
    """Non-square pictures: stretched, cropped in the centre, or padded with white."""
    crop_pct: float = Field(default=1.0, gt=0.0, le=1.0)
    """Share of the resized picture that a centre crop keeps (timm's convention)."""
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    decode_margin: float = Field(default=1.0, ge=1.0, le=16.0)
    """A big JPEG is decoded at a fraction of its size, at least this many times what is needed: more is
    slower, and nearer to decoding all of it."""
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.25, 0.25, 0.25)


ImageBackend = Annotated[SmallResNet | TimmImage | VisionTransformer, Field(discriminator="kind")]
TextBackend = Annotated[HashedText | TransformersText, Field(discriminator="kind")]


class TowerConfig(Frozen):
    """One image network and one text network that serve four roles.

    The networks are shared between the query and the product side, as in the paper; the small
    projection heads are shared too unless `heads_per_role` is set.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    image: ImageBackend = SmallResNet()
    text: TextBackend = HashedText()
    preprocess: Preprocess = Preprocess()
    dim: int = Field(default=128, ge=8, le=4096)
    head: Literal["linear", "mlp", "none"] = "linear"
    """`none` uses the networks' own output, whose width must then equal `dim`."""
    heads_per_role: bool = False
