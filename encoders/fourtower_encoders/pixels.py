"""Turns a decoded picture of any kind into what the towers see: RGB, upright, on white."""

from __future__ import annotations

import struct

import numpy as np
from PIL import Image

from fourtower_encoders.errors import ImageRejected

_ORIENTATION_TAG = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIXTEEN_BITS = {"I;16", "I;16L", "I;16B", "I;16N"}
_UNBOUNDED = {"I", "F"}
_WITH_ALPHA = {"RGBA", "LA", "PA", "RGBa"}


def orientation_of(exif: bytes) -> int:
    """The orientation (1 to 8) that a raw EXIF block asks for; 1 if it says nothing sensible."""
    tiff = exif.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(f"{order}I", tiff, 4)
        (entries,) = struct.unpack_from(f"{order}H", tiff, start)
        for entry in range(entries):
            tag, kind, number, value = struct.unpack_from(f"{order}HHIH", tiff, start + 2 + 12 * entry)
            if tag == _ORIENTATION_TAG:
                return int(value) if (kind, number) == (3, 1) and value in _UPRIGHT else 1
    except struct.error:  # the block ends early: no reason to refuse the picture
        return 1
    return 1


def to_rgb(image: Image.Image, *, orientation: int = 1, bits: int = 8) -> Image.Image:
    """A new RGB picture: turned upright, transparency on white, 16 bits scaled to 8.

    Args:
        image: any picture of Pillow; left as it is.
        orientation: EXIF orientation, 1 to 8.
        bits: per sample as stored in the file, which is what a transparent colour refers to.

    Raises:
        ImageRejected: the samples have no defined range (32-bit integers, floats).
    """
    if image.mode in _UNBOUNDED:
        raise ImageRejected(f"A picture of mode {image.mode} has no defined range; convert it to L or RGB first.")
    flat = _on_white(_eight_bits(image, bits))
    flat.info.clear()  # an orientation kept here would be applied again by the next reader
    return flat.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else flat


def _eight_bits(image: Image.Image, bits: int) -> Image.Image:
    """At most 8 bits per sample; a transparent colour is scaled like the samples."""
    if image.mode in _SIXTEEN_BITS:
        scaled = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))  # [H, W]
        scaled.info = dict(image.info)
        image, bits = scaled, 16
    colour = image.info.get("transparency")
    if image.mode in {"L", "RGB"} and colour is not None:
        image = image.copy()
        image.info["transparency"] = _scaled(colour, bits)
    return image


def _scaled(colour: int | tuple[int, ...], bits: int) -> int | tuple[int, ...]:
    most = (1 << bits) - 1
    return tuple(part * 255 // most for part in colour) if isinstance(colour, tuple) else colour * 255 // most


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode not in _WITH_ALPHA and "transparency" not in image.info:
        return image.convert("RGB")
    with_alpha = image.convert("RGBA")
    white = Image.new("RGB", image.size, "white")
    white.paste(with_alpha, mask=with_alpha.getchannel("A"))
    return white
