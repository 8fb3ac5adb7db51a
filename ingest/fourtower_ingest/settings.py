"""Settings of the streaming processes: each has a default, and a variable of the environment that changes it.

A setting's variable is the prefix of its class and its own name in capitals: `FOURTOWER_KAFKA_BOOTSTRAP`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from fourtower_ingest.parsing import EventRules
from fourtower_ingest.records import TopicRules
from fourtower_ingest.wire import MOST_EVENTS, ImagePolicy


def _config(prefix: str) -> SettingsConfigDict:
    return SettingsConfigDict(
        env_prefix=f"FOURTOWER_{prefix}_", frozen=True, extra="forbid", use_attribute_docstrings=True
    )


class KafkaSettings(BaseSettings):
    """How to reach the brokers."""

    model_config = _config("KAFKA")

    bootstrap: str = "127.0.0.1:9092"
    """Addresses, separated by commas."""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """How connections are protected."""
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    """How user and password are shown to the brokers."""
    sasl_username: str = ""
    """With SASL: the user."""
    sasl_password: SecretStr = SecretStr("")
    """With SASL: the password."""
    ssl_ca_file: Path | None = None
    """Certificates that the brokers' ones are checked with, in PEM; by default the system's."""
    ssl_certificate_file: Path | None = None
    """Our own certificate, in PEM, where the brokers ask for one."""
    ssl_key_file: Path | None = None
    """Its key, if it lies in another file."""
    ssl_key_password: SecretStr = SecretStr("")
    """Of that key."""
    request_timeout_s: float = Field(default=30.0, gt=0)
    """After which a request to a broker has failed."""


class RedisSettings(BaseSettings):
    """How to reach Redis, which only ever holds what can be made again."""

    model_config = _config("REDIS")

    url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")
    """With user and password, if any; `rediss://` for TLS. A database of its own: Celery keeps its queues there."""
    ca_file: Path | None = None
    """With `rediss://`: certificates (PEM) that the server's one is checked with; by default the system's."""
    prefix: str = Field(default="fourtower", pattern=r"^[a-z0-9][a-z0-9:_-]{0,60}$")
    """What all keys begin with."""
    timeout_s: float = Field(default=2.0, gt=0)
    """After which a request has failed."""


class TopicSettings(BaseSettings):
    """The topics, and what their records mean."""

    model_config = _config("TOPIC")

    updates: str = "catalog.updates"
    """Where producers publish events."""
    topic_id: str = ""
    """The id that the brokers gave the topic of updates when the index was built; another one then is a mistake that
    is found at the start. Empty: not checked."""
    dead_letters: str = "catalog.updates.dlq"
    """Where records go that can't be indexed."""
    replays: str = "catalog.updates.replay"
    """Where dead letters of a compacted topic go when they are sent again."""
    partitions: int = Field(default=6, ge=1, le=10_000)
    """Of topics that are created; later changes break the order of a product's events."""
    replication: int = Field(default=1, ge=1, le=9)
    """Of topics that are created; 3 in production."""
    compacted: bool = True
    """Keep the last record of every product for ever: the index can be rebuilt from it. Takes no patches."""
    retention_hours: int = Field(default=168, ge=1)
    """Of records where the topic is not compacted, of deletes where it is, and of replays."""
    dead_letter_retention_hours: int = Field(default=720, ge=1)
    """Of dead letters."""
    max_event_bytes: int = Field(default=1_048_576, ge=1024)
    """Of one event; larger ones become dead letters."""
    version_source: Literal["event", "offset"] = "event"
    """`offset`: for producers without a version; the order of the log decides."""
    null_value: Literal["delete", "marker"] = "delete"
    """What a null value means: a delete, or (`marker`) nothing, because the delete came as an event before it."""
    unknown_fields: Literal["refuse", "ignore"] = "refuse"
    """What is made of fields that the contract does not have."""

    @property
    def read(self) -> list[str]:
        """What an ingester reads; replays of a topic without compaction go to that topic itself."""
        return [self.updates, self.replays] if self.compacted else [self.updates]

    @property
    def rules(self) -> TopicRules:
        """As the reader of records wants them."""
        return TopicRules(
            version_source=self.version_source,
            null_value=self.null_value,
            patches=not self.compacted,
            events=EventRules(max_bytes=self.max_event_bytes, unknown_fields=self.unknown_fields),
        )


class FlowSettings(BaseSettings):
    """How many events are on their way at once, and what is made of delays and losses."""

    model_config = _config("FLOW")

    batch: int = Field(default=64, ge=1, le=MOST_EVENTS)
    """Events per task, at most."""
    linger_ms: int = Field(default=50, ge=0)
    """How long a batch may wait to become full."""
    batches_in_flight: int = Field(default=8, ge=1)
    """Tasks that were sent and not answered, at most."""
    most_items: int = Field(default=4096, ge=1)
    """Events held, waiting and in flight, before partitions are paused."""
    most_bytes: int = Field(default=128 * 2**20, ge=1)
    """Bytes of them, likewise."""
    most_age_s: float = Field(default=600.0, gt=0)
    """Of the oldest event held; beyond it nothing more is read."""
    most_span: int = Field(default=50_000, ge=1)
    """Offsets of one partition between the first one not done and the last one read."""
    settled_products: int = Field(default=200_000, ge=0)
    """Products of which it is remembered what the index holds, so that repeated and older events of theirs are done
    at once; 0.3 to 0.4 kB each. 0: none, and workers look at every event."""
    start_deadline_s: float = Field(default=600.0, gt=0)
    """Between `started` and `written`; what takes longer counts as a loss. Above the worker's own time limit."""
    verify_deadline_s: float = Field(default=60.0, gt=0)
    """Between `written` and `done`; what takes longer is sent again."""
    visibility_timeout_s: float = Field(default=900.0, gt=0)
    """After which Celery hands a task that nobody acknowledged to another worker; above the worker's time limit."""
    retry_after_s: float = Field(default=1.0, gt=0)
    """Before an event that failed for the moment is sent again; it doubles up to a minute."""
    patch_base_timeout_s: float = Field(default=300.0, gt=0)
    """How long a patch waits for the product that it changes."""
    image_tries: int = Field(default=3, ge=1)
    """With `reject`: how often a picture that can't be had at the moment is asked for."""
    image_policy: ImagePolicy = "text_only"
    """Where a declared picture can't be used: index the product without it, or (`reject`) set the event aside."""
    poison_losses: int = Field(default=2, ge=1)
    """Times that a worker may be lost over an event that was sent alone."""
    breaker_losses: int = Field(default=5, ge=1)
    """Losses within a minute that open the breaker: then the workers are ill, not the events."""
    breaker_pause_s: float = Field(default=1.0, gt=0)
    """Before one batch tries whether the index is back; it doubles up to half a minute."""
    invalid_window: int = Field(default=500, ge=10)
    """Records over which the share of invalid ones is taken."""
    invalid_share: float = Field(default=0.9, gt=0, le=1)
    """Stop when more than this share of the last `invalid_window` records broke the contract: it is the topic."""
    drain_s: float = Field(default=30.0, gt=0)
    """How long a process that is told to end waits for what is in flight."""

    @model_validator(mode="after")
    def _deadlines_fit(self) -> FlowSettings:
        if self.start_deadline_s >= self.visibility_timeout_s:
            raise ValueError(
                f"start_deadline_s ({self.start_deadline_s:g}) must be below visibility_timeout_s "
                f"({self.visibility_timeout_s:g})"
            )
        return self


class IngesterSettings(BaseSettings):
    """Who this process is, and for which index it reads."""

    model_config = _config("INGESTER")

    group: str = "fourtower"
    """Of consumers; all processes of one index share it."""
    instance: str = ""
    """A name that this process keeps across restarts, such as its pod's; the group then waits for it to come back."""
    alias: str = "products"
    """Of the index."""
    generation: int = Field(default=1, ge=1)
    """Of the index; its workers listen on a queue of their own."""
    dead_letters: bool = True
    """Whether what can't be indexed becomes a dead letter. Not where another generation is built: the live one's
    ingester writes them, and here they are only counted and logged."""
    session_timeout_s: float = Field(default=45.0, gt=0)
    """How long the group waits for a process that is silent, or restarts under its name."""
    heartbeat_file: Path | None = None
    """Touched while the process works, for probes."""
    metrics_port: int = Field(default=0, ge=0, le=65535)
    """Where Prometheus and probes ask; 0: none."""
    metrics_host: str = "127.0.0.1"
    """The address to listen on for them."""
    log_format: Literal["pretty", "json"] = "pretty"
    """One line per message for people, or one JSON object per line."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """The least important messages that are logged."""


@dataclass(frozen=True)
class IngestSettings:
    """All that an ingester is told."""

    kafka: KafkaSettings
    redis: RedisSettings
    topics: TopicSettings
    flow: FlowSettings
    ingester: IngesterSettings
