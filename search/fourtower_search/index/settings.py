"""How a collection is laid out in the engine: its vector index, how vectors are stored, over how many shards."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from fourtower_search.index.vector_indexes import KNOWN, VectorIndex, usual

VectorType = Literal["float32", "float16", "bfloat16"]
Metric = Literal["IP", "COSINE", "L2"]
EXACT = frozenset({"FLAT", "HNSW", "IVF_FLAT"})
"""Index types that score the stored vectors themselves, not compressed ones."""


class IndexSettings(BaseModel):
    """Settled when a collection is created, and recorded with its generation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: str = Field(default="HNSW", pattern=r"^[A-Z][A-Z0-9_]{1,31}$")
    """HNSW, FLAT, IVF_FLAT, AUTOINDEX, or any other that the server knows."""
    params: dict[str, Any] = {}
    """What the index is built with; what is left out has its usual value (`vector_indexes`)."""
    search: dict[str, Any] = {}
    """What it is searched with; HNSW's `ef` grows with the number of hits asked for."""
    metric: Metric = "IP"
    """By what the engine looks for candidates. Scores are inner products in any case; with another metric they are
    computed from the rows' vectors, and rows whose halves are imputed may be found too late or too early."""
    vectors: VectorType = "float32"
    shards: int = Field(default=1, ge=1, le=64)
    scalar_indexes: bool = True
    """Index the columns that filters use often."""

    @model_validator(mode="before")
    @classmethod
    def _usual_params(cls, given: Any) -> Any:
        """What is left out is as usual."""
        if not isinstance(given, dict):
            return given
        filled = dict(given)
        for name, values in zip(("params", "search"), usual(str(given.get("type", "HNSW"))), strict=True):
            own = given.get(name, {})
            filled[name] = {**values, **own} if isinstance(own, dict) else own
        return filled

    @property
    def is_graph(self) -> bool:
        """A search follows a graph from row to row, and stops where a filter leaves no path."""
        return self.type.startswith("HNSW")

    @property
    def exact_scores(self) -> bool:
        """Scores are inner products with the vectors that were written."""
        return self.type in EXACT and self.vectors == "float32" and self.metric == "IP"

    def search_params(self, limit: int) -> dict[str, Any]:
        """What to search with for so many hits."""
        breadth = KNOWN.get(self.type, VectorIndex()).breadth
        if breadth and breadth in self.search:
            return {**self.search, breadth: max(int(self.search[breadth]), limit)}
        return dict(self.search)
