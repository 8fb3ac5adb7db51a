"""Water marks, wholly invalid topics, dead letters on their way, and what reports add up to."""

import pytest
from tests.ingest.flow.bench import APPLIED, BAD, NO_BASE, STALE, UNAVAILABLE, failed, upsert

from fourtower_ingest.dead_letters import Letter
from fourtower_ingest.flow.invalidity import Invalidity
from fourtower_ingest.flow.letters import Letters
from fourtower_ingest.flow.pressure import Pressure
from fourtower_ingest.flow.verdicts import Fate, verdict
from fourtower_ingest.settings import FlowSettings

LIMITS = FlowSettings(most_items=100, most_bytes=1000, most_span=200, most_age_s=10)
NOTHING = {"records": 0, "size": 0, "span": 0, "age_s": 0.0}


@pytest.mark.parametrize(("what", "limit"), [("records", 100), ("size", 1000), ("span", 200), ("age_s", 10.0)])
def test_each_limit_pauses_until_a_quarter_is_free(what, limit):
    pressure = Pressure(LIMITS)
    assert not pressure.update(**NOTHING | {what: limit * 0.99})
    assert pressure.update(**NOTHING | {what: limit})
    assert pressure.update(**NOTHING | {what: limit * 0.8})
    assert not pressure.update(**NOTHING | {what: limit * 0.75})
    assert not pressure.update(**NOTHING | {what: limit * 0.8})


def test_a_topic_is_given_up_when_a_full_window_is_nearly_all_invalid():
    invalidity = Invalidity(window=20, share=0.9)
    for number in range(37):
        invalidity.seen("t", valid=number < 19, complaint=f"t@{number}")
    assert not invalidity.reason, "18 of 20 are not more than nine tenths"
    invalidity.seen("t", valid=False, complaint="t@37: no JSON.")
    assert "19 of the last 20 records of t break the contract, the latest so: t@37: no JSON." in invalidity.reason


def test_topics_are_watched_apart_and_a_window_must_be_full():
    invalidity = Invalidity(window=20, share=0.9)
    for _ in range(19):
        invalidity.seen("bad", valid=False)
        invalidity.seen("good", valid=True)
    assert not invalidity.reason
    assert invalidity.suspicious()
    for _ in range(3):
        invalidity.seen("bad", valid=True)
    assert (invalidity.reason, invalidity.suspicious()) == ("", False)


def test_a_letter_is_taken_once_and_waits_for_its_burial():
    letters, letter = Letters(), Letter(upsert(3), "parse", "invalid", "")
    letters.write(letter)
    assert letters.buried(letter.record.place) is None, "nobody has produced it yet"
    assert (letters.take(), letters.take(), len(letters)) == ([letter], [], 1)
    assert (letters.buried(letter.record.place), letters.buried(letter.record.place)) == (letter, None)
    assert len(letters) == 0


def test_withheld_letters_wait_for_their_release():
    letters, first, second = Letters(), Letter(upsert(3), "parse", "", ""), Letter(upsert(4), "parse", "", "")
    letters.write(first, withhold=True)
    assert letters.take() == []
    letters.release()
    assert letters.take() == [first]
    letters.write(second, withhold=True)
    letters.abandon()
    letters.release()
    assert (letters.take(), len(letters)) == ([], 1), "the first one may still be buried"
    assert letters.forget(frozenset({first.record.place.partition})) == [first]
    assert len(letters) == 0


PICTURE, AGAIN = failed("unreachable", retryable=True, stage="fetch"), failed("incomplete", retryable=True)
GAVE_WAY = failed("superseded_by_failed", retryable=True)


@pytest.mark.parametrize(
    ("reports", "fate"),
    [
        ([APPLIED, STALE], Fate.SETTLED),
        ([APPLIED, NO_BASE], Fate.WITHOUT_BASE),
        ([NO_BASE, AGAIN], Fate.TRY_AGAIN),
        ([AGAIN, PICTURE], Fate.PICTURE_MISSING),
        ([failed("nothing_to_embed", retryable=True)], Fate.PICTURE_MISSING),
        ([failed("nothing_to_embed")], Fate.FAILED),
        ([PICTURE, UNAVAILABLE], Fate.INDEX_ILL),
        ([GAVE_WAY, UNAVAILABLE], Fate.INDEX_ILL),
        ([GAVE_WAY, BAD], Fate.FAILED),
        ([BAD, UNAVAILABLE], Fate.FAILED),
    ],
)
def test_the_worst_report_decides(reports, fate):
    for ordered in (reports, reports[::-1]):
        assert verdict(ordered).fate is fate
    worst = verdict(reports).report
    assert worst in reports
    assert verdict([worst]).fate is fate
