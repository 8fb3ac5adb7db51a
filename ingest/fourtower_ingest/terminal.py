"""What several commands show in a terminal: settings as they are in force, and progress bars."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from pydantic_settings import BaseSettings
    from rich.table import Table

    from fourtower_ingest.environment import Setting


def show_settings(all_of: Sequence[BaseSettings], *, as_json: bool) -> None:
    """Print every setting with its variable, its value and what it means; secrets are masked."""
    from rich.console import Console

    from fourtower_ingest.environment import list_settings

    listed = list_settings(all_of)
    if as_json:
        typer.echo(json.dumps([asdict(setting) for setting in listed], indent=2))
    else:
        Console().print(_table(listed))


@contextmanager
def counting_bar(title: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A progress bar, for terminals only; what is yielded is told how much more is done."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(title, total=total)
        yield lambda done: progress.advance(task, done)


def _table(listed: Sequence[Setting]) -> Table:
    from rich.console import Group
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    table.add_column("setting")
    table.add_column("value")
    for setting in listed:
        meaning = Padding(Text(setting.description, style="dim"), (0, 0, 0, 2))
        changed = "" if setting.value == setting.default else "bold"
        table.add_row(Group(Text(setting.variable), meaning), Text(setting.value, style=changed))
    return table
