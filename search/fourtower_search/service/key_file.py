"""The file of API keys: hashes and what each key is good for, written whole or not at all."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from fourtower_search.errors import SearchError

Scope = Literal["search", "embed", "admin"]
Stamp = tuple[int, int, int]
"""Of a file's content: another one after each change, as each change makes another file."""

MOST_BYTES = 10_000_000
ID_PATTERN = r"^[a-z0-9]{4,32}$"


class InvalidKeyFile(SearchError):
    """The file of API keys can't be used; the message says what to change."""


class StoredKey(BaseModel):
    """A key as the file holds it: the hash of its secret, never the secret."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    id: Annotated[str, Field(pattern=ID_PATTERN)]
    name: Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")]
    scopes: Annotated[frozenset[Scope], Field(min_length=1)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    rate_per_s: Annotated[float | None, Field(gt=0, le=1e6)] = None
    burst: Annotated[float | None, Field(ge=1, le=1e6)] = None
    created: AwareDatetime
    expires: AwareDatetime | None = None
    revoked: AwareDatetime | None = None

    def state(self, now: datetime) -> Literal["valid", "expired", "revoked"]:
        """Whether it opens anything now."""
        if self.revoked is not None:
            return "revoked"
        return "expired" if self.expires is not None and self.expires <= now else "valid"


class KeyFile(BaseModel):
    """All of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    version: Literal[1] = 1
    keys: tuple[StoredKey, ...] = ()

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len({key.id for key in self.keys}) < len(self.keys):
            raise ValueError("two keys have the same id; remove one of them")
        return self


def stamp_of(path: Path) -> Stamp:
    """Changes when the file does."""
    found = path.stat()
    return found.st_ino, found.st_mtime_ns, found.st_size


def read_keys(path: Path) -> tuple[StoredKey, ...]:
    """The keys of a file.

    Raises:
        InvalidKeyFile: it can't be read or trusted, or holds something else.
    """
    try:
        with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
            _check_trusted(path, os.fstat(file.fileno()))
            content = file.read(MOST_BYTES)
    except OSError as error:
        raise InvalidKeyFile(f"The API keys in {path} can't be read: {error.strerror or error}.") from error
    try:
        return KeyFile.model_validate_json(content).keys
    except ValidationError as error:
        raise InvalidKeyFile(f"The API keys in {path} can't be used: {_first(error)}.") from None


def edit_keys(path: Path, change: Callable[[Sequence[StoredKey]], Sequence[StoredKey]]) -> None:
    """Put changed keys in place of those of a file, which need not exist; several that do so take turns.

    Raises:
        InvalidKeyFile: the file can't be used or written.
    """
    target = path.resolve()  # a link stays one
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _turn(target):
            before = read_keys(target) if target.exists() else ()
            _replace(target, KeyFile(keys=tuple(change(before))))
    except OSError as error:
        raise InvalidKeyFile(f"The API keys in {path} can't be written: {error.strerror or error}.") from error


@contextmanager
def _turn(target: Path) -> Iterator[None]:
    """Beside the file, which is another one after each change."""
    import fcntl

    lock = os.open(
        target.with_name(f".{target.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
    )
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _replace(target: Path, content: KeyFile) -> None:
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")  # its mode is 0600
    try:
        with open(handle, "wb") as file:
            file.write(content.model_dump_json(indent=2).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise
    _keep(target.parent)


def _keep(folder: Path) -> None:
    """Make the new name survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _check_trusted(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise InvalidKeyFile(f"The API keys in {path} can't be read: it is not a file.")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise InvalidKeyFile(f"Others may write {path}, and so let themselves in; run 'chmod 600 {path}'.")
    if found.st_uid not in {0, os.geteuid()}:
        raise InvalidKeyFile(f"{path} belongs to another user, who may write it; make it yours with 'chown'.")
    if found.st_size >= MOST_BYTES:
        raise InvalidKeyFile(f"{path} has {found.st_size:,} bytes; a file of API keys has fewer than {MOST_BYTES:,}.")


def _first(error: ValidationError) -> str:
    """The first problem in words; values are left out, as a hash, or a key put in its place, may be among them."""
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(each) for each in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"{place} is not a field of this version; remove it, or upgrade Fourtower"
    message = first["msg"].removeprefix("Value error, ")
    return f"{place}: {message}" if place else message


def utc_now() -> datetime:
    """The time that keys are created and expire by."""
    return datetime.now(UTC).replace(microsecond=0)
