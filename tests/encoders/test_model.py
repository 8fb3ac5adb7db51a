"""The towers: which role goes through which network, head and mean."""

import pytest
import torch
from torch import nn

from fourtower_encoders.config import IMAGE_ROLES, ROLES, HashedText, Preprocess, SmallResNet, TowerConfig
from fourtower_encoders.errors import InvalidConfig
from fourtower_encoders.model import Embeddings, FourTower

CONFIG = TowerConfig(
    image=SmallResNet(width=4, norm="group"),
    text=HashedText(buckets=64, width=8),
    preprocess=Preprocess(size=16),
    dim=8,
)


def towers(**changes):
    torch.manual_seed(0)
    return FourTower(CONFIG.model_copy(update=changes)).eval()


def inputs(rows=3):
    generator = torch.Generator().manual_seed(1)
    pixels = [torch.randint(0, 256, (rows, 16, 16, 3), generator=generator, dtype=torch.uint8) for _ in range(2)]
    words = [torch.randint(1, 64, (rows, 5), generator=generator) for _ in range(2)]
    return (*pixels, *words)


def encode(model, tensor, role):
    return model.encode_image(tensor, role) if role in IMAGE_ROLES else model.encode_text(tensor, role)


def embed(model, tensor, role):
    return model.embed_image(tensor, role) if role in IMAGE_ROLES else model.embed_text(tensor, role)


@pytest.mark.parametrize("head", ["linear", "mlp"])
@pytest.mark.parametrize("heads_per_role", [False, True])
def test_the_batch_is_what_each_role_gives_alone(head, heads_per_role):
    model, rows = towers(head=head, heads_per_role=heads_per_role), inputs()
    with torch.no_grad():
        joint = model(*rows)
        for role in ROLES:
            found = getattr(joint, role)
            own = Embeddings(*rows)._asdict()[role]
            assert found.shape == (3, 8)
            torch.testing.assert_close(found, encode(model, own, role))
            torch.testing.assert_close(found.norm(dim=1), torch.ones(3))


def test_shared_heads_make_one_function_of_both_roles():
    pixels, _, words, _ = inputs()
    with torch.no_grad():
        one, two = towers(), towers(heads_per_role=True)
        assert torch.equal(one.encode_image(pixels, "query_image"), one.encode_image(pixels, "product_image"))
        assert torch.equal(one.encode_text(words, "query_text"), one.encode_text(words, "product_text"))
        assert not torch.allclose(two.encode_image(pixels, "query_image"), two.encode_image(pixels, "product_image"))
        assert not torch.allclose(two.encode_text(words, "query_text"), two.encode_text(words, "product_text"))


def test_each_network_runs_once_over_its_two_roles():
    model, calls = towers(), []
    for name in ("image_network", "text_network"):
        getattr(model, name).register_forward_hook(lambda _, given, __, name=name: calls.append((name, len(given[0]))))
    model(*inputs(rows=3))
    assert calls == [("image_network", 6), ("text_network", 6)]


def test_pixels_reach_the_network_normalised_and_channels_last():
    seen = []
    model = towers(preprocess=Preprocess(size=16, mean=(0.5, 0.4, 0.3), std=(0.25, 0.2, 0.1)))
    model.image_network.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    pixels = torch.zeros(2, 16, 16, 3, dtype=torch.uint8)
    pixels[..., 1] = 255
    model.encode_image(pixels, "query_image")
    assert seen[0].shape == (2, 3, 16, 16)
    assert seen[0].is_contiguous(memory_format=torch.channels_last), "no copy was needed"
    torch.testing.assert_close(seen[0][0, :, 0, 0], torch.tensor([-0.5 / 0.25, 0.6 / 0.2, -0.3 / 0.1]))


def test_memory_format_changes_nothing():
    plain, last = towers(), towers().to(memory_format=torch.channels_last)
    with torch.no_grad():
        for a, b in zip(plain(*inputs()), last(*inputs()), strict=True):
            torch.testing.assert_close(a, b)


def test_centring_moves_one_role_only():
    model, rows = towers(), Embeddings(*inputs())._asdict()
    with torch.no_grad():
        for role in ROLES:
            torch.testing.assert_close(embed(model, rows[role], role), encode(model, rows[role], role))
        model.mean_query_image.copy_(torch.linspace(-0.3, 0.3, 8))
        for role in ROLES:
            plain = encode(model, rows[role], role)
            wanted = plain - model.mean_query_image if role == "query_image" else plain
            wanted = wanted / wanted.norm(dim=1, keepdim=True)
            torch.testing.assert_close(embed(model, rows[role], role), wanted)
        features = model.image_features(rows["query_image"])
        found = model.embed_features(features, "query_image")
        torch.testing.assert_close(found, model.embed_image(rows["query_image"], "query_image"))


def test_means_are_saved_and_pixel_statistics_are_configuration():
    names = set(towers().state_dict())
    assert {f"mean_{role}" for role in ROLES} <= names
    assert not {"pixel_mean", "pixel_std"} & names


def test_no_head_needs_the_networks_own_width():
    text = HashedText(buckets=64, width=32)
    model = towers(head="none", dim=32, text=text)
    assert isinstance(model.image_heads["shared"], nn.Identity)
    pixels = inputs()[0]
    with torch.no_grad():
        features = model.image_features(pixels)
        torch.testing.assert_close(model.encode_image(pixels, "query_image"), nn.functional.normalize(features, dim=1))
    with pytest.raises(InvalidConfig, match=r"head 'none' needs dim 32, the network's own width, not 8"):
        towers(head="none")


def test_a_ready_network_replaces_the_configured_one():
    class Flat(nn.Module):
        width = 3

        def forward(self, pixels):
            return pixels.mean(dim=(2, 3))

    torch.manual_seed(0)
    model = FourTower(CONFIG, image_network=Flat()).eval()
    with torch.no_grad():
        assert model.encode_image(inputs()[0], "query_image").shape == (3, 8)
    assert not any(name.startswith("image_network") for name in model.state_dict())
