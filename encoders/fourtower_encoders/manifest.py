"""Reads training and evaluation data: products, street photos and search tasks, from JSONL files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError, field_validator

from fourtower_encoders.errors import ManifestError

OnBad = Literal["skip", "fail"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    where: str = Field(default="", exclude=True)
    """File and line that the record came from."""


class Product(_Record):
    """One catalog product, as the towers see it."""

    product_id: str = Field(min_length=1)
    title: str = ""
    description: str = ""
    category: str | None = None
    group: str | None = Field(default=None, validation_alias=AliasChoices("group", "group_id"))
    """Variants of one product share a group: they are neither positives nor negatives of each other."""
    images: tuple[str, ...] = Field(default=(), validation_alias=AliasChoices("images", "image"))
    """Paths relative to the data folder, best view first."""
    queries: tuple[str, ...] = ()
    """All short queries that this product answers."""
    attributes: dict[str, Any] = {}

    @field_validator("images", "queries", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value

    @property
    def text(self) -> str:
        """What the `product_text` tower reads."""
        return f"{self.title}. {self.description}" if self.description else self.title


class Pair(_Record):
    """A street photo and the product that it shows."""

    query_image: str = Field(validation_alias=AliasChoices("query_image", "image"), min_length=1)
    product_id: str = Field(min_length=1)


class Task(_Record):
    """A search that combines a photo with words, and the products that answer it."""

    task: str
    query_image: str | None = None
    text: str = ""
    minus: str = ""
    """Words that the result must not match."""
    relevant: tuple[str, ...] = Field(min_length=1)
    filter: dict[str, str] = {}
    """The words as an exact attribute filter: the baseline "filter, then image rank". A leading "!" negates."""

    @field_validator("relevant", mode="before")
    @classmethod
    def _as_tuple(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value


@dataclass(frozen=True)
class Dataset:
    """One split of a data folder; every pair names one of the products."""

    root: Path
    products: list[Product]
    pairs: list[Pair]
    tasks: list[Task]
    bad: list[str] = field(default_factory=list)
    """One sentence for each line that was skipped."""


def load_dataset(root: Path, split: str, *, on_bad: OnBad = "fail") -> Dataset:
    """Read one split (`train`, `val` or `test`) of a data folder.

    Products come from `products.<split>.jsonl`, or from `products.jsonl` when all splits share one
    catalog; pairs from `queries.<split>.jsonl`; tasks, if any, from `tasks.<split>.jsonl`.

    Raises:
        ManifestError: a file is missing or empty, or, with `on_bad="fail"`, a line is bad.
    """
    own = root / f"products.{split}.jsonl"
    if not root.is_dir():
        raise ManifestError(f"There is no data folder {root}; correct the path.")
    bad: list[str] = []
    products = _read(own if own.exists() else root / "products.jsonl", Product, bad)
    known = {product.product_id for product in products}
    pairs = _read(root / f"queries.{split}.jsonl", Pair, bad, known)
    tasks_file = root / f"tasks.{split}.jsonl"
    tasks = _read(tasks_file, Task, bad, known) if tasks_file.exists() else []
    if bad and on_bad == "fail":
        more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
        raise ManifestError(f"{bad[0]}{more}. Mend the line, or pass --on-bad skip.")
    if not products or not pairs:
        raise ManifestError(f"{root} has no usable {'products' if not products else 'queries'} for split {split!r}.")
    return Dataset(root, products, pairs, tasks, bad)


_R = TypeVar("_R", bound=_Record)


def _read(path: Path, model: type[_R], bad: list[str], known: set[str] | None = None) -> list[_R]:
    """Parse every line; what can't be used is described in `bad`."""
    if not path.is_file():
        raise ManifestError(
            f"{path} does not exist. Name a split that the folder has, or a folder as `fourtower synth` writes it."
        )
    records: list[_R] = []
    seen: set[str] = set()
    for number, line in _lines(path):
        try:
            record = model.model_validate_json(line)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the line"
            bad.append(f"{path.name} line {number}: {where}: {first['msg']}")
            continue
        record = record.model_copy(update={"where": f"{path.name} line {number}"})
        problem = _problem(record, known, seen)
        if problem:
            bad.append(f"{path.name} line {number}: {problem}")
        else:
            records.append(record)
    return records


def _problem(record: _Record, known: set[str] | None, seen: set[str]) -> str | None:
    """What only the other lines can tell about a record."""
    if isinstance(record, Product):
        if record.product_id in seen:
            return f"product_id {record.product_id!r} appears twice"
        seen.add(record.product_id)
    named = (record.product_id,) if isinstance(record, Pair) else record.relevant if isinstance(record, Task) else ()
    for product_id in named:
        if known is not None and product_id not in known:
            return f"product_id {product_id!r} is not in the products file"
    return None


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield number, line
