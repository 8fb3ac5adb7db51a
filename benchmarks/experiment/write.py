"""Writes docs/experiments.md and its pictures, wholly from the result files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.experiment.analyse import PRIMARY_PAIRS, Comparison, Runs, primary_comparisons, read_runs
from benchmarks.experiment.controls import CONTROLS, controls_summary, gain_to_explain
from benchmarks.experiment.findings import answer, capture_sentences, compared, settled, words_sentences
from benchmarks.experiment.plots import draw_all, words_arms
from benchmarks.experiment.run import RESULTS
from benchmarks.experiment.sections import SECTIONS, Section, missing, protocol_lines, statistics
from benchmarks.experiment.tables import (
    MEANING,
    about_table,
    arms_table,
    controls_table,
    primary_table,
    text_table,
    words_table,
)

DOCUMENT = Path(__file__).parents[2] / "docs" / "experiments.md"
SUBJECTS = ("Product texts in training", "Short queries in training (the fourth tower)")
"""What each primary pair asks about, in the order of `PRIMARY_PAIRS`."""
QUESTION = """\
A network that is trained only to match photos with catalog pictures can learn to recognise a pattern and forget what
wears it: zebra shoes for a zebra bag. The paper behind this project claims that training with product texts as well
(three towers), and then with short queries (four towers), finds the right product more often and returns fewer products
of the wrong category, *even when the search itself compares images only*. These experiments train the same towers under
different losses, and ask whether that holds, and whether something simpler than language explains it.

Unless a heading says otherwise, all figures compare the photo with catalog *pictures* alone; texts take part in
training only. Figures are percent, as mean ± standard deviation over seeds."""
REPRODUCE = """\
```sh
make experiment
```

makes every run that has no result file yet, then writes this page. It can be stopped and started again. With
`ARGS="--grocery FOLDER"` it also trains on the photos from shops, if you have them. The result files are in
`benchmarks/results/experiment`, one per arm and seed, with the figures, their course during training and the outcome of
every single query. `.venv/bin/python -m benchmarks.experiment report` writes this page from them and trains nothing."""


@dataclass(frozen=True)
class Chapter:
    """A section that has runs, and its primary comparisons."""

    section: Section
    runs: Runs
    comparisons: list[Comparison]
    pictures: list[Path]

    def about_pair(self, place: int) -> list[Comparison]:
        """The comparisons of one primary pair."""
        return [c for c in self.comparisons if (c.left, c.right) == PRIMARY_PAIRS[place]]


def write_report(results: Path = RESULTS, document: Path = DOCUMENT) -> Path:
    """Write the document, and its pictures into `pictures` beside it."""
    chapters = [chapter for section in SECTIONS if (chapter := _chapter(section, results, document.parent))]
    document.parent.mkdir(parents=True, exist_ok=True)
    document.write_text("\n".join(_document(chapters)) + "\n", encoding="utf-8")
    return document


def _chapter(section: Section, results: Path, out: Path) -> Chapter | None:
    protocol = section.protocol
    runs = read_runs(results / section.name, protocol.digest if protocol else None)
    if not runs.runs:
        return None
    return Chapter(section, runs, primary_comparisons(runs), draw_all(runs, out / "pictures", section.name))


def _document(chapters: list[Chapter]) -> Iterator[str]:
    yield "# Experiments: does text make visual search better?"
    yield ""
    yield from [
        "This page is written by `make experiment` from the result files; every sentence follows the figures.",
        "",
    ]
    yield from _summary(chapters)
    yield from ["## The question", "", QUESTION, ""]
    yield from _items(f"**{name}**: {meaning}." for name, meaning in MEANING.items())
    for chapter in chapters:
        yield from _told(chapter)
    yield from ["## Reproducing it", "", REPRODUCE]
    yield from _effort(chapters)


def _summary(chapters: list[Chapter]) -> Iterator[str]:
    """All answers of the first chapter, a line each, and one line for each further chapter."""
    if not chapters:
        yield from ["No run has been made yet.", ""]
        return
    if any(missing(chapter.section, chapter.runs) for chapter in chapters):
        yield from ["*Preliminary: not all planned runs have been made.*", ""]
    first, *others = chapters
    yield from _items([*_answers(first), *(f"**{other.section.title}.** {_short_answer(other)}" for other in others)])


def _short_answer(chapter: Chapter) -> str:
    comparisons = chapter.about_pair(0)
    return f"{answer(comparisons, subject=SUBJECTS[0])} {controls_summary(chapter.runs, comparisons)}"


def _answers(chapter: Chapter) -> Iterator[str]:
    for place, subject in enumerate(SUBJECTS):
        yield answer(chapter.about_pair(place), subject=subject)
    yield f"**Controls.** {controls_summary(chapter.runs, chapter.comparisons)}"
    if sentences := capture_sentences(chapter.runs):
        yield " ".join(["**Look-alike patterns.**", *sentences])
    if sentences := words_sentences(chapter.runs, _words_arm(chapter.runs)):
        yield " ".join(["**Photo and words.**", *sentences])


def _words_arm(runs: Runs) -> str:
    """The paper's final arm where it was run, else the last one that reads words."""
    paper = PRIMARY_PAIRS[1][0]
    return paper if paper in runs.arms else next(reversed(words_arms(runs)), "")


def _told(chapter: Chapter) -> Iterator[str]:
    section, runs = chapter.section, chapter.runs
    yield from [f"## {section.title}", "", *protocol_lines(section, runs), ""]
    yield from ["### The claim", "", *_items(compared(c) for c in chapter.comparisons)]
    yield from [*primary_table(chapter.comparisons), "", statistics(), ""]
    yield from ["### All arms", "", *about_table(runs), "", *arms_table(runs), ""]
    yield from _picture(chapter, "arms", "Every seed of every arm (dots) and their means (bars)")
    yield from _controls(chapter)
    yield from _curves(chapter)
    if sentences := capture_sentences(runs):
        yield from ["### Look-alike patterns", "", " ".join(sentences), ""]
    yield from _words(chapter)
    yield from ["### Limits", "", *_items(section.limits)]
    yield from _coverage(chapter)


def _controls(chapter: Chapter) -> Iterator[str]:
    figures = gain_to_explain(chapter.comparisons)
    yield from ["### What else could explain it", "", controls_summary(chapter.runs, chapter.comparisons), ""]
    if not figures or not any(control.arm in chapter.runs.arms for control in CONTROLS):
        return
    yield from [*controls_table(chapter.runs, figures), ""]
    yield (
        "The share of the gain is (control - dml) / (3-tower - dml), over the seeds that all three have. 80 % and more "
        "is read as explaining the gain, 20 % and less as not explaining it. This is description, not a test."
    )
    yield ""


def _curves(chapter: Chapter) -> Iterator[str]:
    yield from ["### Course of training", ""]
    yield from _picture(chapter, "curves", "R@1 and XC@1 over the steps of training")
    yield (
        "Bands are one standard deviation over seeds. Before its last point a run's learning rate is still high, so a "
        f"point on the way is not what a shorter run would have reached. {settled(chapter.runs)}"
    )
    yield ""


def _words(chapter: Chapter) -> Iterator[str]:
    runs = chapter.runs
    if words_arms(runs):
        yield from ["### With the products' texts in the search", ""]
        yield from ["A photo compared with picture *and* text of each product:", "", *text_table(runs), ""]
    if sentences := words_sentences(runs, _words_arm(runs)):
        yield from ["### Photo and words", "", " ".join(sentences), ""]
        yield (
            "Hit@1 by task. *Composed* is the photo with the words, *filter, then image* the photo alone among the "
            "products that truly have what the words ask for: a baseline that needs exact attributes, and somebody who "
            "reads the words."
        )
        yield from ["", *words_table(runs), ""]
        yield from _picture(chapter, "words", "Hit@1 of photo with words and of simpler searches")


def _coverage(chapter: Chapter) -> Iterator[str]:
    """Which planned runs are missing."""
    gaps = missing(chapter.section, chapter.runs)
    if gaps:
        yield from [f"**Missing runs:** {', '.join(gaps)}.", ""]
    elif plan := chapter.section.planned:
        yield from [f"All {sum(plan.values())} planned runs were made.", ""]
    if chapter.runs.foreign:
        yield from [f"{chapter.runs.foreign} result files of another protocol were left out.", ""]


def _effort(chapters: list[Chapter]) -> Iterator[str]:
    runs = [run for chapter in chapters for run in chapter.runs.runs]
    if runs:
        hours = sum(run.seconds for run in runs) / 3600
        yield from ["", f"The {len(runs)} runs on this page took {hours:.1f} hours, one after another."]


def _picture(chapter: Chapter, kind: str, caption: str) -> Iterator[str]:
    for path in chapter.pictures:
        if path.stem == f"experiment-{chapter.section.name}-{kind}":
            yield from [f"![{caption}](pictures/{path.name})", ""]


def _items(lines: Iterable[str]) -> Iterator[str]:
    yield from (f"- {line}" for line in lines)
    yield ""
