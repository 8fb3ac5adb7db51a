"""Which certificates a client of a service trusts."""

from __future__ import annotations

import ssl
from pathlib import Path

from fourtower_encoders import certificates
from fourtower_encoders.errors import InvalidConfig
from fourtower_search.errors import InvalidQuery


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """What is trusted wherever something is asked over TLS.

    Raises:
        InvalidQuery: the file can't be used.
    """
    try:
        return certificates.tls_context(ca_file)
    except InvalidConfig as error:
        raise InvalidQuery(str(error)) from error
