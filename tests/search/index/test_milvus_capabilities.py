"""What a version of Milvus can do follows from what it calls itself; addresses and settings are read strictly."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from fourtower_search.errors import InvalidQuery, Unsupported
from fourtower_search.index.capabilities import SINCE, features_of
from fourtower_search.index.milvus.address import parse_address
from fourtower_search.index.milvus.layout import Shape, check_possible
from fourtower_search.index.settings import IndexSettings
from fourtower_search.schema import CatalogSchema

FEATURES = ("grouping", "half_vectors", "inverted", "lexical", "nullable")


def able(version):
    features = features_of(version)
    return {name for name in FEATURES if getattr(features, name)}


@pytest.mark.parametrize(
    ("version", "engine", "expected"),
    [
        ("v2.3.5-lite", "Milvus 2.3.5", set()),
        ("2.3.21", "Milvus 2.3.21", set()),
        ("v2.2.16", "Milvus 2.2.16", set()),
        ("v2.4.0-rc.1", "Milvus 2.4.0", {"grouping", "half_vectors", "inverted"}),
        ("2.4.23", "Milvus 2.4.23", {"grouping", "half_vectors", "inverted"}),
        ("v2.5.4-gpu", "Milvus 2.5.4", set(FEATURES)),
        ("2.6.15", "Milvus 2.6.15", set(FEATURES)),
        ("v2.10.1", "Milvus 2.10.1", set(FEATURES)),
        ("3.0", "Milvus 3.0.0", set(FEATURES)),
        ("milvus_lite-3.2.2", "Milvus Lite 3.2.2", {"grouping", "inverted", "lexical", "nullable"}),
        ("Milvus-Lite-v3.4.0", "Milvus Lite 3.4.0", {"grouping", "inverted", "lexical", "nullable"}),
        ("master-20240101-abcdef", "Milvus master-20240101-abcdef", set()),
        ("", "Milvus of unknown version", set()),
    ],
)
def test_a_version_says_what_is_possible(version, engine, expected):
    assert features_of(version).engine == engine
    assert able(version) == expected
    assert features_of(version).one_writer == ("Lite" in engine)


def test_the_table_names_every_feature_in_order():
    assert {since.feature for since in SINCE} == set(FEATURES)
    assert [since.version for since in SINCE] == sorted(since.version for since in SINCE)


def test_half_vectors_are_refused_where_the_server_has_none():
    shape = Shape(CatalogSchema(), 8, IndexSettings(vectors="float16"))
    check_possible(shape, features_of("2.4.0"))
    for version in ("2.3.5", "milvus_lite-3.2.2"):
        with pytest.raises(Unsupported, match="stores no float16 vectors; use float32"):
            check_possible(shape, features_of(version))


@pytest.mark.parametrize(
    ("text", "uri", "token", "database"),
    [
        ("milvus://host", "http://host:19530", "", ""),
        ("milvus://host:1234/shop", "http://host:1234", "", "shop"),
        ("milvuss://me:p%40ss@host", "https://host:19530", "me:p@ss", ""),
    ],
)
def test_a_server_is_addressed_by_url(text, uri, token, database):
    address = parse_address(text)
    assert (address.uri, address.token, address.database, address.file) == (uri, token, database, None)
    assert "p%40ss" not in address.shown


def test_a_file_is_addressed_by_its_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    address = parse_address("./products.db")
    assert address.file == tmp_path / "products.db"
    assert address == parse_address("./products.db")
    assert address.uri == parse_address(str(tmp_path / "products.db")).uri


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("http://host:8000", "SearchClient talks to"),
        ("https://me:secret@host", "https://host is the address of a Fourtower service"),
        ("redis://host", "no address of an index"),
        ("products", "no address of an index"),
        ("", "no address of an index"),
        ("milvus://", "no address of an index"),
        ("milvus://host:port", "no address"),
        ("milvus://host:1?x=1", "no address of an index"),
        ("milvus://[::1]:19530", "give the host a name"),
        ("/no/such/folder/products.db", "create it first"),
    ],
)
def test_other_addresses_are_refused_with_the_right_form(text, message):
    with pytest.raises(InvalidQuery, match=message) as caught:
        parse_address(text)
    assert "secret" not in str(caught.value)


def test_hnsw_looks_at_least_as_deep_as_hits_are_wanted():
    assert IndexSettings().search_params(10) == {"ef": 128}
    assert IndexSettings().search_params(500) == {"ef": 500}
    assert IndexSettings(search={"ef": 300}).search_params(10) == {"ef": 300}
    assert IndexSettings(type="IVF_FLAT", params={"nlist": 64}, search={"nprobe": 8}).search_params(500) == {
        "nprobe": 8
    }
    assert IndexSettings(type="FLAT").params == {}


def test_what_is_left_out_of_the_settings_is_as_usual():
    assert IndexSettings(params={"M": 8}).params == {"M": 8, "efConstruction": 300}
    assert IndexSettings(search={}).search == {"ef": 128}
    assert IndexSettings(type="IVF_FLAT").params == {"nlist": 128}
    assert IndexSettings(type="IVF_FLAT", params={"nlist": 1024}).search == {"nprobe": 32}
    assert IndexSettings(type="IVF_PQ").params == {"nlist": 128, "nbits": 8}
    assert IndexSettings(type="LATER", params={"x": 1}).params == {"x": 1}
    with pytest.raises(ValidationError, match="params"):
        IndexSettings(params="many")


def test_settings_say_whether_scores_are_exact():
    assert IndexSettings().exact_scores
    assert not IndexSettings(type="AUTOINDEX").exact_scores
    assert not IndexSettings(type="IVF_PQ").exact_scores
    assert not IndexSettings(vectors="bfloat16").exact_scores
    assert IndexSettings.model_validate_json(IndexSettings(type="FLAT").model_dump_json()) == IndexSettings(type="FLAT")
    with pytest.raises(ValidationError):
        IndexSettings(type="hnsw; drop")
