"""Errors of ingestion: each class says what its reader should do.

IngestError
└── MalformedEvent   this event will never be accepted: mend its producer, or set it aside
"""

from __future__ import annotations


class IngestError(Exception):
    """Root of everything that this package raises on purpose; its text is one sentence for a person."""


class MalformedEvent(IngestError):
    """An event breaks the contract.

    Args:
        code: what is wrong, for programs; stable.
        message: what is wrong, where, and what would be right.
        where: the field, like `product.images[0].url`; empty for the event as a whole.
    """

    def __init__(self, code: str, message: str, *, where: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.where = where
