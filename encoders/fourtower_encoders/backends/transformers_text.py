"""Text networks of transformers: token states pooled into one vector."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from fourtower_encoders.backends.source import read_config, read_weights, transformers
from fourtower_encoders.config import TransformersText
from fourtower_encoders.errors import InvalidConfig


class TransformersNetwork(nn.Module):
    """Any encoder that transformers' `AutoModel` knows."""

    def __init__(self, config: TransformersText, *, pretrained: bool) -> None:
        super().__init__()
        self.network = _create(config, pretrained=pretrained)
        self.pooling = config.pooling
        self.pad_id = int(config.architecture.get("pad_token_id", self.network.config.pad_token_id or 0))
        self.width = int(self.network.config.hidden_size)

    def forward(self, ids: Tensor) -> Tensor:
        """Map token ids [B, T] to features [B, width]; padding is ignored."""
        mask = ids != self.pad_id  # [B, T]
        # A text of padding alone would leave attention nothing to look at, and give NaN.
        mask = torch.cat([torch.ones_like(mask[:, :1]), mask[:, 1:]], dim=1)
        states: Tensor = self.network(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        if self.pooling == "cls":
            return states[:, 0]
        counted = mask.unsqueeze(-1).to(states.dtype)  # [B, T, 1]
        return (states * counted).sum(dim=1) / counted.sum(dim=1)


def _create(config: TransformersText, *, pretrained: bool) -> Any:
    library = transformers()
    described = architecture_of(config)
    if pretrained and config.pretrained and config.source:
        return read_weights(library.AutoModel, config.source, described)
    return library.AutoModel.from_config(described)


def architecture_of(config: TransformersText) -> Any:
    """The configuration object of a text network, from what was saved or from its source."""
    if config.architecture:
        return transformers().AutoConfig.for_model(**config.architecture)
    described = read_config(config.source)
    if described.is_encoder_decoder or not hasattr(described, "hidden_size"):
        raise InvalidConfig(f"'{config.source}' is not a text encoder but '{described.model_type}'; choose another.")
    return described
