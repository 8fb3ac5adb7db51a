from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourtower_encoders.errors import ManifestError
from fourtower_encoders.synth import SynthConfig, make_products
from fourtower_encoders.synth.judgments import make_judgments
from fourtower_encoders.synth.tasks import make_tasks
from fourtower_search.evaluation.judgments import read_judgments

ESCI_TABLE = """query_id,query,product_locale,product_id,esci_label
1,red mug,us,B1,E
1,red mug,us,B2,S
1,red mug,us,B3,C
1,red mug,us,B4,I
2,"mug, blue",us,B5,I
"""


def written(folder: Path, name: str, *lines: object) -> Path:
    path = folder / name
    path.write_text("".join(f"{each if isinstance(each, str) else json.dumps(each)}\n" for each in lines))
    return path


def test_a_line_becomes_a_query_with_its_picture_beside_the_file(tmp_path: Path) -> None:
    line = {
        "query_id": "q1",
        "kind": "change_colour",
        "text": "red",
        "minus": "plain",
        "image": "street/a.jpg",
        "category": "mug",
        "where": {"must": [{"field": "price", "lt": 10}]},
        "grades": {"a": 4, "b": 0.5},
    }
    (query,) = read_judgments(written(tmp_path, "j.jsonl", line, "")).queries
    assert query.image == tmp_path / "street/a.jpg"
    assert (query.query_id, query.kind, query.text, query.minus) == ("q1", "change_colour", "red", "plain")
    assert (query.category, query.where, query.grades) == ("mug", line["where"], {"a": 4.0, "b": 0.5})
    assert query.right == {"a"}


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        ({"text": "x"}, "text"),
        ({"image": "a.jpg"}, "image"),
        ({"image": "a.jpg", "text": "x"}, "mixed"),
        ({"image": "a.jpg", "minus": "x"}, "mixed"),
        ({"text": "x", "minus": "y"}, "text"),
        ({"text": "x", "kind": "long tail"}, "long tail"),
    ],
)
def test_the_kind_follows_from_what_is_asked_unless_it_is_given(tmp_path: Path, asked: dict, kind: str) -> None:
    (query,) = read_judgments(written(tmp_path, "j.jsonl", {"query_id": "q", "grades": {"a": 1}, **asked})).queries
    assert query.kind == kind


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "JSON"),
        ("[]", "object"),
        ({"query_id": "q", "text": "x"}, "grades"),
        ({"query_id": "", "text": "x", "grades": {"a": 1}}, "query_id"),
        ({"query_id": "q", "text": "x", "grades": {"a": 0}}, "grades.a"),
        ({"query_id": "q", "text": "x", "grades": {"a": "1"}}, "grades.a"),
        ({"query_id": "q", "text": "x", "grades": {"a": True}}, "grades.a"),
        ('{"query_id": "q", "text": "x", "grades": {"a": NaN}}', "grades.a"),
        ({"query_id": "q", "text": "x", "grades": {"a": 1e9}}, "grades.a"),
        ({"query_id": "q", "txt": "x", "grades": {"a": 1}}, "txt"),
        ({"query_id": "q", "minus": "x", "grades": {"a": 1}}, "`text` or `image`"),
        ({"query_id": "q", "image": "/etc/passwd", "grades": {"a": 1}}, "inside the folder"),
        ({"query_id": "q", "image": "a/../../b.jpg", "grades": {"a": 1}}, "inside the folder"),
        ({"query_id": "q", "image": "..\\b.jpg", "grades": {"a": 1}}, "inside the folder"),
        ({"query_id": "q", "image": "http://10.0.0.1/b.jpg", "grades": {"a": 1}}, "no URL"),
        ({"query_id": "first", "text": "x", "grades": {"a": 1}}, "appears twice"),
    ],
)
def test_a_bad_line_is_named_by_file_and_line(tmp_path: Path, line: object, problem: str) -> None:
    path = written(tmp_path, "j.jsonl", {"query_id": "first", "text": "x", "grades": {"a": 1}}, "", line)
    with pytest.raises(ManifestError, match=r"^j\.jsonl line 3: ") as caught:
        read_judgments(path)
    assert problem in str(caught.value)


@pytest.mark.parametrize(("name", "delimiter"), [("j.csv", ","), ("j.TSV", "\t")])
def test_esci_tables_are_read(tmp_path: Path, name: str, delimiter: str) -> None:
    content = ESCI_TABLE if delimiter == "," else ESCI_TABLE.replace('"mug, blue"', "mug; blue").replace(",", delimiter)
    judgments = read_judgments(written(tmp_path, name, "\ufeff" + content.strip()))
    first, second = judgments.queries
    assert (first.query_id, first.text, first.kind) == ("1", "red mug", "text")
    assert first.grades == {"B1": 1.0, "B2": 0.1, "B3": 0.01}
    assert [judgments.gain(grade) for grade in first.grades.values()] == [1.0, 0.1, 0.01]
    assert second.grades == {}
    assert second.right == frozenset()


def test_tables_of_grades_need_no_query_id(tmp_path: Path) -> None:
    judgments = read_judgments(written(tmp_path, "j.csv", "query,product_id,grade", "a b,p1,3", "c,p1,1", "a b,p2,0.5"))
    assert {query.query_id: query.grades for query in judgments.queries} == {
        "a b": {"p1": 3.0, "p2": 0.5},
        "c": {"p1": 1.0},
    }
    assert judgments.gain(3) == 7


@pytest.mark.parametrize(
    ("lines", "place", "problem"),
    [
        (["a,b"], 1, "query, product_id and esci_label or grade; it has a, b"),
        (["query,product_id,grade", "x,p,1", "x,p"], 3, "grade is empty"),
        (["query,product_id,grade", "x,p,nan"], 2, "'nan' is no number"),
        (["query,product_id,grade", "x,p,-1"], 2, "'-1' is no number"),
        (["query,product_id,grade", "x,p,many"], 2, "'many' is no number"),
        (["query,product_id,esci_label", "x,p,e"], 2, "'e' is none of E, S, C, I"),
        (["query,product_id,grade", "x,p,1", "x,p,2"], 3, "otherwise before"),
        (["query_id,query,product_id,grade", "1,x,p,1", "1,y,p,1"], 3, "another text"),
    ],
)
def test_a_bad_table_is_named_by_file_and_line(tmp_path: Path, lines: list[str], place: int, problem: str) -> None:
    with pytest.raises(ManifestError, match=rf"^j\.csv line {place}: ") as caught:
        read_judgments(written(tmp_path, "j.csv", *lines))
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("j.parquet", b"PAR1", r"\.jsonl, \.csv or \.tsv"),
        ("j.jsonl", b"", "holds no queries"),
        ("j.csv", b"query,product_id,grade\n", "holds no queries"),
        ("j.csv", b"", "it has none"),
        ("j.csv", b"query,product_id,grade\n\xff,p,1\n", "UTF-8"),
        ("j.csv", b"query,product_id,grade\n" + b"x" * 200_000 + b",p,1\n", "field larger"),
    ],
)
def test_a_file_that_is_no_judgments_is_refused(tmp_path: Path, name: str, content: bytes, problem: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ManifestError, match=problem):
        read_judgments(tmp_path / name)


def test_a_missing_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="No such file"):
        read_judgments(tmp_path / "j.jsonl")


@given(content=st.binary(max_size=300), suffix=st.sampled_from([".jsonl", ".csv", ".tsv"]))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes, suffix: str) -> None:
    path = tmp_path_factory.getbasetemp() / f"any{suffix}"
    path.write_bytes((b"query,product_id,grade\n" if suffix == ".csv" else b"") + content)
    with contextlib.suppress(ManifestError):
        assert read_judgments(path).queries


def test_the_judgments_of_a_drawn_catalog_are_read_whole(tmp_path: Path) -> None:
    products = make_products(SynthConfig(products=300, test_share=0.4))
    tasks = make_tasks([product for product in products if product.split == "test"], per_kind=10)
    lines = list(make_judgments(products, tasks, split="test", per_kind=10))
    judgments = read_judgments(written(tmp_path, "judgments.test.jsonl", *lines))
    assert [query.grades for query in judgments.queries] == [line["grades"] for line in lines]
    assert judgments.gain(4) == 15
    shown = {query.image: query for query in judgments.queries if query.kind == "image"}
    assert all(len(query.right) == 1 for query in shown.values())
