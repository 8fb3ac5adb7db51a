"""What a process says before it changes generations: engines have no locks, but a strong read of what was said will do.

Whoever has announced a claim, and then finds nobody else's, is the only one: of two, at least one announced before the
other one looked.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from fourtower_search.errors import IndexMismatch

MOST_TOKEN = 2**62


class Claim(BaseModel):
    """That a process is about to change generations, or just does."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    token: int = Field(ge=1, lt=MOST_TOKEN)
    """Of the process, drawn at random."""
    who: str = Field(max_length=500)
    """What it does, for whoever has to wait."""
    beat: int = Field(default=0, ge=0)
    """Grows as long as the process lives."""


def parse_claim(text: str, where: str) -> Claim:
    """Read a stored claim.

    Raises:
        IndexMismatch: it was written by something else.
    """
    try:
        return Claim.model_validate_json(text)
    except ValueError as error:
        raise IndexMismatch(
            f"Somebody claims to change the generations at {where}, in a form that can't be read; use the version of "
            f"Fourtower that did, or a newer one."
        ) from error
