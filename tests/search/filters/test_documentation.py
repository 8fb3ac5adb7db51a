"""The tables of docs/filters.md: each row says one filter in three forms."""

import ast
import json
import re
from pathlib import Path

import pytest

from fourtower_search.filters import F, bind, from_json, from_text, to_json, to_text
from fourtower_search.filters.tree import MAX_DEPTH, MAX_IDS, MAX_LEAVES, MAX_VALUES
from fourtower_search.schema import Attribute, CatalogSchema

PAGE = (Path(__file__).parents[3] / "docs" / "filters.md").read_text()
ROW = re.compile(r"^\|(?:[^|]*\|)? `((?:[^`|]|\\\|)+)` \| `(\{.*\})` \| `(.*)` \|$", re.MULTILINE)
ROWS = [(python.replace(r"\|", "|"), form, text) for python, form, text in ROW.findall(PAGE)]
SCHEMA = CatalogSchema(
    attributes={
        "price": Attribute(type="float"),
        "brand": Attribute(type="string"),
        "in_stock": Attribute(type="bool"),
        "released": Attribute(type="time"),
        "tags": Attribute(type="strings"),
    }
)


def test_all_rows_are_read():
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and "Python" not in line]
    assert len(ROWS) == len(rows) == 18


@pytest.mark.parametrize(("python", "form", "text"), ROWS)
def test_the_three_forms_are_equal(python, form, text):
    where = eval(python, {"F": F})
    assert repr(from_json(json.loads(form))) == repr(from_text(text)) == repr(where)
    assert bind(where, SCHEMA) == bind(from_text(to_text(where)), SCHEMA) == bind(from_json(to_json(where)), SCHEMA)


def test_the_example_runs():
    (example,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    ast.parse(example)
    names = {}
    exec(example, names)
    bind(names["where"], SCHEMA)


def test_the_limits_are_told():
    told = f"{MAX_DEPTH} levels of and, or and not, {MAX_LEAVES} comparisons, {MAX_VALUES:,} values in a list"
    assert told in PAGE
    assert f"({MAX_IDS:,} product ids) and {MAX_IDS:,}\n  values in all lists" in PAGE
