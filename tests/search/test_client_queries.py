"""What can be searched with: words, pictures, products, vectors, any mixture; on two engines, by both clients."""

import numpy as np
import pytest
from PIL import Image as Pillow
from tests.search.sdk import ids

from fourtower_encoders.joint import Weights
from fourtower_search import F, Image, Product, Text, Vector
from fourtower_search.query.words import MINUS_WEIGHT


@pytest.fixture(scope="module")
def photo(drawn_catalog):
    """The catalog's first picture of its first product."""
    return drawn_catalog / "images" / "p7-000000-0.jpg"


def test_words_find_what_they_name(client):
    result = client.search("mug", limit=5)
    assert [hit.attributes["category"] for hit in result] == ["mug"] * 5
    assert [hit.score for hit in result] == sorted((hit.score for hit in result), reverse=True)
    assert all(0 <= hit.relevance <= 1 for hit in result)
    assert result.total >= 5
    assert result.timings_ms["encode"] > 0
    assert result.timings_ms["retrieve"] > 0


def test_a_hit_is_the_product_as_it_was_indexed(client):
    hit = next(hit for hit in client.search("oak stool", limit=100) if hit.product_id == "stool")
    assert (hit.title, hit.description, hit.version) == ("Oak stool <b>bold</b>", "Made by hand.", 3)
    assert (hit.images, hit.image, hit.group_id) == ((), None, None)
    assert hit.attributes["material"] == "oak"
    assert hit.attributes["tags"] == ["oak", "sale"]
    assert hit.attributes["released"].isoformat() == "2026-05-01T12:00:00+00:00"


def test_a_picture_finds_its_product_whatever_it_is_given_as(client, photo):
    with Pillow.open(photo) as opened:
        opened.load()
        given = [photo, str(photo), photo.read_bytes(), opened, [photo, photo]]
        found = [ids(client.search(image=each, limit=5)) for each in given]
    assert found[0][0] == "p7-000000"
    assert found == [found[0]] * len(given)


def test_the_view_that_fits_best_is_shown(client, drawn_catalog):
    hit = client.search(image=drawn_catalog / "images" / "p7-000000-1.jpg", limit=1)[0]
    assert (hit.product_id, hit.image) == ("p7-000000", "images/p7-000000-1.jpg")


def test_a_picture_and_words_are_one_query(client, photo):
    mixed = client.search("lamp", image=photo, limit=10)
    assert ids(mixed) == ids(client.search(text="lamp", image=photo, limit=10))
    assert ids(mixed) == ids(client.search([Image(photo), "lamp"], limit=10))
    alone = client.search(image=photo, limit=10)
    assert _share(mixed, "lamp") > _share(alone, "lamp")


def _share(result, category):
    return np.mean([hit.attributes["category"] == category for hit in result])


def test_minus_words_move_away(client):
    plain, without = (client.search(words, limit=100) for words in ("mug", "mug -dotted"))
    assert _place_of_dots(without) > _place_of_dots(plain) + 3
    assert without[0].attributes["category"] == "mug"
    assert ids(without) == ids(client.search([Text("mug"), Text("dotted", MINUS_WEIGHT)], limit=100))


def _place_of_dots(result):
    """Mean place of the dotted ones among the mugs."""
    mugs = [hit for hit in result if hit.attributes["category"] == "mug"]
    return np.mean([place for place, hit in enumerate(mugs) if hit.attributes["pattern"] == "dots"])


def test_a_product_part_finds_it_and_its_like(client):
    assert client.search(Product("p7-000001"), mode="vector")[0].product_id == "p7-000001"


def test_a_vector_part_takes_the_place_of_what_it_was_embedded_from(client, photo):
    embedded = client.embed(texts=["red mug"], images=[photo])
    by_words = client.search("red mug", mode="vector", limit=5)
    assert ids(client.search(Vector(embedded["texts"][0], modality="text"), limit=5)) == ids(by_words)
    assert ids(client.search(Vector(embedded["images"][0] * 7), limit=5)) == ids(client.search(image=photo, limit=5))


def test_embeddings_are_unit_rows_in_order(client):
    embedded = client.embed(texts=["mug", "lamp", "mug"])
    assert embedded["images"].shape == (0, 128)
    np.testing.assert_allclose(np.linalg.norm(embedded["texts"], axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(embedded["texts"][0], embedded["texts"][2])
    assert not np.allclose(embedded["texts"][0], embedded["texts"][1])


def test_only_the_ratio_of_part_weights_counts(client):
    one = client.search([Text("mug", 1), Text("striped", 0.5)], mode="vector")
    ten = client.search([Text("mug", 10), Text("striped", 5)], mode="vector")
    assert ids(one) == ids(ten)
    assert ids(one) != ids(client.search([Text("mug", 0.5), Text("striped", 1)], mode="vector"))


def test_the_four_weights_can_be_chosen_for_a_query(client, photo):
    """With one weight alone, the vector score is that cosine alone."""
    for weights, label in (
        (Weights(ii=1, it=0, ti=0, tt=0), "query_image · product_image"),
        (Weights(ii=0, it=1, ti=0, tt=0), "query_image · product_text"),
    ):
        raw = client.search(image=photo, weights=weights, explain=True, limit=1)[0].explanation.children[0]
        (term,) = raw.children
        cosine = next(each.children[1].value for each in term.children if each.label.startswith(label))
        assert (raw.label, raw.value) == ("vector score", pytest.approx(cosine))


def test_the_share_of_pictures_can_be_chosen(client, photo):
    only_words = client.search("lamp", image=photo, image_amount=0.0, mode="vector")
    only_photo = client.search("lamp", image=photo, image_amount=1.0, mode="vector")
    assert ids(only_words) == ids(client.search("lamp", mode="vector"))
    assert ids(only_photo) == ids(client.search(image=photo))


def test_parts_may_come_as_json(client):
    assert ids(client.search([{"text": "mug", "weight": 1.0}])) == ids(client.search(Text("mug")))


def test_similar_leaves_the_product_itself_out(client):
    everything = client.search(Product("p7-000001"), mode="vector", limit=6)
    assert ids(client.similar("p7-000001", limit=5)) == ids(everything)[1:]
    cheap = client.similar("p7-000001", where="price < 20")
    assert "p7-000001" not in ids(cheap)
    assert max(hit.attributes["price"] for hit in cheap) < 20
    assert ids(cheap) == ids(client.similar("p7-000001", where=F.price < 20))


def test_many_queries_are_answered_as_single_ones_are(client, photo):
    queries = [
        "red mug",
        {"query": "lamp", "where": "price < 40", "limit": 3},
        {"image": photo, "text": "vase"},
        [Text("mug"), Text("dots", -0.5)],
        {"query": Product("p7-000003"), "sort": "-price"},
    ]
    many = client.search_many(queries, limit=5)
    single = [
        client.search("red mug", limit=5),
        client.search("lamp", where="price < 40", limit=3),
        client.search(image=photo, text="vase", limit=5),
        client.search([Text("mug"), Text("dots", -0.5)], limit=5),
        client.search(Product("p7-000003"), sort="-price", limit=5),
    ]
    assert list(map(ids, many)) == list(map(ids, single))
    assert [[hit.score for hit in result] for result in many] == [
        pytest.approx([hit.score for hit in result], abs=1e-5) for result in single
    ]
    assert client.search_many([]) == []
