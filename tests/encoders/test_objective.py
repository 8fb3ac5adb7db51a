"""The variants: which terms they have, who counts as positive, and what the composed term scores."""

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from fourtower_encoders.joint import QueryParams, Weights, product_rows, query_vectors
from fourtower_encoders.losses import contrast
from fourtower_encoders.model import Embeddings
from fourtower_encoders.objective import MAX_SCALE, VARIANTS, LossConfig, Masks, Objective, masks

B, D = 6, 8


def batch(seed: int = 0) -> Embeddings:
    generator = torch.Generator().manual_seed(seed)
    return Embeddings(*(normalize(torch.randn(B, D, generator=generator), dim=1).requires_grad_() for _ in range(4)))


def diagonal() -> Masks:
    eye = torch.eye(B, dtype=torch.bool)
    return Masks(same=eye, same_text=eye, answers=eye, variants=torch.zeros_like(eye))


def luck() -> torch.Generator:
    return torch.Generator().manual_seed(7)


def test_variants_have_their_terms():
    names = {variant: set(Objective(variant)(batch(), diagonal(), luck())) for variant in VARIANTS}
    image_image = {"query_image~product_image"}
    image_text = {"query_image~product_text", "product_image~product_text"}
    query_text = {"query_text~product_image", "query_text~product_text"}
    assert names["dml"] == image_image
    assert names["clip"] == image_text
    assert names["3-tower"] == image_image | image_text
    assert names["4-tower"] == image_image | image_text | query_text
    assert names["4-tower+composed"] == names["4-tower"] | {"composed~product"}


def test_dml_never_touches_the_text_towers():
    e = batch()
    sum(Objective("dml")(e, diagonal(), luck()).values()).backward()
    assert e.query_image.grad is not None
    assert e.product_text.grad is None
    assert e.query_text.grad is None


def test_each_group_of_terms_learns_its_own_temperature():
    objective = Objective("4-tower+composed")
    sum(objective(batch(), diagonal(), luck()).values()).backward()
    grads = [float(parameter.grad) for parameter in objective.log_scales.values()]
    assert len(set(grads)) == 4


def test_the_temperature_is_clamped():
    objective = Objective("dml")
    with torch.no_grad():
        objective.log_scales["image_image"].fill_(50.0)
    assert objective.scale("image_image").item() == MAX_SCALE


def test_term_weights_scale_their_terms():
    once, twice = (Objective("4-tower", LossConfig(query_text=w))(batch(), diagonal(), luck()) for w in (1.0, 2.0))
    assert twice["query_text~product_image"].item() == pytest.approx(2 * once["query_text~product_image"].item())
    assert twice["query_image~product_image"].item() == once["query_image~product_image"].item()


def test_masks():
    m = masks(
        product=torch.tensor([1, 1, 2, 3, 4]),
        group=torch.tensor([9, 9, 9, -1, -1]),
        text=torch.tensor([0, 0, 1, 2, 2]),
        query=torch.tensor([5, 6, 5, -1, 7]),
        answered=torch.tensor([[5, 6, -2], [5, 6, -2], [5, -2, -2], [-2, -2, -2], [7, -2, -2]]),
    )
    assert m.same[0, 1], "two photos of one product"
    assert m.same_text[3, 4], "two products with the very same text can't be told apart by it"
    assert not m.same[3, 4], "but their pictures can"
    assert (m.same_text | ~m.same).all()
    assert not m.same[0, 2]
    assert m.variants[0, 2], "one group, another product"
    assert m.variants[2, 1]
    assert not m.variants[0, 1], "the same product is a positive"
    assert not m.variants[3, 4], "no group is not a group"
    assert m.answers[0].tolist() == [True, True, True, False, False], "query 5 has three right answers"
    assert m.answers[1].tolist() == [True, True, False, False, False]
    assert not m.answers[3].any(), "no query, no answer"


def test_composed_logits_are_the_served_inner_product(monkeypatch):
    """With the amounts and weights that were drawn, the composed term equals a loss over `joint` scores."""
    e, objective = batch(), Objective("4-tower+composed", LossConfig(composed=1.0))
    seen: dict[str, torch.Tensor] = {}

    def keep(logits, positive, *, ignore=None):
        seen["logits"] = logits.detach()
        return contrast(logits, positive, ignore=ignore)

    monkeypatch.setattr("fourtower_encoders.objective.contrast", keep)
    objective(e, diagonal(), luck())

    generator = luck()
    amount = objective._photo_amounts(B, generator).numpy()
    weights = Weights(
        **dict(
            zip(("ii", "it", "ti", "tt"), torch.empty(4).uniform_(0.3, 1.0, generator=generator).tolist(), strict=True)
        )
    )
    arrays = [tensor.detach().numpy() for tensor in e]
    everything = np.ones(B, dtype=bool)
    rows = product_rows(arrays[1], arrays[3], QueryParams(), has_image=everything, has_text=everything)
    served = np.stack(
        [
            query_vectors(arrays[0][i : i + 1], arrays[2][i : i + 1], weights, image_amount=float(amount[i, 0]))[0]
            for i in range(B)
        ]
    )
    scale = objective.scale("composed").item()
    np.testing.assert_allclose(seen["logits"].numpy(), scale * served @ rows.T, atol=1e-4)


def test_modality_dropout_happens_as_often_as_asked():
    objective = Objective("4-tower+composed", LossConfig(drop_modality=0.25))
    amount = objective._photo_amounts(20_000, luck())
    assert float((amount == 0).float().mean()) == pytest.approx(0.25, abs=0.02)
    assert float((amount == 1).float().mean()) == pytest.approx(0.25, abs=0.02)
    kept = amount[(amount > 0) & (amount < 1)]
    assert 0.2 <= float(kept.min()) <= float(kept.max()) <= 0.8
