"""Settings of a worker: each has a default, and a variable of the environment that changes it.

A setting's variable is FOURTOWER_WORKER_ and its name in capitals: `FOURTOWER_WORKER_INDEX`. Redis is described by
`fourtower_ingest.settings.RedisSettings`, which the ingester shares.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from fourtower_ingest.wire import Topology, queue_name
from fourtower_workers.halves import Refetch

Hosts = Annotated[tuple[str, ...], NoDecode]
"""In the environment separated by commas."""


class WorkerSettings(BaseSettings):
    """Which generation a worker fills, with what, and how long anything may take."""

    model_config = SettingsConfigDict(
        env_prefix="FOURTOWER_WORKER_", frozen=True, extra="forbid", use_attribute_docstrings=True
    )

    index: str = "milvus://127.0.0.1:19530"
    """A Milvus server, or `milvus-lite server`; a file can be open in one process only."""
    token: SecretStr = SecretStr("")
    """Of the server, user:password."""
    ca_file: Path | None = None
    """Certificates (PEM) that the server's one is checked with."""
    alias: str = "products"
    """Which index of the server."""
    generation: int = Field(default=1, ge=1)
    """Which generation of it; each has a queue of its own."""

    model: str = ""
    """Checkpoint folder, or `demo`; empty: what is recorded with the generation."""
    encoder: str = "checkpoint"
    """The plugin (an entry point in `fourtower.encoders`) that loads the model."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """What the model runs on; auto takes a GPU where there is one. Of several, start a worker for each."""
    processes: int = Field(default=0, ge=0, le=64)
    """Children that prepare batches side by side and encode in turns; 0: two where there is a GPU, else one."""
    threads: int = Field(default=0, ge=0, le=256)
    """Pictures that one child fetches and decodes at once; 0: one per core."""
    batch: int = Field(default=64, ge=1, le=4096)
    """Pictures per run of the network."""

    image_root: Path | None = None
    """Folder that picture paths refer to; without it they are refused."""
    allow_hosts: Hosts = ()
    """Hosts that pictures may be fetched from; none: nothing is fetched."""
    allow_private: Hosts = ()
    """Private ranges (CIDR) where hosts that are allowed by name may live."""
    fetch_ports: Annotated[tuple[int, ...], NoDecode] = (80, 443)
    """Ports that pictures may be fetched from."""
    fetch_deadline_s: float = Field(default=30.0, gt=0)
    """For one picture, redirects and retries included."""
    refetch: Refetch = "never"
    """`always`: a picture that neither sha256 nor etag vouch for is fetched with every event."""

    nice: int = Field(default=0, ge=0, le=19)
    """How far the worker stands back for other processes of its machine; 19: it takes what they leave."""
    time_limit_s: float = Field(default=300.0, ge=1)
    """For one batch; a child that takes longer is killed, and its batch reported lost."""
    load_timeout_s: float = Field(default=300.0, ge=1)
    """For a child to load the model; one that takes longer is killed."""
    open_timeout_s: float = Field(default=30.0, gt=0)
    """How long opening the index is tried; a child that can't gives its batch back and tries again with the next."""
    report_timeout_s: float = Field(default=60.0, gt=0)
    """How long a report is tried again while Redis is away."""
    soft_shutdown_s: float = Field(default=25.0, ge=0)
    """How long a worker that is told to end lets its batches finish, before they go back into the queue."""

    heartbeat_file: Path | None = None
    """Appears when the first child has loaded the model, and is touched while the worker works, for probes."""
    metrics_port: int = Field(default=0, ge=0, le=65535)
    """Where `/metrics`, `/livez` and `/readyz` are served; 0: nowhere."""
    metrics_host: str = "127.0.0.1"
    """The address to serve them on."""
    log_format: Literal["pretty", "json"] = "pretty"
    """JSON is for machines."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """What is logged, and above."""

    @property
    def queue(self) -> str:
        """Where its batches come from."""
        return queue_name(Topology(alias=self.alias, generation=self.generation))

    @field_validator("allow_hosts", "allow_private", "fetch_ports", mode="before")
    @classmethod
    def _separated(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value
