"""All scenarios, in the order of their numbers."""

from __future__ import annotations

import importlib
import pkgutil
import re

from tests.faults import scenarios
from tests.faults.scenario import Scenario


def all_scenarios() -> list[Scenario]:
    """Every scenario of every module of `scenarios`."""
    modules = (importlib.import_module(f"{scenarios.__name__}.{each.name}") for each in _modules())
    return sorted((scenario for module in modules for scenario in module.SCENARIOS), key=_place)


def chosen(only: str) -> list[Scenario]:
    """All, or those of a comma-separated list; `F10` stands for its variants too.

    Raises:
        KeyError: one of them is not known.
    """
    every = all_scenarios()
    if not only:
        return every
    wanted = [name.strip() for name in only.split(",")]
    known = {scenario.name for scenario in every} | {_number(scenario.name) for scenario in every}
    if unknown := [name for name in wanted if name not in known]:
        raise KeyError(f"no scenario {', '.join(unknown)}; there are {', '.join(each.name for each in every)}")
    return [each for each in every if each.name in wanted or _number(each.name) in wanted]


def _modules() -> list[pkgutil.ModuleInfo]:
    return [each for each in pkgutil.iter_modules(scenarios.__path__) if not each.name.startswith("test_")]


def _number(name: str) -> str:
    return name.rstrip("abcdefghijklmnopqrstuvwxyz")


def _place(scenario: Scenario) -> tuple[int, str]:
    return int(re.sub(r"\D", "", scenario.name)), scenario.name
