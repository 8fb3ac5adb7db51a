"""What comes of a batch, search by search."""

import pytest

from fourtower_search.errors import IndexMismatch, IndexUnavailable, InvalidQuery
from fourtower_search.query.parts import Text
from fourtower_search.query.request import SearchRequest
from fourtower_search.service.line import Part, Ticket
from fourtower_search.service.outcomes import outcomes


class Asked:
    """Answers a search with its limit; takes a second each time, and fails where it is told to."""

    def __init__(self, fail=lambda limits: None):
        self.now, self.calls, self.timeouts, self._fail = 0.0, [], [], fail

    def clock(self):
        return self.now

    def answer(self, requests, *, timeout_s):
        limits = [request.limit for request in requests]
        self.calls.append(limits)
        self.timeouts.append(timeout_s)
        self.now += 1
        if error := self._fail(limits):
            raise error
        return limits


def part_of(limit, *, deadline=100.0):
    request = SearchRequest(parts=(Text("red"),), limit=limit)
    return Part(Ticket(limit, "search", [request], since=0.0, deadline=deadline), 0)


def found(client, parts):
    """By limit: the answer, or the kind of error."""
    return {
        each.part.ticket.caller: each.result if each.error is None else type(each.error)
        for each in outcomes(client, parts, client.clock)
    }


def spoilt_by(*bad):
    return lambda limits: InvalidQuery("bad") if set(limits) & set(bad) else None


def test_all_are_asked_at_once_in_the_time_of_the_most_patient():
    client = Asked()
    assert found(client, [part_of(1, deadline=3), part_of(2, deadline=9)]) == {1: 1, 2: 2}
    assert (client.calls, client.timeouts) == ([[1, 2]], [9])


@pytest.mark.parametrize("bad", [[], [1], [8], [3, 4], [1, 5, 8], list(range(1, 9))])
def test_each_gets_its_own_answer_or_its_own_error(bad):
    client = Asked(spoilt_by(*bad))
    expected = {n: InvalidQuery if n in bad else n for n in range(1, 9)}
    assert found(client, [part_of(n) for n in range(1, 9)]) == expected


def test_one_bad_search_among_many_costs_few_calls_more():
    client = Asked(spoilt_by(11))
    found(client, [part_of(n) for n in range(1, 17)])
    assert len(client.calls) == 1 + 2 * 4


def test_who_is_too_late_is_told_so_and_costs_nothing():
    client = Asked()
    assert found(client, [part_of(1, deadline=0), part_of(2)]) == {1: IndexUnavailable, 2: 2}
    assert client.calls == [[2]]


def test_to_try_again_takes_no_more_time_than_there_is():
    client = Asked(spoilt_by(1))
    assert found(client, [part_of(1), part_of(2), part_of(3, deadline=2.5), part_of(4, deadline=2.5)]) == {
        1: InvalidQuery,
        2: 2,
        3: IndexUnavailable,
        4: IndexUnavailable,
    }
    assert client.calls == [[1, 2, 3, 4], [1, 2], [1], [2]]


def test_who_left_meanwhile_is_not_asked_for_again():
    left = part_of(2)

    def leaving(limits):
        left.ticket.settled = True
        return InvalidQuery("bad") if len(limits) > 1 else None

    client = Asked(leaving)
    assert found(client, [part_of(1), left]) == {1: 1}
    assert client.calls == [[1, 2], [1]]


@pytest.mark.parametrize("error", [IndexUnavailable("away", retry_after_s=9), IndexMismatch("another model")])
def test_what_no_search_caused_is_not_tried_again(error):
    client = Asked(lambda _: error)
    answers = list(outcomes(client, [part_of(n) for n in range(1, 4)], client.clock))
    assert client.calls == [[1, 2, 3]]
    assert {str(each.error) for each in answers} == {str(error)}
    assert {getattr(each.error, "retry_after_s", None) for each in answers} == {getattr(error, "retry_after_s", None)}
    assert len({id(each.error) for each in answers}) == 3
    assert all(each.error.__cause__ is error for each in answers)


def test_a_client_that_forgets_an_answer_is_an_error_for_everybody_it_may_have_been():
    client = Asked()
    client.answer = lambda requests, timeout_s: [0] * (len(requests) - 1)
    assert set(found(client, [part_of(1), part_of(2)]).values()) == {AssertionError}
