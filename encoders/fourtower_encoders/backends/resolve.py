"""Completes a configuration from its sources, so that a checkpoint never needs them again."""

from __future__ import annotations

from typing import Any

from fourtower_encoders.config import (
    HashedText,
    ImageBackend,
    Preprocess,
    SmallResNet,
    TextBackend,
    TimmImage,
    TowerConfig,
    TransformersText,
    VisionTransformer,
)
from fourtower_encoders.errors import InvalidConfig

_RESAMPLING = {2: "bilinear", 3: "bicubic"}
"""Pillow's numbers, as transformers writes them."""

_FAITHFUL_MARGIN = 3.0
"""From here on, embeddings hardly differ from those of pictures that were decoded in full."""


def resolve(config: TowerConfig) -> TowerConfig:
    """Fill in the architectures of both networks and check that they fit the preprocessing.

    Raises:
        InvalidConfig: a source can't be read, or contradicts the rest of the configuration.
    """
    image, text = _resolve_image(config.image), _resolve_text(config.text)
    _check_size(image, config.preprocess)
    return config.model_copy(update={"image": image, "text": text})


def published_preprocess(image: TimmImage | VisionTransformer) -> Preprocess:
    """How the publisher of an image network prepared its pictures; pretrained weights want the same."""
    if isinstance(image, TimmImage):
        return _timm_preprocess(image.name)
    from fourtower_encoders.backends.source import read_image_settings

    return _transformers_preprocess(image.source, read_image_settings(image.source))


def _resolve_image(image: ImageBackend) -> ImageBackend:
    if not isinstance(image, VisionTransformer) or image.architecture:
        return image
    from fourtower_encoders.backends.clip import architecture_of
    from fourtower_encoders.backends.source import plain

    return image.model_copy(update={"architecture": plain(architecture_of(image))})


def _resolve_text(text: TextBackend) -> TextBackend:
    if isinstance(text, HashedText):
        return text
    if not text.architecture:
        text = text.model_copy(update={"architecture": _read_text_architecture(text)})
    longest = text.architecture.get("max_position_embeddings")
    if longest is not None and text.max_tokens > longest:
        raise InvalidConfig(f"max_tokens {text.max_tokens} exceeds the text network's {longest} positions.")
    return text


def _read_text_architecture(text: TransformersText) -> dict[str, Any]:
    from fourtower_encoders.backends import clip, transformers_text
    from fourtower_encoders.backends.source import plain, read_tokenizer

    module = transformers_text if text.kind == "transformers" else clip
    tokenizer = read_tokenizer(text.source)
    # The tokenizer's padding counts: the id that a configuration states is often a mere default.
    architecture = plain(module.architecture_of(text), pad_token_id=tokenizer.pad_id)
    rows = architecture["vocab_size"]
    # transformers makes an almost empty tokenizer where the files are missing, and says nothing.
    if not rows // 2 < tokenizer.vocabulary <= rows:
        raise InvalidConfig(
            f"The tokenizer of {text.source} knows {tokenizer.vocabulary} tokens, its network {rows}; "
            "add the tokenizer files that belong to the network."
        )
    return architecture


def _check_size(image: ImageBackend, preprocess: Preprocess) -> None:
    if isinstance(image, SmallResNet):
        return
    if isinstance(image, TimmImage):
        from fourtower_encoders.backends.timm_image import published_settings

        settings = published_settings(image.name)
        wanted = settings["input_size"][-1] if settings.get("fixed_input_size") else None
    else:
        wanted = image.architecture["image_size"]
    if wanted is not None and wanted != preprocess.size:
        raise InvalidConfig(
            f"The image network wants pictures of {wanted} pixels, but preprocess.size is {preprocess.size}; "
            f"set it to {wanted}."
        )


def _timm_preprocess(name: str) -> Preprocess:
    from fourtower_encoders.backends.timm_image import published_settings

    settings = published_settings(name)
    interpolation = settings["interpolation"]
    return Preprocess(
        size=settings["input_size"][-1],
        resize="crop",
        crop_pct=settings["crop_pct"],
        interpolation=interpolation if interpolation in _RESAMPLING.values() else "bicubic",
        mean=settings["mean"],
        std=settings["std"],
    )


def _transformers_preprocess(source: str, settings: dict[str, Any]) -> Preprocess:
    resampling = _RESAMPLING.get(int(settings.get("resample", 3)))
    if resampling is None or not (settings.get("do_resize") and settings.get("do_normalize")):
        raise InvalidConfig(f"{source} prepares pictures in an unknown way, not by a bilinear or bicubic resize.")
    return Preprocess.model_validate(
        {
            "interpolation": resampling,
            "mean": tuple(settings["image_mean"]),
            "std": tuple(settings["image_std"]),
            "decode_margin": _FAITHFUL_MARGIN,
            **_geometry(source, settings),
        }
    )


def _geometry(source: str, settings: dict[str, Any]) -> dict[str, Any]:
    size = settings["size"]
    if settings.get("do_center_crop"):
        crop = settings["crop_size"]
        if crop["height"] == crop["width"] and "shortest_edge" in size:
            return {
                "size": crop["height"],
                "resize": "crop",
                "crop_pct": crop["height"] / size["shortest_edge"],
            }
    elif size.get("height") and size.get("height") == size.get("width"):
        return {"size": size["height"], "resize": "squash"}
    raise InvalidConfig(f"{source} doesn't look at squares (size {size}); such networks are not supported.")
