"""Settings of the service: each has a default, and a variable of the environment that changes it.

A setting's variable is FOURTOWER_SERVICE_ and its name in capitals: `FOURTOWER_SERVICE_PORT`.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Names = Annotated[tuple[str, ...], NoDecode]
"""In the environment separated by commas."""
PAGE_PIXELS = 1280 * 1280
"""The page makes photos no larger than this before it sends them."""


class ServiceSettings(BaseSettings):
    """What the service answers from, to whom, and how much at once."""

    model_config = SettingsConfigDict(
        env_prefix="FOURTOWER_SERVICE_", frozen=True, extra="forbid", use_attribute_docstrings=True
    )

    index: str = "products.db"
    """A Milvus Lite file, or `milvus://host:19530`."""
    token: SecretStr = SecretStr("")
    """Of the Milvus server, user:password."""
    ca_file: Path | None = None
    """Certificates (PEM) that the Milvus server's one is checked with."""
    alias: str = "products"
    """Which index of the server."""
    model: str = ""
    """Checkpoint folder, or `demo`; empty: what is recorded with the index."""
    image_root: Path | None = None
    """Folder of the catalog's picture files, to show them."""
    cursor_key: SecretStr = SecretStr("")
    """Signs cursors; replicas that continue each other's pages share it. Empty: one that dies with the process."""
    timeout_s: float = Field(default=10.0, gt=0, le=600)
    """Of one search, waiting included."""

    host: str = "127.0.0.1"
    """The address to listen on."""
    port: int = Field(default=8000, ge=0, le=65_535)
    """0 takes any that is free."""
    probe_port: int = Field(default=8001, ge=0, le=65_535)
    """Of /livez, /readyz and /metrics, which ask for no key."""
    grace_s: float = Field(default=20.0, ge=0, le=600)
    """How long requests may still run when the service is asked to end."""
    page: bool = True
    """Whether the page is shown at /."""

    log_format: Literal["pretty", "json"] = "pretty"
    """How the command writes its logs."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """From which level on."""

    keys: Path | None = None
    """File of API keys, as `fourtower keys create` writes it; changes are seen within a second."""
    insecure: bool = False
    """Answer without keys on addresses that others can reach."""
    allow_origins: Names = ()
    """Origins whose scripts may call the service (CORS), such as https://shop.example."""
    anonymous_rate_per_s: float | None = Field(default=None, gt=0, le=1e6)
    """Requests that all callers together may send where no key is needed; none: as many as come."""
    allow_names: Names = ()
    """Names that the service may be called by (the Host header); none: any, or loopback's while there are no keys."""

    threads: int = Field(default=2, ge=1, le=64)
    """Searches, or batches of them, that run at a time."""
    waiting: int = Field(default=64, ge=1, le=10_000)
    """Requests that may wait; what comes beyond them is told to come again later."""
    batch: int = Field(default=16, ge=1, le=256)
    """Searches that are answered together when they wait together; 1: each by itself."""
    max_body_bytes: int = Field(default=24_000_000, ge=1_000)
    """Of a request, its pictures included."""
    max_images: int = Field(default=8, ge=1, le=16)
    """Pictures in one request."""
    max_pixels: int = Field(default=40_000_000, ge=PAGE_PIXELS, le=40_000_000)
    """Of one picture, width times height; decoding takes up to about 16 bytes for each."""
    max_batch: int = Field(default=64, ge=1, le=1_000)
    """Searches, texts or ids in one request that takes several."""
    image_hosts: Names = ()
    """Hosts that query pictures and thumbnails may be fetched from; none: URLs are refused."""
    image_private: Names = ()
    """Private ranges (CIDR) where hosts that are allowed by name may live."""
    image_ports: Annotated[tuple[int, ...], NoDecode] = (80, 443)
    """Ports that pictures may be fetched from."""

    @field_validator("allow_origins", "allow_names", "image_hosts", "image_private", "image_ports", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("allow_origins")
    @classmethod
    def _origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if origin != "*" and not re.fullmatch(r"https?://[^/\s]+", origin):
                raise ValueError(f"{origin!r:.80} is no origin; one looks like https://shop.example, without a path")
        return origins

    @property
    def is_private(self) -> bool:
        """Whether only this machine reaches the service."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"
