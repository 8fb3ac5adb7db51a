"""The service finds what the SDK finds, in whatever form it is asked."""

import base64
import json

import pytest
from tests.search.sdk import ids
from tests.search.service.live import error_of, form, named, stranger

from fourtower_search import FacetRequest, Image, Product, Text
from fourtower_search.query.sugar import SearchOptions
from fourtower_search.service.bodies import QueryBody, SearchBody
from fourtower_search.wire.results import facet_form, hit_form


def found(http, **body):
    response = http.post("/search", json=body)
    assert response.status_code == 200, response.text
    return response.json()


def listed(answer):
    return [hit["product_id"] for hit in answer["hits"]]


def asked(result):
    """The hits of the SDK as JSON, through JSON."""
    return json.loads(json.dumps([hit_form(hit) for hit in result]))


CASES = {
    "words": ({"query": "red mug"}, {}),
    "minus-words": ({"query": "mug -striped"}, {}),
    "text beside it": ({"query": "mug", "text": "red"}, {}),
    "filter as text": ({"query": "mug", "where": "price < 40"}, {}),
    "filter as JSON": ({"query": "mug", "where": {"must": [{"field": "price", "lt": 40}]}}, {}),
    "sorted": ({"query": "mug", "sort": "-price", "limit": 5}, {}),
    "sorted, at length": ({"query": "mug", "sort": {"attribute": "price", "direction": "asc"}}, {}),
    "cut": ({"query": "mug", "min_relevance": 0.2}, {}),
    "cut, at length": ({"query": "mug", "cut": {"of_best": 0.5}}, {}),
    "groups": ({"query": "mug", "collapse": "group", "pick": "cheapest"}, {}),
    "modes": ({"query": "mug", "mode": "hybrid", "fusion": "rrf"}, {}),
    "diverse": ({"query": "mug", "diversity": 0.7, "depth": 50, "limit": 8}, {}),
    "explained": ({"query": "mug", "explain": True, "limit": 3}, {}),
    "weights": ({"query": "mug", "weights": {"ii": 1.0, "it": 0.1, "ti": 0.1, "tt": 1.0}}, {}),
    "boosts": ({"query": "mug", "boosts": [{"kind": "saturation", "attribute": "rating", "pivot": 3}]}, {}),
}


@pytest.mark.parametrize("body", [case[0] for case in CASES.values()], ids=list(CASES))
def test_what_is_found_is_what_the_sdk_finds(http, served_client, body):
    options = {**body}
    if "boosts" in body:
        options["boosts"] = SearchBody.model_validate_json(json.dumps(body)).boosts
    answer = found(http, **body)
    result = served_client.search(options.pop("query"), **options)
    assert answer["hits"] == asked(result)
    assert answer["hits"]
    assert answer["total"] == result.total
    assert answer["generation"] == result.generation
    assert len(answer["search_id"]) == 32


def test_the_body_knows_every_option_of_the_sdk_and_no_other():
    own = set(SearchBody.model_fields) - {"query", "text", "image"}
    assert own == set(SearchOptions.__annotations__)
    assert set(SearchBody.model_fields) - set(QueryBody.model_fields) == {"facets"}


def test_a_picture_is_sent_as_a_file(http, served_client, photo):
    expected = ids(served_client.search(image=photo))
    assert listed(http.post("/search", files={"image": photo}).json()) == expected
    as_url = "data:image/jpeg;base64," + base64.b64encode(photo).decode()
    assert listed(found(http, image=as_url)) == expected
    assert listed(found(http, query=[{"image": as_url}])) == expected


def test_what_a_file_is_its_bytes_decide_and_not_what_it_is_called(http, photo):
    response = http.post("/search", files={"image": ("not-a-picture.exe", photo, "text/x-script")})
    assert response.status_code == 200


def test_a_form_has_options_as_fields(http, served_client, photo):
    data = {"text": "blue", "limit": "3", "where": "price < 60", "explain": "true"}
    answer = http.post("/search", files={"image": photo}, data=data).json()
    result = served_client.search(image=photo, text="blue", limit=3, where="price < 60", explain=True)
    assert answer["hits"] == asked(result)


def test_a_form_has_weighted_parts_that_name_its_files(http, served_client, photo):
    some_id = listed(found(http, query="stool"))[0]
    request = {
        "query": [{"upload": 1, "weight": 2.0}, {"upload": 0, "weight": -0.5}, {"product": some_id}, "blue -dots"],
        "limit": 4,
    }
    other = http.get("/products/" + some_id)
    assert other.status_code == 200
    files = [("image", photo), ("image", photo)]
    answer = http.post("/search", files=files, data={"request": json.dumps(request)}).json()
    parts = [Image(photo, 2.0), Image(photo, -0.5), Product(some_id), "blue -dots"]
    assert listed(answer) == ids(served_client.search(parts, limit=4))


def test_files_that_no_part_names_count_as_parts(http, served_client, photo):
    data = {"request": json.dumps({"query": [{"text": "blue", "weight": 0.4}]})}
    answer = http.post("/search", files={"image": photo}, data=data).json()
    assert listed(answer) == ids(served_client.search([Text("blue", 0.4), Image(photo)]))


def test_a_form_without_files_is_fine_too(http, served_client):
    body, kind = form([named("query", b"red mug"), named("limit", b"2")])
    answer = http.post("/search", content=body, headers={"Content-Type": kind}).json()
    assert listed(answer) == ids(served_client.search("red mug", limit=2))


def test_pages_continue_by_cursor(http):
    query = {"query": "mug", "limit": 4}
    first = found(http, **query)
    second = found(http, **query, cursor=first["next_cursor"])
    whole = found(http, query="mug", limit=8)
    assert listed(first) + listed(second) == listed(whole)
    error_of(http.post("/search", json={"query": "bag", "cursor": first["next_cursor"]}), 422, "invalid_query")
    error_of(http.post("/search", json={**query, "cursor": first["next_cursor"][:-4] + "AAAA"}), 422, "invalid_query")


def test_a_batch_answers_each_query(http, served_client, photo):
    queries = [{"query": "red mug", "limit": 2}, {"query": [{"upload": 0}], "limit": 3}, {"text": "stool"}]
    response = http.post("/search/batch", files={"image": photo}, data={"request": json.dumps({"queries": queries})})
    results = response.json()["results"]
    expected = served_client.search_many(["red mug"], limit=2)[0], served_client.search(image=photo, limit=3)
    assert [listed(each) for each in results[:2]] == [ids(each) for each in expected]
    assert len({each["search_id"] for each in results}) == 3
    assert response.json()["generation"] == served_client.generation


def test_an_error_in_a_batch_is_an_error_of_all(http):
    queries = [{"query": "mug"}, {"query": "mug", "sort": "prise"}]
    error = error_of(http.post("/search/batch", json={"queries": queries}), 422, "invalid_query")
    assert "prise" in error["message"]


def test_facets_come_with_a_search_or_alone(http, served_client):
    wanted = ["brand", {"attribute": "price", "edges": [10.0, 30.0]}]
    with_hits = found(http, query="mug", facets=wanted, depth=500)
    alone = http.post("/facets", json={"query": "mug", "of": wanted}).json()
    asked_for = ["brand", FacetRequest(attribute="price", edges=(10.0, 30.0))]
    expected = {name: facet_form(each) for name, each in served_client.facets("mug", of=asked_for).items()}
    assert with_hits["facets"] == alone["facets"] == json.loads(json.dumps(expected))
    assert alone["total"] == with_hits["total"]


def test_embeddings_are_those_of_the_sdk(http, served_client, photo):
    data = {"request": json.dumps({"texts": ["red mug", "oak stool"]})}
    answer = http.post("/embed", files={"image": photo}, data=data).json()
    expected = served_client.embed(texts=["red mug", "oak stool"], images=[photo])
    assert answer["texts"] == expected["texts"].tolist()
    assert answer["images"] == expected["images"].tolist()
    assert (answer["dim"], answer["generation"]) == (expected["texts"].shape[1], served_client.generation)
    empty = http.post("/embed", json={}).json()
    assert (empty["texts"], empty["images"]) == ([], [])


def test_an_answer_says_how_long_each_stage_took(http):
    response = http.post("/search", json={"query": "mug"})
    timing = response.headers["server-timing"]
    said = {each.partition(";")[0].strip() for each in timing.split(",")}
    assert said == set(response.json()["timings_ms"])
    assert "retrieve" in said


def test_large_answers_are_compressed_for_those_who_read_that(address):
    with stranger(address) as http:
        body = {"query": "mug", "limit": 20}
        plain = http.post("/search", json=body, headers={"Accept-Encoding": "identity"})
        packed = http.post("/search", json=body, headers={"Accept-Encoding": "br, gzip;q=0.5"})
        refused = http.post("/search", json=body, headers={"Accept-Encoding": "gzip;q=0"})
        small = http.post("/products/count", json={}, headers={"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) / 2
    assert packed.json()["hits"] == plain.json()["hits"]
    for response in (plain, refused, small):
        assert "content-encoding" not in response.headers
        assert "Accept-Encoding" in response.headers["vary"]


def test_nothing_of_the_servers_own_files_can_be_read(http, drawn_catalog):
    path = str(sorted((drawn_catalog / "street").iterdir())[0])
    for body in ({"image": path}, {"image": "file://" + path}, {"query": [{"image": path}]}, {"image": [path]}):
        assert path[:20] in error_of(http.post("/search", json=body), 422, "invalid_query")["message"]
    error_of(http.post("/embed", json={"images": [path]}), 422, "invalid_query")


def test_pictures_are_not_fetched_unless_hosts_are_named(http):
    error = error_of(http.post("/search", json={"image": "https://shop.example/a.jpg"}), 422, "invalid_query")
    assert "not fetched" in error["message"]
