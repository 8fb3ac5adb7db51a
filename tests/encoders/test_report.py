"""Reports: the tables and the JSON tell the same figures, and the picture frames the right products."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from fourtower_encoders import report
from fourtower_encoders.embedded import EmbeddedDataset
from fourtower_encoders.gallery import GREEN, RED, Layout
from fourtower_encoders.joint import QueryParams
from fourtower_encoders.manifest import Dataset, Pair, Product, Task
from fourtower_encoders.scoring import score

COLOURS = {"a": (250, 200, 0), "b": (0, 200, 250), "c": (120, 0, 250)}


@pytest.fixture
def embedded(tmp_path):
    """Three products; a photo of each, which lies nearest to its own product."""
    for name, colour in COLOURS.items():
        Image.new("RGB", (30, 30), colour).save(tmp_path / f"{name}.png")
    products = [
        Product(product_id=name, title=f"the {name}", category=category, images=(f"{name}.png",))
        for name, category in (("a", "mug"), ("b", "mug"), ("c", "bag"))
    ]
    tasks = [Task(task="swap_it", query_image="a.png", text="other", relevant=("b",), filter={"category": "mug"})]
    pairs = [Pair(query_image=f"{name}.png", product_id=name) for name in "abc"]
    axes = np.eye(3, dtype=np.float32)
    return EmbeddedDataset(
        Dataset(tmp_path, products, pairs, tasks), axes, axes, axes[1:2], axes, model_id="three [axes]"
    )


def shown(tables):
    console = Console(file=io.StringIO(), width=140)
    for table in tables:
        console.print(table)
    return console.file.getvalue()


def row(text, name):
    """The cells of a table's line."""
    line = next(line for line in text.splitlines() if line.strip("│ ").startswith(name))
    return [cell.strip() for cell in line.strip("│").split("│")]


def test_json_round_trip(embedded):
    evaluation = score(embedded, QueryParams())
    ranges = report.intervals(evaluation, draws=200)
    made = report.to_dict(evaluation, ranges)
    assert json.loads(json.dumps(made, allow_nan=False)) == made
    assert made["figures"] == evaluation.figures()
    assert made["model_id"] == "three [axes]"
    assert made["sizes"]["photos"] == 3
    assert made["weights"] == {"ii": 1.0, "it": 0.5, "ti": 1.0, "tt": 1.0}
    assert made["intervals"].keys() == evaluation.values.keys()
    assert "intervals" not in report.to_dict(evaluation)


def test_tables_show_both_kinds_of_photo_search_and_each_method(embedded):
    text = shown(report.tables(score(embedded, QueryParams())))
    assert "three [axes]" in text
    assert row(text, "R@1 ")[:3] == ["R@1", "1.000", "1.000"]
    assert row(text, "XC@10 ")[1] == "0.444"
    composed, image, words, filtered = row(text, "swap_it")[1:]
    # The words are b's axis, the photo is a's: a scores (ii + it) / 2 = 0.75, b scores (ti + tt) / 2 = 1.
    assert composed == words == "1.000 / 1.000"
    assert image == filtered == "0.000 / 1.000"


def test_tables_show_intervals_around_the_figures(embedded):
    evaluation = score(embedded, QueryParams())
    text = shown(report.tables(evaluation, report.intervals(evaluation, draws=300)))
    low, high = report.intervals(evaluation, draws=300)["XC@10"][1:]
    assert low < evaluation.figures()["XC@10"] < high
    assert row(text, "XC@10 ")[1] == f"0.444 [{low:.3f}, {high:.3f}]"


def test_a_dataset_without_tasks_has_one_table(embedded):
    plain = replace(embedded, dataset=replace(embedded.dataset, tasks=[]), query_text=embedded.query_text[:0])
    assert len(report.tables(score(plain, QueryParams()))) == 1


def test_the_picture_frames_right_and_wrong(embedded, tmp_path):
    out = tmp_path / "found.png"
    evaluation = score(embedded, QueryParams())
    report.picture(evaluation, embedded, out)
    with Image.open(out) as image:
        pixels = np.asarray(image.convert("RGB"))
    rows = [report._photo_row(evaluation, embedded, index, first=index == 0) for index in range(3)]
    rows += [report._task_row(embedded.dataset, embedded.dataset.tasks[0], evaluation.rankings["swap_it"], 0)]
    layout = Layout(rows, 168, titled=True)
    assert pixels.shape[:2] == layout.size[::-1]
    # Photo a finds a, then b of the same category, then c of another; photo c finds c, then two others.
    expected = ["GnR", "GnR", "GRR", "GnR"]
    for number, verdicts in enumerate(expected):
        for column, verdict in enumerate(verdicts, start=1):
            left, upper, right, _ = layout.box(number, column)
            frame = tuple(map(int, pixels[upper + 2, (left + right) // 2]))
            assert {GREEN: "G", RED: "R"}.get(frame, "n") == verdict, (number, column)
    assert rows[0].heading == "Street photo"
    assert rows[3].heading == "Swap it"
    assert (rows[3].query.picture, rows[3].query.words) == ("a.png", "other")


def test_the_picture_draws_by_lot_but_always_the_same(embedded, tmp_path):
    evaluation = score(embedded, QueryParams())

    def drawn(seed):
        out = tmp_path / "lot.png"
        report.picture(evaluation, embedded, out, photos=1, per_task=0, seed=seed)
        return out.read_bytes()

    assert drawn(0) == drawn(0)
    assert len({drawn(seed) for seed in range(20)}) == 3  # each of the three photos gets its turn


def test_names_from_outside_neither_style_nor_steer(embedded):
    task = embedded.dataset.tasks[0].model_copy(update={"task": "[red]x\x1b[2J"})
    hostile = replace(embedded, dataset=replace(embedded.dataset, tasks=[task]))
    text = shown(report.tables(score(hostile, QueryParams())))
    assert "[red]x\ufffd[2J" in text
    assert "\x1b" not in text
