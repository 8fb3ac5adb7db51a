"""The circuit breaker: when it opens, who may try, and when all is well again."""

from fourtower_ingest.flow.breaker import Breaker


def breaker():
    return Breaker(pause_s=1.0, losses=3)


def test_it_lets_one_probe_through_after_a_pause():
    gate = breaker()
    assert (gate.closed, gate.allows(0.0), gate.state(0.0)) == (True, True, "closed")
    gate.failed("x", "no answer", 0.0)
    assert (gate.allows(0.9), gate.state(0.9), gate.reason) == (False, "open", "no answer")
    assert (gate.allows(1.0), gate.state(1.0)) == (True, "half_open")
    gate.sent("probe")
    assert not gate.allows(50.0), "one probe at a time"
    gate.answered("x")
    assert not gate.closed, "what had been sent before says nothing"
    gate.answered("probe")
    assert (gate.closed, gate.allows(50.0)) == (True, True)


def test_every_failed_probe_doubles_the_pause_up_to_half_a_minute():
    gate, now, pauses = breaker(), 0.0, []
    gate.failed("x", "", now)
    for number in range(8):
        while not gate.allows(now):
            now += 0.5
        gate.sent(f"p{number}")
        gate.failed(f"p{number}", "", now)
        pauses.append(next(pause / 2 for pause in range(100) if gate.allows(now + pause / 2)))
    assert pauses == [2, 4, 8, 16, 30, 30, 30, 30]


def test_other_failures_do_not_prolong_the_pause():
    gate = breaker()
    gate.failed("x", "first", 0.0)
    gate.failed("y", "second", 0.9)
    assert (gate.allows(1.0), gate.reason) == (True, "first")


def test_a_probe_that_is_given_up_makes_room_for_another_one():
    gate = breaker()
    gate.failed("x", "", 0.0)
    gate.sent("probe")
    gate.gave_up("other")
    assert not gate.allows(1.0)
    gate.gave_up("probe")
    assert gate.allows(1.0)
    gate.sent("next")
    gate.unanswered("other", 5.0)
    gate.unanswered("next", 5.0)
    assert (gate.state(5.0), gate.state(7.0)) == ("open", "half_open")


def test_losses_within_a_minute_say_that_the_workers_are_ill():
    gate = breaker()
    for number in range(6):
        gate.lost("x", "signal 9", number * 31.0)
    assert gate.closed, "three in more than a minute are not many"
    gate.lost("x", "signal 9", 156.0)
    assert (gate.closed, gate.workers_ill) == (False, True)
    assert "signal 9" in gate.reason
    gate.sent("probe")
    gate.answered("probe")
    assert (gate.closed, gate.workers_ill) == (True, False)
    gate.lost("x", "", 157.0)
    assert gate.closed, "earlier losses are settled by the probe"


def test_a_lost_probe_keeps_it_open():
    gate = breaker()
    gate.failed("x", "no answer", 0.0)
    gate.sent("probe")
    gate.lost("probe", "signal 9", 2.0)
    assert (gate.allows(2.5), gate.workers_ill, gate.allows(4.0)) == (False, True, True)


def test_being_lost_over_the_same_event_again_says_nothing_of_the_workers():
    gate = breaker()
    for _ in range(20):
        gate.lost("x", "signal 9", 1.0, again=True)
    assert gate.closed
    for number in range(3):
        gate.lost("x", "signal 9", 2.0 + number)
    assert not gate.closed, "others are lost, too"
