"""What types of vector index are built and searched with: which parameters, their ranges, and their usual values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

LITE = ("FLAT", "HNSW", "HNSW_SQ", "IVF_FLAT", "IVF_SQ8", "AUTOINDEX")
"""What Milvus Lite has. It takes any other name, too, and fails when it comes to build such an index."""


@dataclass(frozen=True, slots=True)
class Number:
    """A parameter that is a whole number."""

    least: int
    most: int
    usual: int | None = None
    """Where none is given; None: there is no value that suits most."""
    divides_dim: bool = False
    """Vectors are cut into so many equal pieces."""

    def problem(self, value: Any, dim: int) -> str:
        """What is wrong with a value, in words; empty if nothing."""
        whole = int(value) if isinstance(value, str) and value.isdecimal() else value  # an engine is told texts anyway
        fits = isinstance(whole, int) and not isinstance(whole, bool) and self.least <= whole <= self.most
        if fits and not (self.divides_dim and dim % whole):
            return ""
        also = f" by which {dim} can be divided" if self.divides_dim else ""
        return f"must be a whole number from {self.least:,} to {min(self.most, dim) if also else self.most:,}{also}"


@dataclass(frozen=True, slots=True)
class VectorIndex:
    """A type of vector index."""

    params: Mapping[str, Number] = field(default_factory=dict)
    search: Mapping[str, Number] = field(default_factory=dict)
    breadth: str = ""
    """The parameter of a search that can't be lower than the number of hits asked for."""

    def problems(self, params: Mapping[str, Any], search: Mapping[str, Any], dim: int) -> Iterator[str]:
        """What is missing or can't be used, in words."""
        for known, given in ((self.params, params), (self.search, search)):
            for name, number in known.items():
                if name not in given:
                    if number.usual is None:
                        yield f"needs {name}, which {number.problem(None, dim)}"
                elif problem := number.problem(given[name], dim):
                    yield f"can't use {name} {given[name]!r:.40}, which {problem}"


_MANY = 2**31 - 1
_LISTS = {"nlist": Number(1, 65_536, usual=128)}
_PIECES = {"m": Number(1, _MANY, divides_dim=True), "nbits": Number(1, 16, usual=8)}
_PROBES = {"nprobe": Number(1, 65_536, usual=32)}
# With M = 16 searches are as good, but not those under a filter, whose paths lead past what it leaves out.
_GRAPH = {"M": Number(2, 2_048, usual=32), "efConstruction": Number(1, _MANY, usual=300)}
_PATHS = {"ef": Number(1, _MANY, usual=128)}
_HNSW = VectorIndex(_GRAPH, _PATHS, breadth="ef")

KNOWN: Mapping[str, VectorIndex] = {
    "FLAT": VectorIndex(),
    "AUTOINDEX": VectorIndex(),
    "HNSW": _HNSW,
    "HNSW_SQ": _HNSW,
    "HNSW_PQ": _HNSW,
    "HNSW_PRQ": _HNSW,
    "IVF_FLAT": VectorIndex(_LISTS, _PROBES),
    "IVF_SQ8": VectorIndex(_LISTS, _PROBES),
    "IVF_PQ": VectorIndex({**_LISTS, **_PIECES}, _PROBES),
    "SCANN": VectorIndex(_LISTS, _PROBES),
    "DISKANN": VectorIndex(),
}
"""Other types are left to the server."""


def usual(kind: str) -> tuple[dict[str, int], dict[str, int]]:
    """What an index of a type is built and searched with unless something else is said."""
    index = KNOWN.get(kind, VectorIndex())
    params, search = (
        {name: number.usual for name, number in known.items() if number.usual is not None}
        for known in (index.params, index.search)
    )
    return params, search
