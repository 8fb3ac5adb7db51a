"""Explanations: nodes follow from their leaves, and read as indented lines."""

import pytest

from fourtower_search.ranking.explain import Node, leaf, leaves, lines, node, recompute


def test_a_node_is_worth_what_its_children_make():
    tree = node(
        "blend",
        "score",
        node(
            "product",
            "meaning",
            leaf("share", 0.7),
            node("calibration", "relevance", leaf("raw", 1.0), leaf("slope", 2.0), leaf("intercept", -2.0)),
        ),
        node(
            "product", "words", leaf("share", 0.3), node("saturation", "lexical", leaf("BM25", 8.0), leaf("pivot", 8.0))
        ),
    )
    assert tree.value == pytest.approx(0.5)
    assert recompute(tree) == tree.value
    assert [each.label for each in leaves(tree)] == ["share", "raw", "slope", "intercept", "share", "BM25", "pivot"]


def test_recomputing_trusts_nothing_but_the_leaves():
    forged = Node("sum", "score", 99.0, (leaf("a", 1.0), Node("product", "b", 99.0, (leaf("c", 2.0), leaf("d", 3.0)))))
    assert recompute(forged) == 7.0


def test_a_tree_reads_as_lines():
    tree = node("sum", "score", leaf("a", 0.25), node("product", "b", leaf("c", 2), leaf("d", 3)))
    assert list(lines(tree)) == ["score: 6.25  (sum)", "  a: 0.25", "  b: 6  (product)", "    c: 2", "    d: 3"]
