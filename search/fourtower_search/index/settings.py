"""How a collection is laid out in the engine: its vector index, how vectors are stored, over how many shards."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

VectorType = Literal["float32", "float16", "bfloat16"]
Metric = Literal["IP", "COSINE", "L2"]
EXACT = frozenset({"FLAT", "HNSW", "IVF_FLAT"})
"""Index types that score the stored vectors themselves, not compressed ones."""
DEFAULT_EF = 128


class IndexSettings(BaseModel):
    """Settled when a collection is created, and recorded with its generation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: str = Field(default="HNSW", pattern=r"^[A-Z][A-Z0-9_]{1,31}$")
    """HNSW, FLAT, IVF_FLAT, AUTOINDEX, or any other that the server knows."""
    params: dict[str, Any] = {}
    """What the index is built with."""
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
        """An HNSW index without parameters gets the usual ones; other types have other parameters."""
        if isinstance(given, dict) and str(given.get("type", "HNSW")).startswith("HNSW"):
            # With M = 16 searches are as good, but not those under a filter, whose paths lead past what it leaves out.
            return {"params": {"M": 32, "efConstruction": 300}, "search": {"ef": DEFAULT_EF}, **given}
        return given

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
        if self.is_graph:
            return {**self.search, "ef": max(int(self.search.get("ef", DEFAULT_EF)), limit)}
        return dict(self.search)
