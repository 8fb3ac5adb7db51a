"""The experiment: statistics, words, pictures and document on invented results with known answers."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from benchmarks.experiment import __main__ as command
from benchmarks.experiment import run as runner
from benchmarks.experiment import write
from benchmarks.experiment.analyse import Run, Runs, curve, primary_comparisons, read_runs, share_of_gain
from benchmarks.experiment.arms import ARMS, GROCERY_ARMS, GROCERY_SEEDS, seeds
from benchmarks.experiment.controls import CONTROLS, control_sentence, gain_to_explain
from benchmarks.experiment.findings import answer, capture_sentences, compared, settled, verdict, words_sentences
from benchmarks.experiment.plots import draw_all
from benchmarks.experiment.protocol import GROCERY, SYNTHETIC
from benchmarks.experiment.sections import SECTIONS
from PIL import Image
from typer.testing import CliRunner

from fourtower_encoders.errors import ManifestError

QUERIES = 400
R1, XC1 = runner.HITS
# What each arm would reach with endless seeds: R@1, XC@1, PC@10.
CLEAR = {"dml": (0.3, 0.5, 0.4), "3-tower": (0.5, 0.3, 0.2), "4-tower from 3-tower": (0.7, 0.1, 0.1)}
NOTHING = dict.fromkeys(CLEAR, (0.4, 0.4, 0.3))


def invent(folder, arm, seed, levels, *, digest=SYNTHETIC.digest, wobble=0.02, words=True):
    """A result file whose hits have the levels, give or take a seed's own luck."""
    random = np.random.default_rng([seed, sum(map(ord, arm))])
    r1, xc1, pc = (level + wobble * random.uniform(-1, 1) for level in levels)
    hits = {R1: _hits(r1), XC1: _hits(xc1)}
    figures = {name: signs.count("1") / QUERIES for name, signs in hits.items()}
    figures |= {"image-image only/PC@10": pc, "image-image only/PC@10 of XC@10": pc / 0.8, "R@1": r1, "XC@1": xc1}
    if words:
        found = {"composed": r1, "image-only": 0.1, "text-only": 0.2, "filter, then image": 0.6}
        figures |= {f"change_colour/{method}/Hit@1": value for method, value in found.items()}
        figures |= {"negation/composed/Hit@1": 0.3, "negation/image-only/Hit@1": 0.4}
    half = {"step": 400, **{name: value / 2 for name, value in figures.items()}}
    result = {
        "arm": arm,
        "seed": seed,
        "protocol": digest,
        "images": 204_800,
        "seconds": 60.0,
        "figures": figures,
        "curve": [half, {"step": 800, **figures}],
        "hits": hits,
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{arm.replace(' ', '_')}-{seed}.json"
    path.write_text(json.dumps(result))
    return path


def _hits(share):
    ones = round(share * QUERIES)
    return "1" * ones + "0" * (QUERIES - ones)


def invent_all(folder, levels, numbers=range(8), **options):
    for arm, level in levels.items():
        for seed in numbers:
            invent(folder, arm, seed, level, **options)
    return read_runs(folder)


def document(tmp_path):
    """The report as one line of text per paragraph, and the folder that holds it."""
    return write.write_report(tmp_path / "results", tmp_path / "docs" / "experiments.md").read_text()


# Statistics


def test_a_clear_effect_is_shown(tmp_path):
    runs = invent_all(tmp_path, CLEAR)
    comparisons = primary_comparisons(runs)
    assert [(c.left, c.right, c.figure) for c in comparisons] == [
        ("3-tower", "dml", R1),
        ("3-tower", "dml", XC1),
        ("4-tower from 3-tower", "3-tower", R1),
        ("4-tower from 3-tower", "3-tower", XC1),
    ]
    for c, expected in zip(comparisons, (0.2, -0.2, 0.2, -0.2), strict=True):
        assert c.mean == pytest.approx(expected, abs=0.02)
        assert c.gain == pytest.approx(0.2, abs=0.02)
        assert (c.p, c.adjusted) == (2 / 2**8, 4 * 2 / 2**8)
        assert (c.wins, c.shown, c.untestable) == (8, True, False)
        assert c.interval.mean == pytest.approx(c.mean)  # the intervals come from the same hits as the figures
        assert c.interval.low < c.mean < c.interval.high
        assert c.interval.low * c.interval.high > 0
    sentence = compared(comparisons[1])
    assert sentence.startswith("On XC@1 3-tower is better than dml: ")
    assert sentence.endswith("better in 8 of 8 seeds (p = 0.008, Holm-adjusted 0.031).")
    assert verdict(comparisons[:2], subject="Texts") == "Texts help, on both figures."
    assert answer(comparisons[:2], subject="Texts").startswith(
        "**Texts help, on both figures.** 3-tower against dml: R@1 "
    )


def test_no_effect_is_not_talked_up(tmp_path):
    runs = invent_all(tmp_path, NOTHING)
    comparisons = primary_comparisons(runs)
    assert not any(c.shown for c in comparisons)
    assert "no difference between 3-tower and dml could be shown" in compared(comparisons[0])
    assert verdict(comparisons[:2], subject="Texts") == "It could not be shown that texts help."
    assert gain_to_explain(comparisons) == []


def test_harm_is_called_harm(tmp_path):
    runs = invent_all(tmp_path, CLEAR | {"3-tower": (0.1, 0.3, 0.5)})
    comparisons = primary_comparisons(runs)
    assert "3-tower is worse than dml: " in compared(comparisons[0])
    assert verdict(comparisons[:2], subject="Texts") == "Texts hurt on R@1, though they help on XC@1."
    assert gain_to_explain(comparisons) == [XC1]


def test_missing_seeds_count_against_the_claim(tmp_path):
    few = {name: CLEAR[name] for name in ("dml", "3-tower")}
    runs = invent_all(tmp_path, few, numbers=range(3))
    invent(tmp_path, "dml", 7, CLEAR["dml"])  # has no partner
    runs = read_runs(tmp_path)
    comparisons = primary_comparisons(runs)
    assert list(comparisons[0].differences) == [0, 1, 2]
    assert [c.p for c in comparisons] == [0.25, 0.25, 1.0, 1.0]
    assert all(c.adjusted == 1.0 for c in comparisons)
    assert comparisons[0].untestable
    assert gain_to_explain(comparisons) == [R1, XC1]  # seen in every seed, though it can't be tested
    assert "With 3 seeds no difference could have passed" in compared(comparisons[0])
    assert math.isnan(comparisons[2].mean)
    assert comparisons[2].interval is None
    assert "can't be compared" in compared(comparisons[2])
    assert verdict(comparisons[:2], subject="Texts") == "Too few seeds to tell whether texts help."
    assert answer(comparisons[2:], subject="More").startswith("**Not known yet: more.** No seed has both 4-tower from")


def test_seven_seeds_are_too_few_and_eight_are_not(tmp_path):
    for count, untestable in ((7, True), (8, False)):
        comparisons = primary_comparisons(invent_all(tmp_path / str(count), CLEAR, numbers=range(count)))
        assert comparisons[0].untestable is untestable
        assert comparisons[0].shown is not untestable


def test_spread_and_curve_by_hand():
    def run(seed, value):
        curve = [{"step": 400, R1: value / 2}, {"step": 800, R1: value, XC1: math.nan}]
        fields = {"figures": {R1: value, XC1: math.nan}, "curve": curve, "hits": {}}
        return dml_run(seed, fields)

    runs = Runs([run(0, 0.2), run(1, 0.4)])
    assert runs.spread("dml", R1) == (pytest.approx(0.3), pytest.approx(0.02**0.5), 2)
    assert runs.spread("dml", XC1) is None
    assert math.isnan(Runs([run(0, 0.2)]).spread("dml", R1).deviation)
    found = curve(runs, "dml", R1)
    assert [(step, point.mean) for step, point in found.items()] == [
        (400, pytest.approx(0.15)),
        (800, pytest.approx(0.3)),
    ]
    assert curve(runs, "dml", XC1) == {}


def dml_run(seed, fields):
    return Run(arm="dml", seed=seed, protocol="p", images=1, seconds=1.0, **fields)


def test_share_of_gain_by_hand(tmp_path):
    levels = {"dml": (0.3, 0.5, 0.4), "3-tower": (0.5, 0.3, 0.2), "clip": (0.4, 0.35, 0.2)}
    runs = invent_all(tmp_path, levels, numbers=range(2), wobble=0)
    assert share_of_gain(runs, "clip", R1) == pytest.approx(0.5)
    assert share_of_gain(runs, "clip", XC1) == pytest.approx(0.75)
    assert share_of_gain(runs, "dml", XC1) == 0
    assert share_of_gain(runs, "4-tower", R1) is None
    reverse = invent_all(tmp_path / "reverse", levels | {"3-tower": (0.2, 0.6, 0.4)}, numbers=range(2), wobble=0)
    assert share_of_gain(reverse, "clip", R1) is None  # there is no gain to share


# Reading


def test_other_protocols_are_counted_not_mixed(tmp_path):
    invent(tmp_path, "dml", 0, CLEAR["dml"])
    invent(tmp_path, "dml", 1, CLEAR["dml"], digest="old")
    runs = read_runs(tmp_path, SYNTHETIC.digest)
    assert (list(runs.arms["dml"]), runs.foreign) == ([0], 1)
    invent(tmp_path, "dml", 2, CLEAR["dml"], digest="old")
    assert list(read_runs(tmp_path).arms["dml"]) == [1, 2]
    assert read_runs(tmp_path / "nowhere").runs == []


@pytest.mark.parametrize("damage", ["{", "[]", '{"arm": 3}'])
def test_a_damaged_file_is_named(tmp_path, damage):
    (tmp_path / "dml-0.json").write_text(damage)
    with pytest.raises(ManifestError, match=r"dml-0\.json: .*Remove the file"):
        read_runs(tmp_path)


def test_runs_that_do_not_belong_together_are_refused(tmp_path):
    path = invent(tmp_path, "dml", 0, CLEAR["dml"])
    (tmp_path / "copy.json").write_text(path.read_text())
    with pytest.raises(ManifestError, match="2 results of arm 'dml', seed 0"):
        read_runs(tmp_path)
    other = json.loads(path.read_text())
    other |= {"seed": 1, "hits": {R1: "01"}}
    (tmp_path / "copy.json").write_text(json.dumps(other))
    with pytest.raises(ManifestError, match="different queries"):
        read_runs(tmp_path)


# Words


@pytest.mark.parametrize(
    ("level", "attribute"), [((0.5, 0.3, 0.2), "explains"), ((0.4, 0.4, 0.3), "partly"), ((0.3, 0.5, 0.4), "fails")]
)
@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.arm)
def test_a_control_is_read_by_its_share_of_the_gain(tmp_path, control, level, attribute):
    runs = invent_all(tmp_path, {**CLEAR, control.arm: level}, numbers=range(3))
    assert control_sentence(runs, control, [R1, XC1]) == getattr(control, attribute)
    assert control_sentence(runs, control, []) == "There is no gain that it could explain."


def test_a_control_that_explains_one_figure_only_says_so(tmp_path):
    control = CONTROLS[0]
    runs = invent_all(tmp_path, {**CLEAR, control.arm: (0.5, 0.5, 0.3)}, numbers=range(3))
    assert control_sentence(runs, control, [R1, XC1]) == f"R@1: {control.explains} XC@1: {control.fails}"


def test_every_named_arm_exists():
    names = {arm.name for arm in ARMS}
    assert {control.arm for control in CONTROLS} < names
    assert set(CLEAR) < names


@pytest.mark.parametrize(
    ("after", "part", "ending"),
    [
        (0.2, 0.25, "This fits the explanation"),
        (0.2, 0.5, "no more so than others"),
        (0.4, 0.25, "is not confirmed"),
        (0.6, 0.7, "is not confirmed"),
    ],
)
def test_look_alike_patterns(tmp_path, after, part, ending):
    for seed in range(8):
        invent(tmp_path, "dml", seed, (0.3, 0.5, 0.4))
        path = invent(tmp_path, "3-tower", seed, (0.5, 0.3, after))
        result = json.loads(path.read_text())
        result["figures"]["image-image only/PC@10 of XC@10"] = part + 0.03 * (-1) ** seed
        path.write_text(json.dumps(result))
    assert ending in capture_sentences(read_runs(tmp_path))[-1]


def test_whether_training_had_settled(tmp_path):
    runs = invent_all(tmp_path, {arm: CLEAR[arm] for arm in ("dml", "3-tower")}, range(2), wobble=0)
    assert settled(runs) == (
        "Between the last two looks R@1 changed by +15.0 (dml) and +25.0 (3-tower) points: "
        "the budget is small, and more steps would have taught the towers more."
    )
    still = Runs(
        [run.model_copy(update={"curve": [{"step": 1, R1: 0.3}, {"step": 2, R1: 0.301}]}) for run in runs.runs]
    )
    assert settled(still).endswith("+0.1 (dml) and +0.1 (3-tower) points: training had settled.")
    assert settled(Runs([])) == ""


def test_too_few_seeds_say_nothing_about_look_alike_patterns(tmp_path):
    told = capture_sentences(invent_all(tmp_path, CLEAR, numbers=range(4)))
    assert told[-1] == "With 4 seeds none could have been shown."


def test_photo_and_words_are_compared_with_either_alone_and_with_a_filter(tmp_path):
    runs = invent_all(tmp_path, CLEAR, numbers=range(3), wobble=0)
    beats, gain = words_sentences(runs, "4-tower from 3-tower")
    assert "alone in 1 of 2 kinds of task, and more often than an exact filter followed by the photo in 1." in beats
    assert "points against 3-tower, better in 3 of 3 seeds." in gain
    assert "followed by the photo in 0." in words_sentences(runs, "3-tower")[0]
    assert "composed 50.0, image-only 25.0, text-only 20.0, filter, then image 60.0." in beats
    bare = invent_all(tmp_path / "bare", CLEAR, numbers=range(3), words=False)
    assert words_sentences(bare, "3-tower") == []


# The document


def test_the_report_of_a_finished_experiment(tmp_path):
    folder = tmp_path / "results" / "synthetic"
    for arm in ARMS:
        for seed in seeds(arm):
            invent(folder, arm.name, seed, CLEAR.get(arm.name, (0.31, 0.49, 0.4)))
    text = document(tmp_path)
    assert "Preliminary" not in text
    assert f"All {sum(len(seeds(arm)) for arm in ARMS)} planned runs were made." in text
    assert "**Product texts in training help, on both figures.**" in text
    assert "None of them explains the gain." in text
    assert "| 3-tower - dml | XC@1 |" in text
    assert "**0.031**" in text
    assert all(arm.about in text for arm in ARMS)
    assert "Grocery" not in text
    pictures = tmp_path / "docs" / "pictures"
    assert {path.name for path in pictures.iterdir()} == {
        f"experiment-synthetic-{kind}.png" for kind in ("arms", "curves", "words")
    }
    for path in pictures.iterdir():
        assert f"(pictures/{path.name})" in text
        assert path.stat().st_size < 100_000
        with Image.open(path) as image:
            assert image.width == 1080
            assert len(image.convert("RGB").getcolors(1 << 24)) > 8


def test_the_report_of_an_unfinished_experiment_admits_it(tmp_path):
    invent_all(tmp_path / "results" / "synthetic", {"dml": CLEAR["dml"], "3-tower": CLEAR["3-tower"]}, range(3))
    text = document(tmp_path)
    assert "Preliminary" in text
    assert "dml (3 of 8 seeds)" in text
    assert "clip (0 of 3 seeds)" in text
    assert "help, on both" not in text
    assert "4-tower from 3-tower and 3-tower can't be compared on R@1 yet" in text


def test_further_sections_appear_with_their_files(tmp_path):
    assert "No run has been made yet." in document(tmp_path)
    invent_all(tmp_path / "results" / "synthetic", NOTHING, range(2))
    chosen = {arm: (0.3, 0.5, 0.4) for arm in GROCERY_ARMS}
    invent_all(tmp_path / "results" / "grocery", chosen, GROCERY_SEEDS, digest=GROCERY.digest, words=False)
    invent(tmp_path / "results" / "synthetic-gpu", "dml", 0, CLEAR["dml"], digest="its own", words=False)
    text = document(tmp_path)
    titles = [f"\n## {section.title}\n" for section in SECTIONS]
    assert all(title in text for title in titles)
    grocery = text[text.index(titles[1]) : text.index(titles[2])]
    assert f"All {len(GROCERY_SEEDS) * len(GROCERY_ARMS)} planned runs were made." in grocery
    assert "81 texts can't teach language" in grocery
    assert f"**Seeds:** {len(GROCERY_SEEDS)} per arm." in grocery
    assert "### Photo and words" not in grocery


def test_equal_results_give_equal_pictures(tmp_path):
    runs = invent_all(tmp_path / "runs", CLEAR, range(2))
    first, second = (
        [path.read_bytes() for path in draw_all(runs, tmp_path / name, "synthetic")] for name in ("one", "two")
    )
    assert first == second


def test_the_command_writes_the_report(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "write_report", lambda: write.write_report(tmp_path, tmp_path / "experiments.md"))
    result = CliRunner().invoke(command.app, ["report"])
    assert result.exit_code == 0, result.output
    assert "No run has been made yet." in (tmp_path / "experiments.md").read_text()
