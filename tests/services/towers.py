"""A checkpoint that is not the shipped one: tiny towers with random weights, for what changes models."""

from __future__ import annotations

from pathlib import Path

import pytest


def make_towers(folder: Path, *, dim: int = 16, seed: int = 4) -> Path:
    """Save towers of a dimension; other seeds are other models."""
    import torch

    from fourtower_encoders.backends import resolve
    from fourtower_encoders.config import HashedText, Preprocess, SmallResNet, TowerConfig
    from fourtower_encoders.joint import QueryParams
    from fourtower_encoders.model import FourTower
    from fourtower_encoders.saving import save_checkpoint

    torch.manual_seed(seed)
    image, text = SmallResNet(width=4), HashedText(buckets=512, width=16)
    model = FourTower(resolve(TowerConfig(image=image, text=text, preprocess=Preprocess(size=32), dim=dim))).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():  # wider weights, so that different inputs give clearly different outputs
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.15)
    save_checkpoint(folder, model, QueryParams(fitted=True, kappa_image=0.5, kappa_text=0.5))
    return folder


@pytest.fixture(scope="session")
def tiny_towers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with such a checkpoint."""
    return make_towers(tmp_path_factory.mktemp("towers") / "tiny")
