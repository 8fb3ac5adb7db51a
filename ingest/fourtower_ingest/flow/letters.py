"""Dead letters on their way: taken by whoever produces them, and settled only when the broker acknowledged them."""

from __future__ import annotations

from fourtower_ingest.dead_letters import Letter
from fourtower_ingest.log import Partition, Place


class Letters:
    """Letters that are not acknowledged yet."""

    def __init__(self) -> None:
        self._pending: dict[Place, Letter] = {}
        self._new: dict[Place, Letter] = {}
        self._withheld: dict[Place, Letter] = {}

    def __len__(self) -> int:
        return len(self._pending)

    def write(self, letter: Letter, *, withhold: bool = False) -> None:
        """A letter to produce; a withheld one only when `release` says so."""
        place = letter.record.place
        self._pending[place] = letter
        (self._withheld if withhold else self._new)[place] = letter

    def release(self) -> None:
        """Let the withheld letters go."""
        self._new |= self._withheld
        self._withheld.clear()

    def abandon(self) -> None:
        """Nobody is to take the rest; what they stand for is never done."""
        for place in (*self._new, *self._withheld):
            del self._pending[place]
        self._new.clear()
        self._withheld.clear()

    def take(self) -> list[Letter]:
        """Those that were not taken yet."""
        taken = list(self._new.values())
        self._new.clear()
        return taken

    def buried(self, place: Place) -> Letter | None:
        """The broker acknowledged the letter of this record; None if nobody waits for that."""
        if place in self._new or place in self._withheld:
            return None  # of an earlier time that the partition was ours
        return self._pending.pop(place, None)

    def forget(self, partitions: frozenset[Partition]) -> list[Letter]:
        """Forget the letters of these partitions; whoever has them now writes them again."""
        gone = [letter for place, letter in self._pending.items() if place.partition in partitions]
        for letter in gone:
            for letters in (self._pending, self._new, self._withheld):
                letters.pop(letter.record.place, None)
        return gone
