"""Reads judged queries, in JSON lines of our own or in tables like those of ESCI."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from fourtower_encoders.errors import ManifestError
from fourtower_search.query.forms import first_problem

Gains = Literal["exponential", "linear"]
"""What a grade g is worth: 2^g - 1, or g."""

ESCI: Mapping[str, float] = {
    **{"E": 1.0, "S": 0.1, "C": 0.01, "I": 0.0},
    **{"exact": 1.0, "substitute": 0.1, "complement": 0.01, "irrelevant": 0.0},
}
"""What the labels of the Shopping Queries dataset are worth."""
_TABLES = {".csv": ",", ".tsv": "\t"}


@dataclass(frozen=True, slots=True)
class Judged:
    """A query with its right answers."""

    query_id: str
    grades: Mapping[str, float]
    """By product id, all above 0; who is not there is wrong."""
    kind: str = "text"
    """Queries of one kind are measured together."""
    text: str = ""
    minus: str = ""
    """Words that the result must not match."""
    image: Path | None = None
    category: str | None = None
    """Of the right answers, where they share one."""
    where: Mapping[str, Any] | None = None
    """A filter in its JSON form."""

    @property
    def right(self) -> frozenset[str]:
        """The products of the highest grade."""
        best = max(self.grades.values(), default=0.0)
        return frozenset(product_id for product_id, grade in self.grades.items() if grade == best)


@dataclass(frozen=True, slots=True)
class Judgments:
    """The queries of one file, in its order."""

    queries: tuple[Judged, ...]
    gains: Gains = "exponential"

    def gain(self, grade: float) -> float:
        """What a grade is worth in nDCG."""
        return float(grade if self.gains == "linear" else 2**grade - 1)


def read_judgments(path: Path) -> Judgments:
    """Read judged queries: `.jsonl` is our own form, `.csv` and `.tsv` are tables with a header.

    Raises:
        ManifestError: the file has another form, no queries, or a bad line, which is named.
    """
    suffix = path.suffix.lower()
    if suffix not in (".jsonl", *_TABLES):
        raise ManifestError(f"{path}: judgments are read from .jsonl, .csv or .tsv files; rename or convert this one.")
    try:
        found = _read_table(path, _TABLES[suffix]) if suffix in _TABLES else Judgments(tuple(_read_lines(path)))
    except OSError as error:
        raise ManifestError(f"{path}: {error.strerror}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ManifestError(f"{path} can't be read as a UTF-8 text of its form: {error}.") from error
    if not found.queries:
        raise ManifestError(f"{path} holds no queries; nothing can be measured with it.")
    return found


class _Line(BaseModel):
    """A query as it stands in a `.jsonl` file."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    query_id: str = Field(min_length=1, max_length=256)
    kind: str = Field(default="", max_length=64)
    text: str = Field(default="", max_length=1000)
    minus: str = Field(default="", max_length=1000)
    image: str = Field(default="", max_length=1024)
    category: str | None = None
    where: dict[str, Any] | None = None
    grades: dict[str, Annotated[float, Field(gt=0, le=100)]]

    @model_validator(mode="after")
    def _asks_for_something(self) -> Self:
        if not (self.text.strip() or self.image):
            raise ValueError("a query needs `text` or `image`")
        inside = PurePosixPath(self.image.replace("\\", "/"))
        if inside.is_absolute() or ".." in inside.parts or ":" in self.image:
            raise ValueError("`image` is a path inside the folder of this file, and no URL")
        return self

    def judged(self, folder: Path) -> Judged:
        """The query, with its picture where it lies."""
        image = folder / self.image if self.image else None
        usual = "text" if not image else "mixed" if self.text or self.minus else "image"
        return Judged(
            self.query_id, self.grades, self.kind or usual, self.text, self.minus, image, self.category, self.where
        )


def _read_lines(path: Path) -> Iterator[Judged]:
    seen: set[str] = set()
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                query = _Line.model_validate_json(line)
            except ValidationError as error:
                raise ManifestError(f"{path.name} line {number}: {first_problem(error)}.") from error
            if query.query_id in seen:
                raise ManifestError(f"{path.name} line {number}: the query_id {query.query_id!r} appears twice.")
            seen.add(query.query_id)
            yield query.judged(path.parent)


@dataclass(slots=True)
class _Group:
    """The lines of one query so far."""

    text: str
    grades: dict[str, float] = field(default_factory=dict)


def _read_table(path: Path, delimiter: str) -> Judgments:
    """One line per query and product; further columns are ignored."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = csv.DictReader(file, delimiter=delimiter)
        header = lines.fieldnames or ()
        column = next((name for name in ("esci_label", "grade") if name in header), None)
        if column is None or not {"query", "product_id"} <= set(header):
            raise ManifestError(
                f"{path.name} line 1: a table needs the columns query, product_id and esci_label or grade; "
                f"it has {', '.join(header) or 'none'}."
            )
        groups = _grouped(path.name, lines, column)
    queries = (
        Judged(query_id, {name: grade for name, grade in group.grades.items() if grade}, text=group.text)
        for query_id, group in groups.items()
    )
    return Judgments(tuple(queries), "linear" if column == "esci_label" else "exponential")


def _grouped(name: str, lines: csv.DictReader[str], column: str) -> dict[str, _Group]:
    groups: dict[str, _Group] = {}
    for line in lines:
        where = f"{name} line {lines.line_num}"
        text, product_id = (_cell(where, line, key) for key in ("query", "product_id"))
        grade = _grade(where, column, _cell(where, line, column))
        group = groups.setdefault(line.get("query_id") or text, _Group(text))
        if group.text != text:
            raise ManifestError(f"{where}: the query {line['query_id']!r} has another text than before.")
        if group.grades.setdefault(product_id, grade) != grade:
            raise ManifestError(f"{where}: the query has graded product {product_id!r} otherwise before.")
    return groups


def _cell(where: str, line: Mapping[str, str | None], column: str) -> str:
    value = (line[column] or "").strip()
    if not value:
        raise ManifestError(f"{where}: {column} is empty.")
    return value


def _grade(where: str, column: str, value: str) -> float:
    if column == "esci_label":
        if value not in ESCI:
            raise ManifestError(f"{where}: the label {value!r:.40} is none of {_listed(ESCI)}.")
        return ESCI[value]
    try:
        grade = float(value)
    except ValueError:
        grade = math.nan
    if not 0 <= grade <= 100:
        raise ManifestError(f"{where}: the grade {value!r:.40} is no number from 0 to 100.")
    return grade


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
