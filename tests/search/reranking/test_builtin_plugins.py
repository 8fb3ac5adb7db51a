"""The built-in plugins use the hook that others use."""

from __future__ import annotations

from fourtower_encoders.embedder import Embedder
from fourtower_search.plugins import known_plugins, load_plugin
from fourtower_search.reranking.listwise import listwise


def test_the_built_in_plugins_are_entry_points() -> None:
    assert "listwise" in known_plugins("fourtower.rerankers")
    assert load_plugin("fourtower.rerankers", "listwise") is listwise
    assert load_plugin("fourtower.encoders", "checkpoint") == Embedder.load
