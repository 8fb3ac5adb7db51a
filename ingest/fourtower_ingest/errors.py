"""Errors of ingestion: each class says what its reader should do.

IngestError
├── MalformedEvent        this event will never be accepted: mend its producer, or set it aside
├── BrokerUnavailable     try again after `retry_after_s`
├── BrokerRefused         fix the deployment: credentials, permissions, settings or versions
├── MessageTooLarge       raise the topic's limit, or send less
├── PartitionUnreadable   this partition has stopped; the others go on
├── TopicMismatch         a topic is missing, or is not what the settings say
├── TopicInvalid          nearly everything in a topic breaks the contract: mend its producer, then start again
├── RedisUnavailable      Redis did not answer: try again when it is back
└── InvalidSettings       a setting can't be used: change it
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fourtower_ingest.log import Partition


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


class BrokerUnavailable(IngestError):
    """The brokers could not answer now, or not in time."""

    def __init__(self, message: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class BrokerRefused(IngestError):
    """The brokers answered no, and will again: trying again helps nothing before somebody mends something."""


class MessageTooLarge(IngestError):
    """A record is larger than its topic takes."""


class PartitionUnreadable(IngestError):
    """What lies at a place of the log can't be read: it is damaged, or of a codec that is not installed here."""

    def __init__(self, partition: Partition, offset: int, reason: str) -> None:
        super().__init__(
            f"{partition} can't be read from offset {offset} on: {reason} "
            "Nothing was skipped, and the other partitions go on. Mend it, or move the group's committed offset past "
            "what can't be mended, and start again."
        )
        self.partition = partition
        self.offset = offset
        self.reason = reason


class TopicMismatch(IngestError):
    """A topic is missing, or contradicts the settings."""


class TopicInvalid(IngestError):
    """A topic turned wholly invalid; ingestion stopped rather than set all of it aside."""


class RedisUnavailable(IngestError):
    """Redis did not answer, or refused."""


class InvalidSettings(IngestError):
    """A setting, from the environment or the command line, can't be used."""
