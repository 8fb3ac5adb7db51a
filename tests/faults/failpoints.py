"""An encoder plugin with places at which a worker's child stops: while it encodes, before it writes, after that, and
before it checks what it wrote.

A child stops at a place while a file of that name lies in the plugin's folder, and says so in `NAME.PID`. The place
`write` comes right before rows are sent to the engine, `written` right after the engine has taken them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

SLOW_LOAD_S = 5.0
Place = Literal["encode", "write", "written", "check"]


class Failpoints:
    """The places of all workers on a stage.

    Args:
        folder: for the plugin; made here.
        load_s: what loading the model takes longer than it would.
    """

    def __init__(self, folder: Path, *, load_s: float = 0.0) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        (folder / "fault_encoder.py").write_text(PLUGIN)
        facts = folder / "fault_encoder-1.dist-info"
        facts.mkdir()
        (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: fault-encoder\nVersion: 1\n")
        (facts / "entry_points.txt").write_text("[fourtower.encoders]\nfaults = fault_encoder:load\n")
        self.environment = {
            "PYTHONPATH": str(folder),
            "FAULT_ENCODER": json.dumps({"load_s": load_s, "folder": str(folder)}),
            "FOURTOWER_WORKER_ENCODER": "faults",
        }

    def hold(self, place: Place) -> None:
        """From now on children stop there."""
        (self.folder / place).touch()

    def release(self, place: Place) -> None:
        """Let those go on that stopped there, and stop no more."""
        (self.folder / place).unlink(missing_ok=True)

    def held(self, place: Place) -> list[int]:
        """The processes that stopped there and have not gone on, the latest last."""
        notes = sorted(self.folder.glob(f"{place}.*"), key=lambda path: path.stat().st_mtime)
        pids = [int(note.suffix[1:]) for note in notes]
        return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def failpoints_of(encoder: object, folder: Path) -> Failpoints | None:
    """Those that an encoder's name stands for."""
    seconds = {"failpoints": 0.0, "slow_failpoints": SLOW_LOAD_S}
    return Failpoints(folder, load_s=seconds[encoder]) if encoder in seconds else None


PLUGIN = """
import json, os, threading, time
from pathlib import Path
from fourtower_encoders.embedder import Embedder

SETTINGS = json.loads(os.environ["FAULT_ENCODER"])
FOLDER = Path(SETTINGS["folder"])


def stop_at(place):
    if not (FOLDER / place).exists():
        return
    note = FOLDER / f"{place}.{os.getpid()}"
    note.touch()
    while (FOLDER / place).exists():
        time.sleep(0.02)
    note.unlink(missing_ok=True)


class FaultyEmbedder(Embedder):
    def embed_texts(self, texts, **how):
        stop_at("encode")
        return super().embed_texts(texts, **how)


def load(*arguments, **named):
    from fourtower_search.index.milvus.rows import MilvusRows

    upsert, states = MilvusRows.upsert, MilvusRows.states

    def upsert_with_stops(self, rows, *, timeout_s):
        stop_at("write")
        upsert(self, rows, timeout_s=timeout_s)
        stop_at("written")

    def states_with_stops(self, product_ids, *, consistency, timeout_s):
        if threading.current_thread().name == "fourtower-verifier":
            stop_at("check")
        return states(self, product_ids, consistency=consistency, timeout_s=timeout_s)

    if upsert.__name__ == "upsert":
        MilvusRows.upsert, MilvusRows.states = upsert_with_stops, states_with_stops
    time.sleep(SETTINGS["load_s"])
    return FaultyEmbedder.load(*arguments, **named)
"""
