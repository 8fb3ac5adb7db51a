"""The `fourtower` command: its table, its help, its exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version

import pytest
from typer.core import TyperCommand, TyperGroup
from typer.testing import CliRunner

from fourtower_encoders.errors import CheckpointError, InvalidConfig
from fourtower_workers import cli

COMMAND = [sys.executable, "-c", "from fourtower_workers.cli import main; main()"]


def run(*args: str) -> subprocess.CompletedProcess[str]:
    environ = os.environ | {"TERM": "dumb", "COLUMNS": "120"}
    return subprocess.run([*COMMAND, *args], env=environ, capture_output=True, text=True, check=False)


def walk(name: str) -> Iterator[tuple[str, TyperCommand | TyperGroup]]:
    """A command of the table, and everything below it."""
    below = [(name, cli.load_command(name))]
    while below:
        path, command = below.pop()
        yield path, command
        if isinstance(command, TyperGroup):
            below += [(f"{path} {sub}", child) for sub, child in command.commands.items()]


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_table_repeats_the_first_line_of_the_help(name: str) -> None:
    assert (cli.load_command(name).help or "").splitlines()[0] == cli.COMMANDS[name].short_help


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_help_has_an_example(name: str) -> None:
    for path, command in walk(name):
        shown = CliRunner().invoke(cli.app, [*path.split(), "--help"])
        assert shown.exit_code == 0, path
        assert "Example" in shown.output, path
        assert f"\n   fourtower {path}" in shown.output, f"{path}: no indented example"
        for parameter in command.params:
            assert getattr(parameter, "help", None), f"{path}: {parameter.name} has no help"


def test_paragraphs_fill_the_line_and_examples_keep_theirs() -> None:
    shown = run("evaluate", "--help").stdout
    assert "how often the right one is among the first k hits" in shown
    lines = [line.strip() for line in shown.splitlines()]
    start = lines.index("Example:")
    assert lines[start - 1] == ""
    assert lines[start - 2], "no second empty line"
    assert lines[start + 1 : start + 3] == [
        "fourtower synth --products 2000 --out catalog",
        "fourtower evaluate demo --data catalog --picture found.png",
    ]


def test_help_lists_the_table() -> None:
    shown = run("--help")
    assert shown.returncode == 0
    for name, entry in cli.COMMANDS.items():
        assert name in shown.stdout
        assert entry.short_help in shown.stdout


def test_help_loads_no_command() -> None:
    code = (
        "import sys\nfrom fourtower_workers.cli import main\n"
        "try: main()\n"
        "finally: print(*sorted(sys.modules), file=sys.stderr)"
    )
    shown = subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, text=True, check=True)
    loaded = set(shown.stderr.split())
    commands = {entry.target.partition(":")[0] for entry in cli.COMMANDS.values()}
    assert "fourtower_workers.cli" in loaded
    assert not loaded & (commands | {"numpy", "torch", "onnxruntime", "PIL"})


@pytest.mark.parametrize("args", [[], ["trian"], ["--no-such-option"], ["train", "--no-such-option"]])
def test_a_wrong_call_has_its_own_status(args: list[str]) -> None:
    assert run(*args).returncode == 2


def test_version_is_the_installed_one() -> None:
    assert run("--version").stdout == f"fourtower {version('fourtower')}\n"


def test_a_typing_error_gets_a_suggestion() -> None:
    assert "Did you mean 'train'?" in run("trian").stderr


def damaged() -> None:
    """Fail as a command does that was given a damaged checkpoint."""
    raise CheckpointError("model.safetensors is cut short; copy the checkpoint again.")


def contradictory() -> None:
    """Fail as a command does whose options contradict each other."""
    raise InvalidConfig("--dim must be at least 8.")


def interrupted() -> None:
    """Stop as on Ctrl-C."""
    raise KeyboardInterrupt


def unreadable() -> None:
    """Fail as the file system does."""
    raise PermissionError(13, "Permission denied", "runs/a")


@pytest.mark.parametrize(
    ("failing", "status", "sentence"),
    [
        (damaged, 1, "fourtower: model.safetensors is cut short; copy the checkpoint again.\n"),
        (contradictory, 2, "fourtower: --dim must be at least 8.\n"),
        (unreadable, 1, "fourtower: runs/a: Permission denied.\n"),
        (interrupted, 130, ""),
    ],
)
def test_failure_is_one_sentence(
    failing: object,
    status: int,
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    add_command(monkeypatch, failing)
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == status
    assert capsys.readouterr().err == sentence


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    add_command(monkeypatch, damaged)
    monkeypatch.setenv("FOURTOWER_DEBUG", "1")
    with pytest.raises(CheckpointError):
        cli.main()


def add_command(monkeypatch: pytest.MonkeyPatch, function: object) -> None:
    """Put a command of this file into the table and call it."""
    monkeypatch.setattr(sys.modules[__name__], "failing", function, raising=False)
    monkeypatch.setitem(cli.COMMANDS, "failing", cli.Entry(f"{__name__}:failing", "Fail."))
    monkeypatch.setattr(sys, "argv", ["fourtower", "failing"])


def test_a_reader_that_leaves_is_no_error() -> None:
    script = f"'{sys.executable}' -c '{COMMAND[2]}' --help | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert done.stderr == ""
