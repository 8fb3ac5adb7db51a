"""Stages that are kept from one run to the next are those that a build would make."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.helm.images.building import Builder
from tests.helm.images.dockerfile import read

TEXT = """\
ARG BASE=any
FROM ${BASE} AS sources
WORKDIR /source
COPY package package
COPY one.txt ./

FROM ${BASE} AS image
COPY --from=sources /source /opt/source
"""


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "context"
    (folder / "package" / "__pycache__").mkdir(parents=True)
    for name in ("Dockerfile", "one.txt", "other.txt", "package/code.py", "package/__pycache__/code.pyc"):
        (folder / name).write_text(TEXT if name == "Dockerfile" else f"first {name}")
    return folder


def build(context: Path) -> Path:
    """As a run of its own does."""
    kept = context.parent / "kept"
    builder = Builder(read(context / "Dockerfile"), context=context, folder=kept, cache=context.parent / "pip")
    return builder.root("image") / "opt" / "source"


def test_an_image_holds_what_was_copied_into_the_stage_before(context: Path) -> None:
    made = build(context)
    files = {str(path.relative_to(made)): path.read_text() for path in made.rglob("*") if path.is_file()}
    assert files == {"one.txt": "first one.txt", "package/code.py": "first package/code.py"}


@pytest.mark.parametrize("changed", ["other.txt", "package/__pycache__/code.pyc"])
def test_a_kept_stage_is_used_again(context: Path, changed: str) -> None:
    (build(context) / "left").touch()
    (context / changed).write_text("second")
    assert (build(context) / "left").exists()


@pytest.mark.parametrize("changed", ["one.txt", "package/code.py"])
def test_a_kept_stage_is_built_anew_after_a_change_of_what_it_is_made_of(context: Path, changed: str) -> None:
    (build(context) / "left").touch()
    (context / changed).write_text("second")
    made = build(context)
    assert (made / changed).read_text() == "second"
    assert not (made / "left").exists()


def test_a_kept_stage_is_built_anew_after_a_change_of_its_instructions(context: Path) -> None:
    build(context)
    file = context / "Dockerfile"
    file.write_text(file.read_text().replace("/opt/source", "/opt/source/deeper"))
    assert (build(context) / "deeper" / "one.txt").exists()
