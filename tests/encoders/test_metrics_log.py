"""The run's log on disk and its curves."""

import json

import numpy as np
import pytest
from PIL import Image

from fourtower_encoders.metrics_log import METRICS_FILE, MetricsLog, draw_curves, read_metrics


def write(folder, steps, *, keep_until=0):
    log = MetricsLog(folder, keep_until=keep_until)
    for step in steps:
        log.write(step, {"a~b": 2.0 / step, "c~d": 1.0}, 1e-3, 123.456)


def test_lines_say_what_happened(tmp_path):
    write(tmp_path / "run", [1, 2])
    first, second = read_metrics(tmp_path / "run")
    assert (first["step"], second["step"]) == (1, 2)
    assert first["terms"] == {"a~b": 2.0, "c~d": 1.0}
    assert first["loss"] == 3.0
    assert (first["learning_rate"], first["images_per_s"]) == (1e-3, 123.5)


def test_a_resumed_run_drops_the_steps_that_it_repeats(tmp_path):
    write(tmp_path, [10, 20, 30])
    write(tmp_path, [30, 40], keep_until=20)
    assert [line["step"] for line in read_metrics(tmp_path)] == [10, 20, 30, 40]
    write(tmp_path, [10])
    assert [line["step"] for line in read_metrics(tmp_path)] == [10], "a new run starts a new log"


@pytest.mark.parametrize("kept", range(1, 60, 7))
def test_a_line_that_was_cut_off_is_left_out(tmp_path, kept):
    write(tmp_path, [1, 2])
    path = tmp_path / METRICS_FILE
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    path.write_bytes(whole[: first + kept])
    assert [line["step"] for line in read_metrics(tmp_path)] == [1]
    write(tmp_path, [2, 3], keep_until=1)
    lines = path.read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3], "every line of the file is whole again"


def test_zeros_where_a_crash_left_them_are_left_out(tmp_path):
    write(tmp_path, [1])
    with (tmp_path / METRICS_FILE).open("ab") as file:
        file.write(b"\x00" * 50 + b"\n12\n\xff\xfe\n")
    assert [line["step"] for line in read_metrics(tmp_path)] == [1]


def test_without_folder_nothing_is_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(None, [1])
    assert not list(tmp_path.iterdir())
    assert read_metrics(tmp_path) == []


def test_curves_are_a_picture_that_shows_them(tmp_path):
    write(tmp_path, range(1, 6))
    path = draw_curves(tmp_path)
    assert path == tmp_path / "curves.png"
    with Image.open(path) as image:
        assert image.format == "PNG"
        few = np.asarray(image.convert("L"))
    write(tmp_path, range(1, 60))
    draw_curves(tmp_path)
    with Image.open(path) as image:
        assert (np.asarray(image.convert("L")) != few).mean() > 0.005


def test_an_empty_log_gives_empty_axes(tmp_path):
    assert draw_curves(tmp_path).stat().st_size > 1000
