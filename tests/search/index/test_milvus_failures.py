"""Every error that pymilvus and gRPC can raise has a meaning here."""

from __future__ import annotations

import inspect

import grpc
import pymilvus.exceptions
import pytest
from pymilvus.exceptions import MilvusException

from fourtower_search.errors import (
    CollectionGone,
    IndexMismatch,
    IndexUnavailable,
    InvalidQuery,
    SearchError,
    Unsupported,
)
from fourtower_search.index.milvus.connection import _foreign_errors
from fourtower_search.index.milvus.failures import CLASSES, GRPC_CLASSES, STATUSES, failure_of

MILVUS_CLASSES = [
    cls
    for cls in vars(pymilvus.exceptions).values()
    if inspect.isclass(cls) and issubclass(cls, MilvusException) and cls is not MilvusException
]


def grpc_error(status, details="said so"):
    """As a channel raises it: an RpcError with methods code() and details()."""
    return grpc.aio.AioRpcError(status, grpc.aio.Metadata(), grpc.aio.Metadata(), details)


def error_of(error):
    return failure_of(error).error("milvus://host", "search")


@pytest.mark.parametrize("cls", MILVUS_CLASSES, ids=lambda cls: cls.__name__)
def test_every_class_of_pymilvus_has_a_meaning_of_its_own(cls):
    assert cls.__name__ in CLASSES
    error = error_of(cls(message="some reason"))
    assert isinstance(error, SearchError)
    assert "some reason" in str(error)
    assert str(error).endswith(".")
    assert issubclass(cls, _foreign_errors())


def test_no_meaning_is_given_to_a_class_that_is_gone():
    assert set(CLASSES) == {cls.__name__ for cls in MILVUS_CLASSES}


@pytest.mark.parametrize("status", [status for status in grpc.StatusCode if status.name != "OK"])
def test_every_status_of_grpc_has_a_meaning(status):
    assert status.name in STATUSES
    raw, wrapped = grpc_error(status), MilvusException(code=status, message="Retry run out of 75 retry times")
    assert type(error_of(raw)) is type(error_of(wrapped))
    assert status.name in str(error_of(raw))
    assert isinstance(raw, _foreign_errors())


@pytest.mark.parametrize("cls", [grpc.FutureTimeoutError, grpc.FutureCancelledError])
def test_errors_of_grpc_without_a_status_have_a_meaning(cls):
    assert cls.__name__ in GRPC_CLASSES
    assert isinstance(error_of(cls()), IndexUnavailable)
    assert issubclass(cls, _foreign_errors())


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MilvusException(code=2, message="Fail connecting to server"), IndexUnavailable),
        (MilvusException(code=8, message="request is rejected by limiter"), IndexUnavailable),
        (MilvusException(code=100, message="collection not found"), CollectionGone),
        (MilvusException(code=101, message="collection not loaded"), IndexUnavailable),
        (MilvusException(code=503, message="channel not available"), IndexUnavailable),
        (MilvusException(code=1100, message="invalid parameter"), InvalidQuery),
        (MilvusException(code=1401, message="not permitted"), IndexMismatch),
        (MilvusException(code=65535, message="cannot parse expression: a === 1"), InvalidQuery),
        (MilvusException(code=65535, message="anything else"), IndexUnavailable),
        (MilvusException(code=123_456, message="a code from the future"), IndexUnavailable),
        (grpc_error(grpc.StatusCode.UNIMPLEMENTED), Unsupported),
        (grpc_error(grpc.StatusCode.UNAUTHENTICATED), IndexMismatch),
        (grpc_error(grpc.StatusCode.RESOURCE_EXHAUSTED, "Received message larger than max (9 vs. 4)"), InvalidQuery),
        (grpc_error(grpc.StatusCode.DEADLINE_EXCEEDED), IndexUnavailable),
    ],
    ids=lambda value: value.__name__ if inspect.isclass(value) else str(value)[:40],
)
def test_an_error_becomes_the_instruction_that_it_is(error, expected):
    assert type(error_of(error)) is expected


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (grpc_error(grpc.StatusCode.UNAVAILABLE), True),
        (grpc_error(grpc.StatusCode.DEADLINE_EXCEEDED), False),
        (grpc_error(grpc.StatusCode.UNAUTHENTICATED), False),
        (MilvusException(code=8, message="rate limit"), True),
        (MilvusException(code=101, message="not loaded"), True),
        (MilvusException(code=65535, message="odd", retriable=True), True),
        (MilvusException(code=1, message="File is too small: 0"), True),
        (MilvusException(code=1, message="Not an Arrow file"), True),
        (MilvusException(code=1, message="Error in faiss: 'ret == (1)' failed: read error in a.idx: 0 != 1"), True),
        (MilvusException(code=65535, message="odd"), False),
        (MilvusException(code=1100, message="your fault", retriable=True), False),
    ],
)
def test_only_what_may_pass_in_a_moment_is_tried_again(error, again):
    assert failure_of(error).momentary is again


def test_a_message_stays_one_short_sentence():
    error = error_of(MilvusException(code=1, message="first line.\nTraceback: /server/file.go:12" + "x" * 9000))
    assert str(error) == "milvus://host could not search: first line (code 1); try again later."
