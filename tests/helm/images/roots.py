"""Runs a command in a root folder of its own, as a container would: own mounts, own processes, its own user.

The base image is this machine's `/usr`, mounted read-only, with a Python under the name that the image has it.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

LINKS = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"}
NOT_COPIED = ("pip.conf", "shadow-", "passwd-", "group-", "gshadow-")
DEVICES = (
    "mount -t tmpfs -o mode=755 tmpfs dev",
    "mkdir dev/shm",
    "mount -t tmpfs -o mode=1777,size=64m tmpfs dev/shm",
    *(f"touch dev/{name} && mount --bind /dev/{name} dev/{name}" for name in ("null", "zero", "random", "urandom")),
    "ln -s /proc/self/fd dev/fd",
)
"""What a container runtime lays out there, 64 MiB of shared memory included."""


@dataclass(frozen=True)
class Mount:
    """A folder or file of this machine that a container sees; without a source a new folder in memory."""

    target: str
    source: Path | None = None
    readonly: bool = True


def can_contain() -> bool:
    """Whether this machine lets us have mounts and processes of our own."""
    if not all(shutil.which(name) for name in ("unshare", "setpriv", "chroot")) or os.geteuid() != 0:
        return False
    tried = subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], capture_output=True, check=False)
    return tried.returncode == 0


def make_base(root: Path) -> None:
    """Lay out a base image: everything but `/usr`, which is mounted when something runs."""
    for name in ("usr", "proc", "dev", "tmp", "opt", "run", "var/tmp", "mnt"):
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "tmp").chmod(0o1777)
    for name, target in LINKS.items():
        (root / name).symlink_to(target)
    shutil.copytree("/etc", root / "etc", symlinks=True, ignore=shutil.ignore_patterns(*NOT_COPIED))
    programs = root / "local" / "bin"
    programs.mkdir(parents=True)
    for name in ("python", "python3"):
        # No link: by its place a Python finds its library.
        (programs / name).write_text(f'#!/bin/sh\nexec {Path(sys._base_executable).resolve()} "$@"\n')  # type: ignore[attr-defined]
        (programs / name).chmod(0o755)


def contained(
    root: Path,
    command: list[str],
    *,
    env: dict[str, str],
    user: int = 0,
    workdir: str = "/",
    mounts: tuple[Mount, ...] = (),
    readonly: bool = False,
) -> list[str]:
    """The command line that runs a command in a root folder, as the first process of its own.

    Args:
        root: made by `make_base`; what the command writes outside of `/usr` and the mounts stays there.
        command: looked up in the PATH of `env`.
        env: the whole environment.
        user: number of the user and the group; without root's rights nothing can be gained, either.
        workdir: where it starts.
        mounts: what it sees besides.
        readonly: nothing but mounts can be written to.
    """
    here = shlex.quote(str(root))
    # Bound onto itself the folder is a mount, which can be made read-only without the mounts within it.
    lines = ["set -e", "mount --make-rprivate /", f"mount --bind {here} {here}", f"cd {here}", *_base_mounts()]
    for each in mounts:
        lines += _mount(each)
    if readonly:
        lines += [f"mount -o remount,ro,bind {here}", "mount -o remount,ro,bind usr/local"]
    rights = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
    if user:
        rights += ["--no-new-privs", "--inh-caps=-all", "--bounding-set=-all"]
    inside = f"cd {shlex.quote(workdir)} && exec {shlex.join([*rights, 'env', '-i', *_pairs(env), *command])}"
    lines.append(f"exec chroot . /bin/sh -c {shlex.quote(inside)}")
    return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", "\n".join(lines)]


def _base_mounts() -> list[str]:
    python = Path(sys.base_prefix)
    lines = ["mount --bind /usr usr", "mount -o remount,ro,bind usr", "mount --bind local usr/local"]
    if not python.is_relative_to("/usr") and python.exists():
        lines += [f"mkdir -p .{shlex.quote(str(python))}", f"mount --bind {shlex.quote(str(python))} .{python}"]
        lines += [f"mount -o remount,ro,bind .{python}"]
    return [*lines, "mount -t proc proc proc", *DEVICES]


def _mount(mount: Mount) -> list[str]:
    target = shlex.quote(f".{mount.target}")
    if mount.source is None:
        return [f"mkdir -p {target}", f"mount -t tmpfs -o mode=1777 tmpfs {target}"]
    source = shlex.quote(str(mount.source))
    made = f"mkdir -p {target}" if mount.source.is_dir() else f"mkdir -p $(dirname {target}) && touch {target}"
    bound = [made, f"mount --bind {source} {target}"]
    return [*bound, f"mount -o remount,ro,bind {target}"] if mount.readonly else bound


def _pairs(env: dict[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in env.items()]
