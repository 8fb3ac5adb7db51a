"""Who is next: callers take turns, and nobody is lost."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourtower_search.query.parts import Image, Text
from fourtower_search.query.request import SearchRequest
from fourtower_search.service.line import Line, Ticket

RED = SearchRequest(parts=(Text("red"),))
FETCHED = SearchRequest(parts=(Image("https://shop.example/1.jpg"),))


def ticket_of(caller, items=1, *, item=RED, item_s=1.0):
    return Ticket(caller, "search", [item] * items, since=0.0, deadline=1.0, item_s=item_s)


def line_of(*tickets):
    line = Line()
    for ticket in tickets:
        line.add(ticket)
    return line


def callers(parts):
    return [part.ticket.caller for part in parts]


def test_callers_take_turns_however_much_each_wants():
    line = line_of(*(ticket_of("many") for _ in range(5)), ticket_of("few"), ticket_of("batch", 3))
    assert callers(line.take(4)) == ["many", "few", "batch", "many"]
    assert callers(line.take(4)) == ["batch", "many", "batch", "many"]
    assert (callers(line.take(4)), len(line)) == (["many"], 0)


def test_each_callers_requests_keep_their_order():
    first, second = ticket_of("one", 2), ticket_of("one")
    parts = line_of(first, second).take(8)
    assert [(part.ticket, part.position) for part in parts] == [(first, 0), (first, 1), (second, 0)]


@pytest.mark.parametrize("lone", [lambda: None, FETCHED])
def test_what_could_keep_others_waiting_goes_alone_and_keeps_its_turn(lone):
    line = line_of(ticket_of("a"), ticket_of("b", item=lone), ticket_of("c"))
    assert callers(line.take(8)) == ["a", "c"]
    line.add(ticket_of("d"))
    assert callers(line.take(8)) == ["b"]
    assert callers(line.take(8)) == ["d"]


@pytest.mark.parametrize("source", [b"bytes", "data:image/png;base64,AAAA", "DATA:image/png;base64,AAAA"])
def test_pictures_that_came_along_join_a_batch(source):
    line = line_of(ticket_of("a"), ticket_of("b", item=SearchRequest(parts=(Image(source),))))
    assert callers(line.take(8)) == ["a", "b"]


def test_what_stands_before_a_caller_counts_one_turn_of_each_other():
    line = line_of(ticket_of("many", 10), ticket_of("slow", item_s=5.0))
    assert line.ahead_s("new") == 1 + 5
    assert line.ahead_s("slow") == 5 + 2
    assert line.ahead_s("many") == 10 + 5


def test_who_left_is_gone_and_may_leave_twice():
    stays, leaves = ticket_of("a"), ticket_of("a")
    line = line_of(stays, leaves)
    line.remove(leaves)
    line.remove(leaves)
    line.remove(ticket_of("never came"))
    assert ([part.ticket for part in line.take(8)], len(line)) == ([stays], 0)


def test_a_ticket_that_was_begun_gives_no_place_up():
    begun = ticket_of("many", 3)
    waiting = [ticket_of("many") for _ in range(2)]
    line = line_of(begun, *waiting)
    line.take(1)
    assert line.crowding("rare") is waiting[-1]
    line.remove(waiting[-1])
    assert line.crowding("rare") is waiting[0]
    line.remove(waiting[0])
    assert line.crowding("rare") is None


Coming = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(1, 6), st.booleans()), max_size=30)


@given(Coming, st.integers(1, 8))
def test_everything_is_taken_once_and_nobody_twice_before_another(coming, most):
    line = line_of(*(ticket_of(caller, items, item=print if alone else RED) for caller, items, alone in coming))
    wanted = Counter({caller: 0 for caller, _, _ in coming})
    for caller, items, _ in coming:
        wanted[caller] += items
    taken = []
    while parts := line.take(most):
        assert len(parts) <= most
        assert len(parts) == 1 or not any(part.item is print for part in parts)
        taken += parts
    assert Counter(callers(taken)) == wanted
    assert len({(id(part.ticket), part.position) for part in taken}) == sum(wanted.values())
    assert len(line) == 0


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(1, 6)), min_size=1, max_size=30), st.integers(1, 8))
def test_while_two_callers_wait_neither_gets_two_turns_more(coming, most):
    line = line_of(*(ticket_of(caller, items) for caller, items in coming))
    left, got = Counter(), Counter()
    for caller, items in coming:
        left[caller] += items
    while parts := line.take(most):
        for caller in callers(parts):
            left[caller] -= 1
            got[caller] += 1
            still = [other for other in left if left[other]]
            assert max((got[a] - got[b] for a in still for b in still), default=0) <= 1
