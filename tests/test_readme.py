"""What the documents tell a reader to type exists: commands, options, make targets, imports."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperGroup

from fourtower_workers import cli

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
PROMPT = re.compile(r"^(\$ |(?:[A-Z_]+=\S+ )+|\.venv/bin/)+")
MAKE_TARGETS = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))


def fences(document: Path, *languages: str) -> list[str]:
    """The fenced blocks written in one of the languages."""
    return [body for language, body in FENCE.findall(document.read_text()) if language in languages]


def typed_lines(text: str) -> list[str]:
    """What a reader would type, prompt and environment removed: shell lines of fenced blocks, inline code."""
    lines = [line for body in fences_of(text) for line in body.replace("\\\n", " ").splitlines()]
    lines += INLINE.findall(FENCE.sub("", text))
    return [PROMPT.sub("", line.strip()) for line in lines]


def fences_of(text: str) -> list[str]:
    return [body for language, body in FENCE.findall(text) if language in ("", "sh", "bash", "console")]


def calls(program: str) -> list[Any]:
    """Every call of a program in the documents, as a test parameter named after its place."""
    found = {
        (document.name, line)
        for document in DOCUMENTS
        for line in typed_lines(document.read_text())
        if line.split(" ")[0] == program
    }
    return [pytest.param(line, id=f"{name}: {line}") for name, line in sorted(found)]


def complaint(line: str) -> str | None:
    """Say what is wrong with a `fourtower` call, or None."""
    group: Any = typer.main.get_command(cli.app)
    path, *words = shlex.split(line, comments=True)
    command, words = group, [word for word in words if word not in ("...", "[OPTIONS]")]
    while isinstance(command, TyperGroup) and words and not words[0].startswith("-"):
        name, *words = words
        if name not in command.commands:
            return f"{path} has no command {name!r}"
        command = cli.load_command(name) if command is group else command.commands[name]
        path = f"{path} {name}"
    context = typer.Context(command, info_name=path)
    parameters = command.get_params(context)
    known = {option for one in parameters for option in (*one.opts, *one.secondary_opts)}
    used = {word.partition("=")[0] for word in words if word.startswith("-")}
    return f"{path} has no option {sorted(used - known)}" if used - known else None


def test_the_check_would_notice() -> None:
    assert complaint("fourtower fly") == "fourtower has no command 'fly'"
    assert complaint("fourtower --fast") == "fourtower has no option ['--fast']"
    assert complaint("fourtower train --wings=2 # comment") == "fourtower train has no option ['--wings']"
    assert complaint("fourtower model import a --wings") == "fourtower model import has no option ['--wings']"
    assert typed_lines("```sh\n$ A=1 .venv/bin/fourtower train \\\n  --x\n```\nand `make fly`") == [
        "fourtower train    --x",
        "make fly",
    ]


@pytest.mark.parametrize("line", calls("fourtower"))
def test_command_exists(line: str) -> None:
    assert complaint(line) is None


@pytest.mark.parametrize("line", calls("make"))
def test_make_target_exists(line: str) -> None:
    named = {word for word in shlex.split(line, comments=True)[1:] if "=" not in word}
    assert named <= MAKE_TARGETS


def test_every_target_is_phony() -> None:
    """A file or folder called `demo` would otherwise stop `make demo` from running."""
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony is not None
    assert set(phony.group(1).split()) == MAKE_TARGETS


def test_readme_lists_every_command() -> None:
    table = re.findall(r"^\| `fourtower (\w+)` \| (.*?) \|$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert table == [(name, entry.short_help) for name, entry in cli.COMMANDS.items()]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_python_examples_import_what_exists(document: Path) -> None:
    for block in fences(document, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module:
                module = importlib.import_module(node.module)
                assert all(hasattr(module, alias.name) for alias in node.names), ast.unparse(node)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text()):
        assert (document.parent / target).exists(), target
