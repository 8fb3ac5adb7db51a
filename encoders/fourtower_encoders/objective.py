"""What the towers are trained for: the variants by name, and their sum of named loss terms.

With photos q, product images p, product texts t and short queries s:

    dml              L(q, p)
    clip             1/2 [L(q, t) + L(p, t)]
    3-tower          L(q, p) + lambda/2 [L(q, t) + L(p, t)]
    4-tower          3-tower + mu/2 [L(s, p) + L(s, t)]
    4-tower+composed 4-tower + nu L(photo and words, product)

The first four are the paper's; the last one trains the very inner product that search uses (`joint.py`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from fourtower_encoders.config import Frozen
from fourtower_encoders.losses import contrast, info_nce, similarity
from fourtower_encoders.model import Embeddings

Variant = Literal["dml", "clip", "3-tower", "4-tower", "4-tower+composed"]
VARIANTS: tuple[Variant, ...] = get_args(Variant)
MAX_SCALE = 100.0


class LossConfig(Frozen):
    """The weight of each group of terms, and how composed queries are sampled."""

    image_text: float = 1.0
    """Lambda of the formula."""
    query_text: float = 1.0
    """Mu of the formula."""
    composed: float = 0.5
    """Nu of the formula."""
    initial_scale: float = 1 / 0.07
    drop_modality: float = 0.15
    """How often a composed query loses its photo; as often it loses its words."""


@dataclass(frozen=True)
class Masks:
    """Which rows of a batch belong together; bool [B, B], row = query side, column = product side."""

    same: Tensor
    """The same product."""
    same_text: Tensor
    """The same product, or one with the very same text: nobody could tell which of them a text means."""
    answers: Tensor
    """The product answers the short query."""
    variants: Tensor
    """Another product of the same group: neither right nor wrong."""


def masks(product: Tensor, group: Tensor, text: Tensor, query: Tensor, answered: Tensor) -> Masks:
    """Build the masks from numbers that stand for the batch's rows.

    Args:
        product: product of each row, [B].
        group: its group of variants, [B]; -1 where it has none.
        text: number of its product text, equal for equal texts, [B].
        query: number of its short query, [B]; -1 where it has none.
        answered: all short queries that its product answers, padded with -2, [B, Q].
    """
    same = product[:, None] == product
    variants = (group[:, None] == group) & (group >= 0)[:, None] & ~same
    answers = (query[:, None, None] == answered).any(dim=2)
    return Masks(same, same | (text[:, None] == text), answers, variants)


class Objective(nn.Module):
    """The loss of one variant; owns the learnable temperature of each group of terms."""

    def __init__(self, variant: Variant, config: LossConfig | None = None) -> None:
        super().__init__()
        self.variant = variant
        self.config = config or LossConfig()
        names = ("image_image", "image_text", "query_text", "composed")
        start = math.log(self.config.initial_scale)
        self.log_scales = nn.ParameterDict({name: nn.Parameter(torch.tensor(start)) for name in names})

    def forward(self, e: Embeddings, m: Masks, generator: torch.Generator) -> dict[str, Tensor]:
        """Return the weighted terms by name; their sum is the loss."""
        c = self.config
        terms: dict[str, Tensor] = {}
        if self.variant != "clip":
            scale = self.scale("image_image")
            loss = info_nce(e.query_image, e.product_image, m.same, scale=scale, ignore=m.variants)
            terms["query_image~product_image"] = loss
        if self.variant != "dml":
            for name, image in (("query_image", e.query_image), ("product_image", e.product_image)):
                scale = self.scale("image_text")
                loss = info_nce(image, e.product_text, m.same_text, scale=scale, ignore=m.variants)
                terms[f"{name}~product_text"] = c.image_text / 2 * loss
        if self.variant in ("4-tower", "4-tower+composed"):
            for name, side in (("product_image", e.product_image), ("product_text", e.product_text)):
                scale = self.scale("query_text")
                loss = info_nce(e.query_text, side, m.answers, scale=scale, ignore=m.variants)
                terms[f"query_text~{name}"] = c.query_text / 2 * loss
        if self.variant == "4-tower+composed":
            terms["composed~product"] = c.composed * self._composed(e, m, generator)
        return terms

    def scale(self, name: str) -> Tensor:
        """The inverse temperature of a group of terms, never above 100."""
        log_scale: Tensor = self.log_scales[name]
        return log_scale.exp().clamp(max=MAX_SCALE)

    def _composed(self, e: Embeddings, m: Masks, generator: torch.Generator) -> Tensor:
        """Photo and words against product image and text, as `joint.query_vectors` would score them."""
        amount = self._photo_amounts(len(e.query_image), generator).to(e.query_image.device)  # [B, 1]
        w_ii, w_it, w_ti, w_tt = torch.empty(4).uniform_(0.3, 1.0, generator=generator).tolist()
        photo = w_ii * similarity(e.query_image, e.product_image)
        photo = photo + w_it * similarity(e.query_image, e.product_text)
        words = w_ti * similarity(e.query_text, e.product_image)
        words = words + w_tt * similarity(e.query_text, e.product_text)
        logits = self.scale("composed") * (amount * photo + (1 - amount) * words)  # [B, B]
        # Words alone are answered by every product that fits them, not only by the photographed one.
        positive = torch.where(amount > 0, m.same, m.answers | m.same)
        return contrast(logits, positive, ignore=m.variants)

    def _photo_amounts(self, rows: int, generator: torch.Generator) -> Tensor:
        """The photo's share in each composed query [B, 1]: 0.2 to 0.8, or all or nothing when one is dropped."""
        amount = torch.empty(rows, 1).uniform_(0.2, 0.8, generator=generator)
        luck = torch.rand(rows, 1, generator=generator)
        drop = self.config.drop_modality
        return amount.masked_fill(luck < drop, 0.0).masked_fill(luck > 1 - drop, 1.0)
