"""The demonstration: everything at work on a small catalog, and the second time nothing is made again."""

import json

import pytest

from fourtower_workers.demo_cli import demo


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("demo")


def figures_of(printed):
    return json.loads(printed)["hit_at_1"]


def test_it_draws_indexes_searches_measures_and_shows(out, capsys):
    mine = out / "products.db"
    mine.write_text("precious")
    demo(out=out, products=150, queries=80, seed=9, as_json=True)
    printed, said = capsys.readouterr()
    figures = figures_of(printed)
    assert set(figures) == {"change_category", "change_colour", "add_attribute", "negation"}
    for kind, values in figures.items():
        assert values["image and text"] > values["image alone"], f"words help with {kind}"
    assert figures["negation"]["text alone"] is None, "minus-words alone ask for nothing"
    assert "150 products are in" in said
    (db,) = out.glob("catalog-*.db")
    assert f"fourtower serve --index {db} --image-root {out / 'catalog-150-9'}" in "".join(said.splitlines())
    page = (out / "index.html").read_text()
    assert page.count("<h2>") == 6
    assert page.count("data:image/jpeg;base64,") > 30
    assert "query_image · product_image" in page, "each hit says why"
    assert mine.read_text() == "precious"


def test_the_second_time_is_quick_and_tells_the_same(out, capsys):
    drawn = out / "catalog-150-9" / "events.jsonl"
    before = drawn.stat().st_mtime_ns
    demo(out=out, products=150, queries=80, seed=9, as_json=True)
    again = capsys.readouterr().out
    assert drawn.stat().st_mtime_ns == before
    demo(out=out, products=150, queries=80, seed=9)
    table = capsys.readouterr().out
    assert f"{figures_of(again)['change_category']['image and text']:.2f}" in table
    assert "Similar to p9-" in table
    assert "vector score" in table
