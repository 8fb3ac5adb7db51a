"""Reads a Dockerfile into its stages, as far as Fourtower's own ones go."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Instruction:
    """One line of a Dockerfile, continued ones joined."""

    name: str
    text: str
    number: int

    @property
    def options(self) -> dict[str, str]:
        """Those that stand before the words, such as `--from=wheel`."""
        found = re.match(r"((?:--[a-z]+=\S+\s+)*)", self.text)
        pairs = (option.partition("=") for option in (found[1].split() if found else []))
        return {name.removeprefix("--"): value for name, _, value in pairs}

    @property
    def words(self) -> list[str]:
        """What stands behind the options; of a JSON list its members."""
        rest = re.sub(r"^(?:--[a-z]+=\S+\s+)+", "", self.text)
        return json.loads(rest) if rest.startswith("[") else shlex.split(rest)

    @property
    def pairs(self) -> dict[str, str]:
        """Of ENV: the variables."""
        return dict(word.split("=", 1) for word in self.words)


@dataclass(frozen=True)
class Stage:
    """One FROM, and what follows it."""

    name: str
    base: str
    instructions: list[Instruction] = field(default_factory=list)

    def all(self, name: str) -> list[Instruction]:
        """The instructions of one kind."""
        return [each for each in self.instructions if each.name == name]


@dataclass(frozen=True)
class Dockerfile:
    """All stages, and the arguments before the first of them."""

    arguments: dict[str, str]
    stages: dict[str, Stage]

    def chain(self, name: str) -> list[Stage]:
        """A stage and those that it begins with, the first one first."""
        stage = self.stages[name]
        return [*(self.chain(stage.base) if stage.base in self.stages else []), stage]

    def last(self, stage: str, instruction: str) -> Instruction | None:
        """The instruction that is in force in a stage."""
        found = [each for link in self.chain(stage) for each in link.all(instruction)]
        return found[-1] if found else None

    def environment(self, stage: str) -> dict[str, str]:
        """What ENV sets in a stage."""
        found: dict[str, str] = {}
        for link in self.chain(stage):
            for each in link.all("ENV"):
                found |= each.pairs
        return found


def read(path: Path) -> Dockerfile:
    """Read a file."""
    arguments: dict[str, str] = {}
    stages: dict[str, Stage] = {}
    current: Stage | None = None
    for each in _instructions(path.read_text()):
        if each.name == "FROM":
            base, _, name = each.text.partition(" AS ")
            current = Stage(name.strip() or f"stage {len(stages)}", base.strip())
            stages[current.name] = current
        elif current is None:
            name, _, value = each.text.partition("=")
            arguments[name] = value
        else:
            current.instructions.append(each)
    return Dockerfile(arguments, stages)


def _instructions(text: str) -> Iterator[Instruction]:
    joined, begun = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("#") or (not line.strip() and not joined):
            continue
        begun = begun or number
        joined += line.removesuffix("\\") if line.endswith("\\") else line
        if line.endswith("\\"):
            continue
        name, _, rest = joined.strip().partition(" ")
        yield Instruction(name.upper(), re.sub(r"\s+", " ", rest.strip()), begun)
        joined, begun = "", 0
