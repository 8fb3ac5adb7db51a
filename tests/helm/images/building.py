"""Builds a stage of a Dockerfile without Docker: its instructions run as they stand, in a root folder of their own.

What is left to a real build is the base image: here it is this machine's Debian and Python.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

from tests.helm.images.dockerfile import Dockerfile, Instruction, Stage
from tests.helm.images.roots import Mount, contained, make_base

PASSED_ON = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_CERT", "PIP_DEFAULT_TIMEOUT", "HTTPS_PROXY", "https_proxy")
"""Variables by which this machine reaches its package index; a build has them from its surroundings."""
PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
CACHE = "/var/tmp/pip"
NOT_COPIED = ("__pycache__", "*.pyc")


class StageFailed(AssertionError):
    """An instruction did not succeed."""


class Builder:
    """Builds stages, each once.

    Args:
        dockerfile: as it was read.
        context: the folder that files are copied from.
        folder: for the stages' root folders; those that it holds are used again if they would come out the same.
        cache: of pip's downloads.
    """

    def __init__(self, dockerfile: Dockerfile, *, context: Path, folder: Path, cache: Path) -> None:
        self.dockerfile = dockerfile
        self._context, self._folder, self._cache = context, folder, cache
        self._ready: dict[str, Path] = {}
        for each in (folder, cache):
            each.mkdir(parents=True, exist_ok=True)

    def root(self, name: str) -> Path:
        """The root folder of a stage; builds it, and those that it needs, if they are not there."""
        if name not in self._ready:
            self._ready[name] = self._made(self.dockerfile.stages[name])
        return self._ready[name]

    def _made(self, stage: Stage) -> Path:
        root, done = self._folder / stage.name, self._folder / f"{stage.name}.done"
        parts = "\n".join(self._parts(stage))
        if done.exists() and done.read_text() == parts:
            return root
        done.unlink(missing_ok=True)
        shutil.rmtree(root, ignore_errors=True)
        if stage.base in self.dockerfile.stages:
            subprocess.run(["cp", "-a", str(self.root(stage.base)), str(root)], check=True)
        else:
            root.mkdir()
            make_base(root)
        self._play(stage, root)
        done.write_text(parts)
        return root

    def _parts(self, stage: Stage) -> Iterator[str]:
        """Everything that a stage is made of."""
        if stage.base in self.dockerfile.stages:
            yield from self._parts(self.dockerfile.stages[stage.base])
        for each in stage.instructions:
            yield f"{each.name} {each.text}"
            if each.name != "COPY":
                continue
            if "from" in each.options:
                yield from self._parts(self.dockerfile.stages[each.options["from"]])
                continue
            for file in sorted(_files(self._context, each.words[:-1])):
                yield f"{file.relative_to(self._context)} {hashlib.sha256(file.read_bytes()).hexdigest()}"

    def _play(self, stage: Stage, root: Path) -> None:
        chain = self.dockerfile.chain(stage.name)[:-1]
        env = {"PATH": PATH} | {
            key: value for link in chain for each in link.all("ENV") for key, value in each.pairs.items()
        }
        workdir = self.dockerfile.last(stage.base, "WORKDIR") if chain else None
        where = workdir.text if workdir else "/"
        for each in stage.instructions:
            match each.name:
                case "ENV":
                    env |= each.pairs
                case "WORKDIR":
                    where = each.text
                    _inside(root, where).mkdir(parents=True, exist_ok=True)
                case "COPY":
                    self._copy(each, root, where)
                case "RUN":
                    self._run(each, root, env, where)

    def _run(self, instruction: Instruction, root: Path, env: dict[str, str], where: str) -> None:
        given = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        command = contained(
            root,
            ["/bin/sh", "-c", instruction.text],
            env=given | {"PIP_CACHE_DIR": CACHE, "HOME": "/root"} | env,
            workdir=where,
            mounts=(Mount(CACHE, self._cache, readonly=False),),
        )
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise StageFailed(f"line {instruction.number}: {instruction.text}\n{done.stdout}{done.stderr}")

    def _copy(self, instruction: Instruction, root: Path, where: str) -> None:
        *sources, target = instruction.words
        stage = instruction.options.get("from")
        origin = self.root(stage) if stage else self._context
        into = _inside(root, target if target.startswith("/") else f"{where}/{target}")
        for source in sources:
            if stage:
                _link(_inside(origin, source), into)
            else:
                _copy(_inside(origin, source), into, many=target.endswith("/"))


def _inside(root: Path, path: str) -> Path:
    return root / path.removeprefix("/").removeprefix("./")


def _link(source: Path, into: Path) -> None:
    """Gigabytes need not be there twice: what is copied out of a finished stage is not written to any more."""
    into.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-alT", str(source), str(into)], check=True)


def _copy(source: Path, into: Path, *, many: bool) -> None:
    if source.is_dir():
        shutil.copytree(source, into, symlinks=True, ignore=shutil.ignore_patterns(*NOT_COPIED), dirs_exist_ok=True)
        return
    target = into / source.name if many else into
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target)


def _files(context: Path, sources: list[str]) -> Iterator[Path]:
    """What a COPY takes from the context."""
    for path in (context / source for source in sources):
        found = path.rglob("*") if path.is_dir() else [path]
        yield from (file for file in found if file.is_file() and not _left_out(file.relative_to(context)))


def _left_out(path: Path) -> bool:
    return any(fnmatch(part, pattern) for part in path.parts for pattern in NOT_COPIED)


def admitted(ignore: Path, name: str) -> bool:
    """Whether a list of ignored files lets a path of the context through; the last line that fits decides."""
    found = True
    for line in ignore.read_text().splitlines():
        pattern = line.strip()
        if not pattern or pattern.startswith("#"):
            continue
        lets = pattern.startswith("!")
        if _fits(name, pattern.removeprefix("!")):
            found = lets
    return found


def _fits(name: str, pattern: str) -> bool:
    parts = name.split("/")
    if pattern.startswith("**/"):
        return any(fnmatch(part, pattern.removeprefix("**/")) for part in parts)
    heads = ("/".join(parts[:count]) for count in range(1, len(parts) + 1))
    return any(fnmatch(head, pattern) and head.count("/") == pattern.count("/") for head in heads)


def size_mb(path: Path) -> int:
    """What a folder takes on disk, in millions of bytes."""
    done = subprocess.run(["du", "-s", "-B1", str(path)], capture_output=True, text=True, check=True)
    return round(int(done.stdout.split()[0]) / 1e6)
