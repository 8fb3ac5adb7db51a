"""The memory of recent queries: bounded in bytes, least recently used out first."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourtower_search.encoding.cache import OVERHEAD, EmbeddingCache


def embedding(value):
    return np.full(8, value, dtype=np.float32)


SIZE = embedding(0).nbytes + OVERHEAD


def test_what_was_put_is_got():
    cache = EmbeddingCache()
    assert cache.get(b"a") is None
    cache.put(b"a", embedding(1))
    assert np.array_equal(cache.get(b"a"), embedding(1))
    assert cache.stats() == (1, 1, 1, SIZE)


def test_a_later_change_of_the_array_does_not_reach_the_cache():
    cache, mine = EmbeddingCache(), embedding(1)
    cache.put(b"a", mine)
    mine[:] = 7
    assert np.array_equal(cache.get(b"a"), embedding(1))
    with pytest.raises(ValueError, match="read-only"):
        cache.get(b"a")[0] = 3


def test_nothing_fits_into_no_bytes():
    cache = EmbeddingCache(0)
    cache.put(b"a", embedding(1))
    assert cache.stats().entries == 0


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), max_size=60), st.integers(1, 5))
def test_it_is_the_least_recently_used_that_goes(calls, room):
    """Against a list in order of use."""
    cache, recent = EmbeddingCache(room * SIZE), []
    for putting, number in calls:
        key = bytes([number])
        if putting and key not in recent:
            recent = [*recent, key][-room:]
        elif not putting:
            found = cache.get(key)
            assert (found is not None) == (key in recent)
            if key in recent:
                recent.remove(key)
                recent.append(key)
        if putting:
            cache.put(key, embedding(number))
        assert cache.stats().entries == len(recent)
        assert cache.stats().bytes <= room * SIZE
