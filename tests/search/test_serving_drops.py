"""A call whose generation was dropped is done once more on the one that is live, and nothing is loaded twice."""

import threading

import pytest
from tests.search.test_serving import Thing, World

from fourtower_search.errors import CollectionGone, IndexMismatch


class Dropping(World):
    """A world in which generations are dropped."""

    def __init__(self):
        super().__init__()
        self.dropped = set()

    def answer(self, thing: Thing):
        assert not thing.closed
        if thing.name in self.dropped:
            raise CollectionGone(f"There is no {thing.name}.")
        return thing.name

    def letters(self, thing: Thing):
        for letter in "abc":
            yield letter + self.answer(thing)


def test_a_call_on_a_dropped_generation_is_answered_by_the_live_one():
    world = Dropping()
    serving = world.serving()
    assert serving.call(world.answer) == "g1"
    world.name = "g2"
    assert serving.call(world.answer) == "g1", "it is not time to look yet"
    world.dropped.add("g1")
    assert serving.call(world.answer) == "g2"
    assert [thing.closed for thing in world.loaded] == [True, False]


def test_what_is_dropped_without_a_successor_is_an_error_each_time_until_there_is_one(caplog):
    world = Dropping()
    serving = world.serving()
    world.dropped.add("g1")
    for _ in range(2):
        with pytest.raises(CollectionGone, match="no g1"):
            serving.call(world.answer)
    load, world.name = serving._load, "g2"
    serving._load = lambda name: (_ for _ in ()).throw(RuntimeError("no such model"))
    with pytest.raises(IndexMismatch, match="no g1"):
        serving.call(world.answer)
    assert "The next generation, g2, can't be loaded; g1 goes on answering." in caplog.text
    serving._load = load
    assert serving.call(world.answer) == "g2"


def test_a_successor_that_is_gone_as_well_is_an_error():
    world = Dropping()
    serving = world.serving()
    world.name, world.dropped = "g2", {"g1", "g2"}
    with pytest.raises(CollectionGone, match="no g2"):
        serving.call(world.answer)


def test_many_calls_that_fail_together_load_the_next_generation_once():
    world = Dropping()
    serving = world.serving()
    together, answers = threading.Barrier(8), []

    def use(thing):
        if thing.name == "g1":
            together.wait(10)  # all of them have it by now
        return world.answer(thing)

    threads = [threading.Thread(target=lambda: answers.append(serving.call(use))) for _ in range(8)]
    world.name, world.dropped = "g2", {"g1"}
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == ["g2"] * 8
    assert [thing.name for thing in world.loaded] == ["g1", "g2"]


def test_an_iteration_begins_anew_on_the_live_generation_but_never_mixes_two():
    world = Dropping()
    serving = world.serving()
    begun = serving.iterate(world.letters)
    assert next(begun) == "ag1"
    world.name = "g2"
    world.dropped.add("g1")
    with pytest.raises(CollectionGone, match="no g1"):
        next(begun)
    assert list(serving.iterate(world.letters)) == ["ag2", "bg2", "cg2"]
    assert world.loaded[0].closed


def test_who_cannot_tell_what_is_live_goes_on_and_says_so(caplog):
    world = Dropping()
    serving = world.serving()
    serving._current = lambda: (_ for _ in ()).throw(RuntimeError("away"))
    serving.refresh()
    assert serving.call(world.answer) == "g1"
    assert "It can't be found out which generation is live; g1 goes on answering." in caplog.text
