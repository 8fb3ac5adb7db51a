"""Which certificates a client of a service trusts."""

from __future__ import annotations

import ssl
from pathlib import Path

import certifi

from fourtower_search.errors import InvalidQuery


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Certificates are always checked: by the public authorities, and those of a file.

    Raises:
        InvalidQuery: the file can't be used.
    """
    context = ssl.create_default_context(cafile=certifi.where())
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except (OSError, TypeError, ValueError) as error:
            raise InvalidQuery(f"ca_file {str(ca_file)!r:.200} is no readable PEM file of certificates.") from error
    return context
