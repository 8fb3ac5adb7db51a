"""Reads where an index lives: a file of Milvus Lite, or a Milvus server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from fourtower_search.errors import InvalidQuery

DEFAULT_PORT = 19530
FORMS = "./products.db, milvus://host:19530 or milvuss://host:19530 (TLS)"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a Milvus is."""

    uri: str
    """As pymilvus wants it: a path, or http(s)://host:port."""
    shown: str
    """For messages; without credentials."""
    file: Path | None = None
    """Of Milvus Lite in this process; None for a server."""
    token: str = ""
    """`user:password` from the address."""
    database: str = ""


def parse_address(text: str) -> Address:
    """Read an address.

    Raises:
        InvalidQuery: it has another form.
    """
    scheme, separator, _ = text.partition("://")
    if not separator:
        return _file(text)
    if scheme in ("http", "https"):
        raise InvalidQuery(
            f"{_without_credentials(text)} is the address of a Fourtower service, which SearchClient talks to; "
            f"an index is opened by {FORMS}."
        )
    if scheme not in ("milvus", "milvuss"):
        raise InvalidQuery(f"{_without_credentials(text)!r:.80} is no address of an index; write {FORMS}.")
    return _server(text, secure=scheme == "milvuss")


def _file(text: str) -> Address:
    path = Path(text).expanduser()
    if path.suffix != ".db":
        raise InvalidQuery(f"{text!r:.80} is no address of an index; write {FORMS}.")
    if not path.absolute().parent.is_dir():
        raise InvalidQuery(f"{path}: the folder {path.parent} does not exist; create it first.")
    # One name per file, so that everything in this process shares its one engine.
    resolved = path.resolve()
    return Address(str(resolved), str(path), file=resolved)


def _server(text: str, *, secure: bool) -> Address:
    shown = _without_credentials(text)
    try:
        parts = urlsplit(text)
        port = parts.port or DEFAULT_PORT
    except ValueError as error:
        raise InvalidQuery(f"{shown!r:.80} is no address: {error}.") from error
    if not parts.hostname or parts.query or parts.fragment:
        raise InvalidQuery(f"{shown!r:.80} is no address of an index; write {FORMS}.")
    if ":" in parts.hostname:
        raise InvalidQuery(f"{shown!r:.80}: pymilvus can't reach a bare IPv6 address; give the host a name.")
    token = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else ""
    scheme = "https" if secure else "http"
    return Address(f"{scheme}://{parts.hostname}:{port}", shown, token=token, database=parts.path.strip("/"))


def _without_credentials(text: str) -> str:
    scheme, _, rest = text.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}://{authority.rpartition('@')[2]}{slash}{path}"
