"""Generations of an index: each is one collection built by one model, and an alias says which of them is live."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fourtower_encoders.release import own_version
from fourtower_search.errors import IndexMismatch, InvalidQuery
from fourtower_search.index.claims import Claim
from fourtower_search.index.life import Life
from fourtower_search.index.memory import MemoryRows
from fourtower_search.index.settings import IndexSettings
from fourtower_search.index.store import RowStore
from fourtower_search.schema import CatalogSchema

ALIAS = re.compile(r"[a-z][a-z0-9_]{0,63}")


class GenerationPlan(BaseModel):
    """What is decided before a generation is created."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    """Where a client loads the towers from: a folder or another source of checkpoints."""
    model_id: str
    dim: int = Field(ge=2)
    """Length of a row's vector: twice that of an embedding."""
    catalog: CatalogSchema = CatalogSchema()
    kappa_image: float = 0.0
    kappa_text: float = 0.0
    """What imputed halves were multiplied by."""
    lexical_k: float = Field(default=8.0, gt=0)
    lexical_weight: float = Field(default=2.0, ge=0, le=100)
    """How full-text scores join the others: `weight * b / (b + k)` is added to the log-odds of relevance."""
    topic_id: str = ""
    partition_count: int = Field(default=0, ge=0)
    """The topic that fills it, as it was then; empty where none does."""
    index: IndexSettings = IndexSettings()


class GenerationRecord(GenerationPlan):
    """A generation, as recorded beside its collection."""

    alias: str
    generation: int = Field(ge=1)
    collection: str
    schema_hash: str
    created_at: datetime
    fourtower_version: str
    dropped: bool = False
    """Its number is never used again: a client that still holds it must not find rows of another model."""
    life: Life = Life()


class Generations(Protocol):
    """All generations of one alias on one engine."""

    alias: str

    def records(self, *, timeout_s: float) -> list[GenerationRecord]:
        """Those that exist, oldest first."""
        ...

    def current(self, *, timeout_s: float) -> GenerationRecord | None:
        """The one that the alias points to; None before it ever did."""
        ...

    def check(self, plan: GenerationPlan) -> None:
        """Refuse a plan that the engine could not carry out; `create` does so, too, before it makes anything."""
        ...

    def create(self, plan: GenerationPlan, *, timeout_s: float) -> GenerationRecord:
        """Create and record the next generation, empty and not yet live."""
        ...

    def amend(self, record: GenerationRecord, *, timeout_s: float) -> None:
        """Replace what is recorded of a generation, for a new kappa for instance."""
        ...

    def open(self, record: GenerationRecord, *, timeout_s: float) -> RowStore:
        """Its rows; closing them leaves the generations open."""
        ...

    def point(self, generation: int, *, timeout_s: float) -> None:
        """Make it live, in one step that no search can fall into."""
        ...

    def drop(self, generation: int, *, timeout_s: float) -> None:
        """Delete it with all its rows; the live one is refused."""
        ...

    def prepare(self, *, timeout_s: float) -> None:
        """Make room for claims where no generation was ever created; where there is room, nothing changes."""
        ...

    def announce(self, claim: Claim, *, timeout_s: float) -> None:
        """Say, or say again, that a process is about to change something."""
        ...

    def announced(self, *, timeout_s: float) -> list[Claim]:
        """All claims, read strongly."""
        ...

    def withdraw(self, token: int, *, timeout_s: float) -> None:
        """Forget a claim; that there is none is no error."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


class MemoryGenerations:
    """Generations in this process's memory."""

    def __init__(self, alias: str) -> None:
        check_alias(alias)
        self.alias = alias
        self._lock = threading.Lock()
        self._records: dict[int, GenerationRecord] = {}
        self._rows: dict[int, MemoryRows] = {}
        self._live = 0
        self._claims: dict[int, Claim] = {}

    def records(self, *, timeout_s: float) -> list[GenerationRecord]:
        """Those that exist, oldest first."""
        with self._lock:
            return existing(list(self._records.values()))

    def current(self, *, timeout_s: float) -> GenerationRecord | None:
        """The live one."""
        with self._lock:
            return self._records.get(self._live)

    def check(self, plan: GenerationPlan) -> None:
        """Do nothing: any plan will do."""

    def create(self, plan: GenerationPlan, *, timeout_s: float) -> GenerationRecord:
        """Create the next generation."""
        with self._lock:
            record = record_of(plan, self.alias, next_number(list(self._records.values())))
            self._records[record.generation] = record
            self._rows[record.generation] = MemoryRows(plan.catalog, plan.dim)
            return record

    def amend(self, record: GenerationRecord, *, timeout_s: float) -> None:
        """Replace a record."""
        with self._lock:
            check_amendment(find(list(self._records.values()), record.generation, self.alias), record)
            self._records[record.generation] = record

    def open(self, record: GenerationRecord, *, timeout_s: float) -> RowStore:
        """Its rows."""
        with self._lock:
            find(list(self._records.values()), record.generation, self.alias)
            return self._rows[record.generation]

    def point(self, generation: int, *, timeout_s: float) -> None:
        """Make it live."""
        with self._lock:
            self._live = find(list(self._records.values()), generation, self.alias).generation

    def drop(self, generation: int, *, timeout_s: float) -> None:
        """Delete it."""
        with self._lock:
            record = find(list(self._records.values()), generation, self.alias)
            check_droppable(record, self._records.get(self._live))
            self._records[generation] = record.model_copy(update={"dropped": True})
            del self._rows[generation]

    def prepare(self, *, timeout_s: float) -> None:
        """Do nothing: there is room."""

    def announce(self, claim: Claim, *, timeout_s: float) -> None:
        """Say that a process is about to change something."""
        with self._lock:
            self._claims[claim.token] = claim

    def announced(self, *, timeout_s: float) -> list[Claim]:
        """All claims."""
        with self._lock:
            return list(self._claims.values())

    def withdraw(self, token: int, *, timeout_s: float) -> None:
        """Forget a claim."""
        with self._lock:
            self._claims.pop(token, None)

    def close(self) -> None:
        """Do nothing."""


def record_of(plan: GenerationPlan, alias: str, generation: int) -> GenerationRecord:
    """The record of a generation that is created now."""
    return GenerationRecord(
        **dict(plan),
        alias=alias,
        generation=generation,
        collection=f"{alias}_g{generation}",
        schema_hash=plan.catalog.hash,
        created_at=datetime.now(UTC),
        fourtower_version=own_version(),
    )


def parse_record(text: str, where: str) -> GenerationRecord:
    """Read a stored record.

    Raises:
        IndexMismatch: it is damaged, or written by a version that records something else.
    """
    try:
        record = GenerationRecord.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "record"
        raise IndexMismatch(
            f"A generation recorded at {where} can't be read ({field}: {first['msg']}); use the version of Fourtower "
            f"that wrote it, or a newer one."
        ) from error
    if record.schema_hash != record.catalog.hash:
        raise IndexMismatch(
            f"Generation {record.generation} at {where} has a catalog that does not fit its own hash; it was changed "
            f"by hand, or written by another version of Fourtower."
        )
    return record


def next_number(records: Sequence[GenerationRecord]) -> int:
    """A number that no generation ever had."""
    return 1 + max((record.generation for record in records), default=0)


def existing(records: Sequence[GenerationRecord]) -> list[GenerationRecord]:
    """Those that were not dropped, oldest first."""
    return sorted((record for record in records if not record.dropped), key=lambda record: record.generation)


def find(records: Sequence[GenerationRecord], generation: int, alias: str) -> GenerationRecord:
    """The generation of this number.

    Raises:
        InvalidQuery: there is none.
    """
    known = {record.generation: record for record in existing(records)}
    if generation not in known:
        numbers = ", ".join(map(str, known)) or "none"
        raise InvalidQuery(f"The index {alias} has no generation {generation}; it has {numbers}.")
    return known[generation]


def check_amendment(before: GenerationRecord, after: GenerationRecord) -> None:
    """Refuse to record what would contradict the stored rows.

    Raises:
        IndexMismatch: more than the numbers that are fitted, or the topic, would change.
    """
    fitted = {"kappa_image", "kappa_text", "lexical_k", "lexical_weight"}
    free: set[str] = {*fitted, "model", "topic_id", "partition_count", "life"}
    names: list[str] = [name for name in GenerationRecord.model_fields if name not in free]
    for name in names:
        if _value(before, name) != _value(after, name):
            raise IndexMismatch(
                f"{name} of generation {before.generation} is part of how its rows were built and can't change; "
                f"build a new generation."
            )


def check_droppable(record: GenerationRecord, current: GenerationRecord | None) -> None:
    """Refuse to drop what searches use.

    Raises:
        InvalidQuery: it is live.
    """
    if current is not None and current.generation == record.generation:
        raise InvalidQuery(
            f"Generation {record.generation} of {record.alias} is live; switch to another one before dropping it."
        )


def check_alias(alias: str) -> None:
    """Refuse names that Milvus would refuse, or that differ only in case.

    Raises:
        InvalidQuery: it has other characters, or too many.
    """
    if not ALIAS.fullmatch(alias):
        raise InvalidQuery(
            f"{alias!r:.80} can't name an index: use lower-case letters, digits and _, at most 64, a letter first."
        )


def _value(record: GenerationRecord, name: str) -> Any:
    return getattr(record, name)
