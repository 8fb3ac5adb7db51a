"""What a child notes of its writes, and who gets to know it."""

import subprocess
import sys

import pytest

from fourtower_workers.unfinished import Unfinished

WRITE = """
import sys
from pathlib import Path
from fourtower_workers.unfinished import Unfinished
notes = Unfinished(Path(sys.argv[1]))
for products in (["p1", "p2"], ["p2", "p3"]):
    notes.begin(products)
notes.end(notes.begin(["p4"]))
print("written", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def child(tmp_path):
    """A process that has noted p1 to p3, and that p4 is done with."""
    command = [sys.executable, "-c", WRITE, tmp_path / "notes"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "written\n"
        yield process
        process.kill()


def test_what_a_dead_child_was_writing_is_given_once(tmp_path, child):
    notes = Unfinished(tmp_path / "notes")
    assert notes.left() == set(), "it is still at it"
    child.kill()
    child.wait()
    assert notes.left() == {"p1", "p2", "p3"}
    assert notes.left() == set()


def test_what_was_checked_is_not_left(tmp_path):
    notes = Unfinished(tmp_path / "notes")
    notes.end(notes.begin(["p1"]))
    kept = notes.begin(["p2"])
    assert [path for path in (tmp_path / "notes").iterdir()] == [kept]


def test_a_note_that_was_cut_off_says_nothing_and_hides_no_other(tmp_path, child):
    (tmp_path / "notes" / f"{child.pid}-7.json").write_text('["p9')
    child.kill()
    child.wait()
    assert Unfinished(tmp_path / "notes").left() == {"p1", "p2", "p3"}


def test_a_folder_that_cannot_be_written_stops_no_work(tmp_path):
    notes = Unfinished(tmp_path / "notes")
    (tmp_path / "notes").rmdir()
    notes.end(notes.begin(["p1"]))
    assert notes.left() == set()
