"""What is reported of each write: one outcome per write, in the order in which they were given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from fourtower_search.errors import (
    IndexMismatch,
    IndexUnavailable,
    InvalidCatalog,
    InvalidQuery,
    SearchError,
    Unsupported,
)
from fourtower_search.index.rows import Order, ProductWrite
from fourtower_search.index.verifier import Result

Status = Literal["applied", "stale", "superseded", "failed"]
CODES: dict[type[SearchError], str] = {
    InvalidCatalog: "invalid_product",
    InvalidQuery: "invalid_product",
    IndexUnavailable: "unavailable",
    IndexMismatch: "mismatch",
    Unsupported: "unsupported",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one write."""

    product_id: str
    order: Order
    status: Status
    """Stale: a newer version is stored. Superseded: a newer write of the same batch was applied, or stale."""
    code: str = ""
    """Of a failure: incomplete, superseded_by_failed, or one of `CODES`."""
    message: str = ""
    retryable: bool = False
    """False where the product itself is at fault; trying again would fail again."""


def outcomes(
    writes: Sequence[ProductWrite], winners: Mapping[str, ProductWrite], results: Mapping[str, Result]
) -> list[Outcome]:
    """One outcome per write, from what became of the winning write of each product."""
    decided = {winner.product_id: _decided(winner, results[winner.product_id]) for winner in winners.values()}
    return [_outcome(write, decided[write.product_id]) for write in writes]


def _decided(write: ProductWrite, result: Result) -> Outcome:
    if isinstance(result, SearchError):
        return failure(write, result)
    if result != "incomplete":
        return Outcome(write.product_id, write.order, result)
    message = f"Version {write.order.version} of product {write.product_id} is not completely stored; send it again."
    return Outcome(write.product_id, write.order, "failed", "incomplete", message, retryable=True)


def _outcome(write: ProductWrite, winner: Outcome) -> Outcome:
    if write.order == winner.order:
        return winner
    if winner.status != "failed":
        return Outcome(write.product_id, write.order, "superseded")
    message = f"Version {winner.order.version} of the same batch took its place and failed: {winner.message}"
    return Outcome(write.product_id, write.order, "failed", "superseded_by_failed", message, retryable=True)


def failure(write: ProductWrite, error: SearchError) -> Outcome:
    """The outcome of a write that met an error."""
    code = next((code for kind, code in CODES.items() if isinstance(error, kind)), "failed")
    at_fault = isinstance(error, InvalidCatalog | InvalidQuery)
    return Outcome(write.product_id, write.order, "failed", code, str(error), retryable=not at_fault)
