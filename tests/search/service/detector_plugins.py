"""Puts detectors on the path as installed packages would."""

from __future__ import annotations

import sys
from pathlib import Path

COLOURFUL = (Path(__file__).parent / "page" / "colour_detector.py").read_text()


def install_detectors(folder, patch, package, module=COLOURFUL, *, group="fourtower.detectors", **entries):
    """Install a package: its module's text, and what each plugin's name stands for."""
    home = folder / package
    metadata = home / f"{package}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (home / f"{package}_plugin.py").write_text(module)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    lines = [f"{name} = {package}_plugin:{target}" for name, target in entries.items()]
    (metadata / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines]) + "\n")
    patch.syspath_prepend(str(home))
    sys.modules.pop(f"{package}_plugin", None)  # another test's
