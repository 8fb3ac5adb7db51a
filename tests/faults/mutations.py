"""Switches off one guard after the other, and says which check turned red; one that nobody misses is no guard."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import pytest
from tests.faults.matrix import chosen
from tests.faults.runner import play
from tests.faults.switches import SWITCHES, without
from tests.ingest.flow import test_guards as flow
from tests.search.index import test_guards as index

SHOWN = 140
PLAYED = {
    "commit_what_was_read": "F4",
    "leave_old_rows": "F0",
    "done_when_written": "F2b",
    "ignore_the_counter": "F7",
    "report_no_losses": "F1a",
    "forget_what_was_being_written": "F3",
}
"""The scenario that must notice, for each guard of real processes."""
SIMULATED: dict[str, tuple[list[Callable[[Any], None]], Callable[[], None]]] = {
    "simulation of the flow": (list(flow.GUARDS), flow.simulate_many),
    "contract of the index": (
        [index.take_part_for_whole, index.leave_old_rows, index.forget_deletes],
        index.run_many,
    ),
}


@dataclass(frozen=True)
class Mutation:
    """A guard, and what noticed that it was gone."""

    guard: str
    check: str
    red: str
    """What turned red; empty if nothing did."""

    def to_dict(self) -> dict[str, str]:
        """As JSON."""
        return asdict(self)


def mutations(*, seed: int) -> Iterator[Mutation]:
    """All of them, the quick ones first."""
    for check, (guards, run) in SIMULATED.items():
        for switch_off in guards:
            yield Mutation(_said(switch_off), check, _simulated(switch_off, run))
    for name, scenario in PLAYED.items():
        yield Mutation(_said(SWITCHES[name]), f"scenario {scenario}", _played(name, scenario, seed))


def _simulated(switch_off: Callable[[Any], None], run: Callable[[], None]) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logging.getLogger("fourtower_search.index.verifier"), "disabled", True)
        switch_off(patch)
        try:
            run()
        except AssertionError as error:
            return _first_line(str(error)) or "what is stored differs from the oracle"
    return ""


def _played(name: str, scenario: str, seed: int) -> str:
    (found,) = (each for each in chosen(scenario) if each.name == scenario)
    setup = replace(found.setup, around=partial(without, name))
    result = play(replace(found, setup=setup), seed=seed, keep=False)
    wrong = {each.invariant: each.message for each in reversed(result.violations) if each.invariant != "run"}
    return "; ".join(f"{name}: {_first_line(message)}" for name, message in sorted(wrong.items())[:3])


def _said(switch: Callable[..., None]) -> str:
    return f"{switch.__name__.replace('_', ' ')}: {(switch.__doc__ or '').strip()}"


def _first_line(text: str) -> str:
    """Of a traceback, what was raised; of a long one, both ends."""
    lines = [line for line in text.strip().splitlines() if line and not line.startswith((" ", "Traceback"))]
    line = (lines or [""])[0].removeprefix("AssertionError: ")
    return line if len(line) <= SHOWN else f"{line[: SHOWN // 2]} ... {line[-SHOWN // 2 :]}"
