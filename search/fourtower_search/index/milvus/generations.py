"""Generations in Milvus: one collection each, one small side collection that records them all, one alias."""

from __future__ import annotations

from fourtower_search.errors import IndexMismatch, SearchError
from fourtower_search.index.claims import Claim, parse_claim
from fourtower_search.index.deadline import Deadline
from fourtower_search.index.generations import (
    GenerationPlan,
    GenerationRecord,
    check_alias,
    check_amendment,
    check_droppable,
    existing,
    find,
    next_number,
    parse_record,
    record_of,
)
from fourtower_search.index.milvus.collections import ensure_collection, ensure_indexes, exists
from fourtower_search.index.milvus.connection import Connection, Field
from fourtower_search.index.milvus.failures import NO_SUCH_ALIAS
from fourtower_search.index.milvus.layout import MAX_TEXT, Shape, check_possible
from fourtower_search.index.milvus.rows import MilvusRows
from fourtower_search.index.store import PAGE

FIELDS = {
    "generation": Field("INT64", primary=True),
    "record": Field("VARCHAR", length=MAX_TEXT),
    "vector": Field("FLOAT_VECTOR", dim=2),
}
"""A collection of Milvus must have a vector."""


class MilvusGenerations:
    """The generations of one alias on one Milvus; owns its connection."""

    def __init__(self, connection: Connection, alias: str) -> None:
        check_alias(alias)
        self.alias = alias
        self._connection = connection
        self._side = f"{alias}_generations"

    def records(self, *, timeout_s: float) -> list[GenerationRecord]:
        """Those that exist, oldest first."""
        return existing(self._all(Deadline(timeout_s)))

    def current(self, *, timeout_s: float) -> GenerationRecord | None:
        """The live one."""
        return self._current(Deadline(timeout_s))

    def check(self, plan: GenerationPlan) -> None:
        """Refuse a plan that this server could not carry out."""
        check_possible(_shape(plan), self._connection.features)

    def create(self, plan: GenerationPlan, *, timeout_s: float) -> GenerationRecord:
        """Create the next generation: its collection first, so that nothing is recorded that is not there.

        What an interrupted creation left is taken up by the next one if it has the same catalog and dimension,
        and skipped otherwise.
        """
        self.check(plan)
        deadline = Deadline(timeout_s)
        self._ensure_records(deadline)
        number = next_number(self._all(deadline))
        while True:
            record = record_of(plan, self.alias, number)
            try:
                MilvusRows.create(self._connection, record.collection, _shape(plan), timeout_s=deadline.left())
            except IndexMismatch:
                if not exists(self._connection, record.collection, deadline):
                    raise
                number += 1
                continue
            self._save(record, deadline)
            return record

    def amend(self, record: GenerationRecord, *, timeout_s: float) -> None:
        """Replace a record."""
        deadline = Deadline(timeout_s)
        check_amendment(find(self._all(deadline), record.generation, self.alias), record)
        self._save(record, deadline)

    def open(self, record: GenerationRecord, *, timeout_s: float) -> MilvusRows:
        """Its rows, over a connection of their own."""
        deadline = Deadline(timeout_s)
        connection = self._connection.another(timeout_s=deadline.left())
        try:
            return MilvusRows.open(connection, record.collection, _shape(record), timeout_s=deadline.left())
        except SearchError:
            connection.close()
            raise

    def point(self, generation: int, *, timeout_s: float) -> None:
        """Make it live; it is loaded before, so that the first search after finds it ready."""
        deadline = Deadline(timeout_s)
        record = find(self._all(deadline), generation, self.alias)
        self._connection.load(record.collection, deadline)
        method = "create_alias" if self._target(deadline) is None else "alter_alias"
        doing = f"point {self.alias} to {record.collection}"
        self._connection.call(method, doing, deadline, collection_name=record.collection, alias=self.alias)

    def drop(self, generation: int, *, timeout_s: float) -> None:
        """Delete its collection, then its record, so that an interrupted drop can be done again."""
        deadline = Deadline(timeout_s)
        record = find(self._all(deadline), generation, self.alias)
        # Milvus would drop it with the alias on it.
        check_droppable(record, self._current(deadline))
        doing = f"drop {record.collection}"
        self._connection.call("drop_collection", doing, deadline, collection_name=record.collection)
        self._save(record.model_copy(update={"dropped": True}), deadline)

    def prepare(self, *, timeout_s: float) -> None:
        """Create what holds records and claims, if it is not there."""
        self._ensure_records(Deadline(timeout_s))

    def announce(self, claim: Claim, *, timeout_s: float) -> None:
        """Say that a process is about to change something: a row beside the records, below their numbers."""
        self._put(-claim.token, claim.model_dump_json(), f"announce {claim.who}", Deadline(timeout_s))

    def announced(self, *, timeout_s: float) -> list[Claim]:
        """All claims."""
        found = self._stored("generation < 0", "read who changes its generations", Deadline(timeout_s))
        return [parse_claim(text, self._shown) for text in found]

    def withdraw(self, token: int, *, timeout_s: float) -> None:
        """Forget a claim."""
        where = f"generation == {-token}"
        self._connection.call(
            "delete", "withdraw a claim", Deadline(timeout_s), collection_name=self._side, filter=where
        )

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _current(self, deadline: Deadline) -> GenerationRecord | None:
        collection = self._target(deadline)
        if collection is None:
            return None
        for record in self._all(deadline):
            if record.collection == collection and not record.dropped:
                return record
        raise IndexMismatch(
            f"The alias {self.alias} at {self._connection.address.shown} points to {collection}, which is no recorded "
            f"generation; point it to one, or use another alias."
        )

    def _target(self, deadline: Deadline) -> str | None:
        """The collection that the alias points to."""
        described = self._connection.call(
            "describe_alias", f"look up the alias {self.alias}", deadline, missing=NO_SUCH_ALIAS, alias=self.alias
        )
        return None if described is None else str(described["collection_name"])

    def _all(self, deadline: Deadline) -> list[GenerationRecord]:
        """Every record, those of dropped generations too."""
        if not exists(self._connection, self._side, deadline):
            return []
        found = self._stored("generation >= 0", "read its generations", deadline)
        return [parse_record(text, self._shown) for text in found]

    def _save(self, record: GenerationRecord, deadline: Deadline) -> None:
        self._put(record.generation, record.model_dump_json(), f"record generation {record.generation}", deadline)

    @property
    def _shown(self) -> str:
        return f"{self._connection.address.shown} ({self._side})"

    def _stored(self, where: str, doing: str, deadline: Deadline) -> list[str]:
        """Texts of the side collection, as they are now."""
        found = self._connection.call(
            "query",
            doing,
            deadline,
            collection_name=self._side,
            filter=where,
            output_fields=["record"],
            limit=PAGE,
            consistency_level="Strong",
        )
        return [entity["record"] for entity in found]

    def _put(self, number: int, text: str, doing: str, deadline: Deadline) -> None:
        row = {"generation": number, "record": text, "vector": [0.0, 0.0]}
        self._connection.call("upsert", doing, deadline, collection_name=self._side, data=[row])

    def _ensure_records(self, deadline: Deadline) -> None:
        ensure_collection(self._connection, self._side, FIELDS, deadline)
        index = {"index_type": "FLAT", "metric_type": "IP", "params": {}}
        ensure_indexes(self._connection, self._side, {"vector": index}, deadline)
        self._connection.load(self._side, deadline)


def _shape(plan: GenerationPlan) -> Shape:
    return Shape(plan.catalog, plan.dim, plan.index)
