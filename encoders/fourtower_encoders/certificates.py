"""Which certificates are trusted when something is fetched or asked over TLS."""

from __future__ import annotations

import ssl
from functools import lru_cache
from pathlib import Path

import certifi

from fourtower_encoders.errors import InvalidConfig


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Certificates are always checked: by the public authorities, and those of a file.

    Raises:
        InvalidConfig: the file can't be used.
    """
    if ca_file is None:
        return _public()
    context = ssl.create_default_context(cafile=certifi.where())
    try:
        context.load_verify_locations(ca_file)
    except (OSError, TypeError, ValueError) as error:
        raise InvalidConfig(f"ca_file {str(ca_file)!r:.200} is no readable PEM file of certificates.") from error
    return context


@lru_cache(maxsize=1)
def _public() -> ssl.SSLContext:
    """Loading the public authorities takes some 50 ms, so all share what comes of it."""
    return ssl.create_default_context(cafile=certifi.where())
