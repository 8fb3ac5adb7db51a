"""Assembles the `fourtower` command from the packages' own commands, each loaded only when it is called.

Exit codes: 0 it worked, 1 something failed, 2 the call was wrong, 130 interrupted.
"""

from __future__ import annotations

import inspect
import os
import signal
import sys
from importlib import import_module
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from fourtower_encoders.errors import EncoderError, InvalidConfig
from fourtower_ingest.errors import IngestError, InvalidSettings
from fourtower_search.errors import InvalidCatalog, InvalidQuery, SearchError


class Entry(NamedTuple):
    """Where a command lives, and its line in `fourtower --help`."""

    target: str
    """`module:attribute`, a function or a `typer.Typer`."""
    short_help: str
    """The first line of the command's own help, repeated here so that listing loads nothing."""


COMMANDS: dict[str, Entry] = {
    "demo": Entry("fourtower_workers.demo_cli:demo", "Draw a catalog, index it, and search it in every way."),
    "synth": Entry("fourtower_encoders.synth_cli:synth", "Draw a synthetic street-to-shop catalog."),
    "index": Entry("fourtower_workers.index_cli:app", "Make an index, fill it from a file, look at it, drop it."),
    "bootstrap": Entry(
        "fourtower_workers.bootstrap_cli:bootstrap",
        "Create what streaming needs, or verify it: topics, index and alias.",
    ),
    "topics": Entry("fourtower_ingest.topics_cli:app", "Create the topics or verify them, and show them."),
    "produce": Entry(
        "fourtower_ingest.produce_cli:produce",
        "Publish a file of catalog events to Kafka, each under its product's id.",
    ),
    "ingest": Entry(
        "fourtower_ingest.ingest_cli:ingest", "Read catalog events from Kafka and have workers index them."
    ),
    "status": Entry(
        "fourtower_ingest.status_cli:status", "Show how ingestion is: lag, rates, what is in flight, who is alive."
    ),
    "search": Entry("fourtower_search.search_cli:search", "Find products by words, photos, or both."),
    "serve": Entry("fourtower_workers.serve_cli:serve", "Answer searches over HTTP, and show a page to search from."),
    "keys": Entry("fourtower_search.keys_cli:app", "Make, list and revoke the API keys of the service."),
    "train": Entry("fourtower_encoders.train_cli:train", "Train the towers on a data folder."),
    "evaluate": Entry(
        "fourtower_search.evaluate_cli:evaluate",
        "Measure a checkpoint on a data folder, or a live index on judged queries.",
    ),
    "dlq": Entry("fourtower_ingest.dlq_cli:app", "Look at dead letters, send them again, delete them."),
    "worker": Entry(
        "fourtower_workers.worker_cli:worker", "Take batches from the ingester, and put them into the index."
    ),
    "reconcile": Entry(
        "fourtower_workers.reconcile_cli:reconcile", "Compare the index with the log, and mend what differs."
    ),
    "reindex": Entry(
        "fourtower_workers.reindex_cli:app",
        "Build the next generation of the index beside the live one, and make it live.",
    ),
    "rerank": Entry("fourtower_search.rerank_cli:app", "Learn how to re-rank hits."),
    "model": Entry("fourtower_encoders.model_cli:app", "Import and inspect checkpoints."),
}


class LazyCommands(TyperGroup):
    """A group that lists its commands from the table and loads the one that is called."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        flow(self)
        for name, entry in COMMANDS.items():
            self.add_command(TyperCommand(name, help=entry.short_help))

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Find the command as the base class does, then put the real one in place of its listing."""
        name, listed, rest = super().resolve_command(ctx, args)
        return name, load_command(name) if name else listed, rest


def load_command(name: str) -> TyperCommand | TyperGroup:
    """Import one command of the table and make it ready to be called."""
    module, attribute = COMMANDS[name].target.split(":")
    found = getattr(import_module(module), attribute)
    if isinstance(found, typer.Typer):
        group = typer.main.get_group(found)
        group.name = name
        group.no_args_is_help = True
        for command in (group, *group.commands.values()):
            flow(command)
        return group
    single = typer.Typer(add_completion=False)
    single.command(name)(found)
    command = typer.main.get_command(single)
    if not isinstance(command, TyperCommand):
        raise TypeError(f"{COMMANDS[name].target} is not a function")
    flow(command)
    return command


def flow(command: Any) -> None:
    """Let a command's paragraphs fill the terminal; those marked with a backspace keep their lines.

    Rich help would show the lines of a docstring as they are; plain help wraps by itself.
    """
    if command.help and command.rich_markup_mode:
        paragraphs = inspect.cleandoc(command.help).split("\n\n")
        command.help = "\n\n".join(_flowing(paragraph) for paragraph in paragraphs)


def _flowing(paragraph: str) -> str:
    kept = paragraph.removeprefix("\b\n")
    return kept if kept != paragraph else paragraph.replace("\n", " ")


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"fourtower {version('fourtower')}")
        raise typer.Exit


app = typer.Typer(name="fourtower", cls=LazyCommands, no_args_is_help=True)


@app.callback()
def fourtower(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop."),
    ] = False,
) -> None:
    """Multimodal product search: find products by photo, by words, or by both.

    Every command explains itself with an example: `fourtower train --help`.

    \b
    Example:
      fourtower demo --out demo
    """


def main() -> None:
    """Run the command line and exit; what went wrong is one sentence on stderr."""
    if os.getpid() == 1:  # of a container: the kernel ends it for no signal that it does not handle
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        typer.main.get_command(app)(prog_name="fourtower")
    except (EncoderError, IngestError, SearchError, OSError) as error:
        if os.environ.get("FOURTOWER_DEBUG"):
            raise
        print(f"fourtower: {_sentence(error)}", file=sys.stderr)
        sys.exit(2 if isinstance(error, InvalidConfig | InvalidQuery | InvalidCatalog | InvalidSettings) else 1)
    finally:
        _flush_quietly()


def _sentence(error: Exception) -> str:
    """What went wrong; of a file, without the number that the system gives it."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}."
    return str(error)


def _flush_quietly() -> None:
    """Write out what is left; a reader that went away (`| head`) is no error of ours."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
