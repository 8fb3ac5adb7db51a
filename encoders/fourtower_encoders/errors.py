"""Errors of the encoders: each class says what its reader should do.

EncoderError
├── InvalidConfig       fix the configuration you passed
├── ManifestError       fix the named line of a data file
├── TrainingStopped     training can't go on; the message names the last usable checkpoint
├── CheckpointError     the checkpoint folder is damaged, foreign or too new
├── MissingExtra        install the named extra
├── OutOfMemory         a batch was too big for the device; embed fewer at a time
└── ImageError
    ├── ImageRejected     this picture will never be accepted; skip it
    └── ImageUnavailable  it could not be had now; try again later
"""

from __future__ import annotations


class EncoderError(Exception):
    """Root of everything that this package raises on purpose; its text is one sentence for a person."""


class InvalidConfig(EncoderError):
    """A configuration value is wrong or contradicts another one."""


class ManifestError(EncoderError):
    """A data file has a line that can't be used; the message names file and line."""


class TrainingStopped(EncoderError):
    """Training ended early (memory, disk, NaN); the message names the last usable checkpoint."""


class CheckpointError(EncoderError):
    """A checkpoint folder can't be loaded: damaged, foreign, or written by a newer version."""


class MissingExtra(EncoderError):
    """An optional dependency is not installed; the message names the extra to install."""


class OutOfMemory(EncoderError):
    """The device has no memory left for a batch of this size: embed fewer at a time."""


class ImageError(EncoderError):
    """A picture can't be used."""


class ImageRejected(ImageError):
    """The picture breaks a rule (format, size, address) and always will: skip it."""


class ImageUnavailable(ImageError):
    """The picture could not be had this time: try again later."""
