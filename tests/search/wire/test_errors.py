"""Every error that a client raises reaches another client as itself, and nobody hears what should stay inside."""

import pytest

import fourtower_search.errors as errors
from fourtower_encoders.errors import CheckpointError, EncoderError, ImageRejected, ImageUnavailable, OutOfMemory
from fourtower_search.errors import (
    AccessDenied,
    CollectionGone,
    IndexMismatch,
    IndexUnavailable,
    InvalidQuery,
    Overloaded,
    SearchError,
)
from fourtower_search.wire.errors import INTERNAL, STATUS, error_of, problem_of

OURS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, SearchError)]


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)
def test_an_error_arrives_as_what_it_was(kind):
    sent = kind("What is wrong, and what to do.")
    problem = problem_of(sent)
    arrived = error_of(problem.code, problem.message, status=problem.status, retry_after_s=problem.retry_after_s)
    assert type(arrived) is (IndexMismatch if kind is CollectionGone else kind)
    assert str(arrived) == str(sent)
    assert getattr(arrived, "retry_after_s", None) == getattr(sent, "retry_after_s", None)
    assert STATUS[problem.code] == problem.status


def test_how_long_to_wait_arrives_exactly():
    problem = problem_of(Overloaded("Too much.", retry_after_s=0.25))
    assert (problem.status, problem.code, problem.retry_after_s) == (503, "overloaded", 0.25)
    arrived = error_of(problem.code, problem.message, status=503, retry_after_s=0.25)
    assert arrived.retry_after_s == 0.25
    assert isinstance(error_of("rate_limited", "Slowly.", status=429, retry_after_s=3), Overloaded)


@pytest.mark.parametrize(
    ("error", "code", "kind"),
    [
        (ImageUnavailable("x"), "image_unavailable", ImageUnavailable),
        (ImageRejected("x"), "invalid_query", InvalidQuery),
        (OutOfMemory("x"), "overloaded", Overloaded),
        (CheckpointError("x"), "index_mismatch", IndexMismatch),
        (EncoderError("x"), "internal", SearchError),
    ],
)
def test_errors_of_the_encoders_have_their_places(error, code, kind):
    problem = problem_of(error)
    assert (problem.code, problem.message) == (code, "x")
    assert type(error_of(code, "x", status=problem.status)) is kind


@pytest.mark.parametrize("error", [ValueError("/srv/secret"), KeyError("password"), RuntimeError("SELECT"), OSError()])
def test_what_nobody_foresaw_is_told_without_details(error):
    assert problem_of(error) == (500, "internal", INTERNAL, None)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, AccessDenied), (403, AccessDenied), (404, SearchError), (429, Overloaded), (413, InvalidQuery),
     (418, InvalidQuery), (500, SearchError), (502, IndexUnavailable), (503, IndexUnavailable),
     (504, IndexUnavailable), (599, SearchError)],
)  # fmt: skip
def test_a_code_of_a_later_version_goes_by_its_status(status, kind):
    error = error_of("made_up_later", "A sentence.", status=status)
    assert isinstance(error, kind)
    assert str(error) == "A sentence."


def test_every_code_becomes_an_error():
    for code, status in STATUS.items():
        assert isinstance(error_of(code, "x", status=status), SearchError | EncoderError)
