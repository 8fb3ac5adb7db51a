"""Generations are lent, switched and closed so that no call ever sees a closed or a mixed one."""

import threading
import time

import pytest

from fourtower_search.serving import Serving


class Thing:
    def __init__(self, name):
        self.name, self.closed = name, False

    def close(self):
        assert not self.closed, "closed once only"
        self.closed = True


class World:
    """What is current, and everything that was ever loaded."""

    def __init__(self):
        self.name, self.loaded = "g1", []

    def load(self, name):
        self.loaded.append(Thing(name))
        return self.loaded[-1]

    def serving(self, refresh_s=1000.0):
        return Serving(lambda: self.name, self.load, refresh_s=refresh_s)


def wait_until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_call_keeps_what_it_was_lent():
    world = World()
    serving = world.serving()
    with serving.lend() as old:
        world.name = "g2"
        serving.refresh()
        with serving.lend() as new:
            assert (old.name, new.name) == ("g1", "g2")
        assert not old.closed, "somebody still uses it"
    assert old.closed
    assert not new.closed
    serving.close()
    assert new.closed


def test_the_same_name_is_not_loaded_again():
    world = World()
    serving = world.serving()
    serving.refresh()
    assert len(world.loaded) == 1


def test_calls_notice_a_switch_by_themselves():
    world = World()
    serving = world.serving(refresh_s=0.0)
    world.name = "g2"

    def seen():
        with serving.lend() as thing:
            return thing.name

    wait_until(lambda: seen() == "g2")
    assert world.loaded[0].closed


def test_what_can_not_be_loaded_leaves_the_old_one(caplog):
    world = World()
    serving = world.serving()
    world.name = "g2"
    serving._load = lambda name: (_ for _ in ()).throw(RuntimeError("no such model"))
    serving.refresh()
    with serving.lend() as thing:
        assert thing.name == "g1"
    assert "The next generation, g2, can't be loaded; g1 goes on answering." in caplog.text


def test_closing_while_the_next_one_loads_closes_both():
    world, loading, go_on = World(), threading.Event(), threading.Event()
    serving = world.serving()

    def slow(name):
        loading.set()
        assert go_on.wait(10)
        return World.load(world, name)

    serving._load = slow
    world.name = "g2"
    refreshing = threading.Thread(target=serving.refresh)
    refreshing.start()
    assert loading.wait(10)
    serving.close()
    go_on.set()
    refreshing.join()
    assert [thing.closed for thing in world.loaded] == [True, True]


def test_many_threads_and_many_switches_use_nothing_closed():
    world, stop, faults = World(), threading.Event(), []
    serving = world.serving(refresh_s=0.0)

    def call():
        while not stop.is_set():
            with serving.lend() as thing:
                if thing.closed:
                    faults.append(thing.name)

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(2, 30):
        world.name = f"g{number}"
        wait_until(lambda name=world.name: serving._lent.name == name)
    stop.set()
    for thread in threads:
        thread.join()
    serving.close()
    assert not faults
    wait_until(lambda: all(thing.closed for thing in world.loaded))
    assert len(world.loaded) >= 29


def test_an_index_that_is_away_at_first_is_an_error():
    with pytest.raises(RuntimeError, match="away"):
        Serving(lambda: "g1", lambda _: (_ for _ in ()).throw(RuntimeError("away")), refresh_s=1)
