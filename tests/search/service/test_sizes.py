"""Pictures with more pixels than the service takes are refused, from wherever they come, before they are decoded."""

import base64
import io
import json
import re

import pytest
from fastapi import FastAPI, Response
from PIL import Image
from tests.search.service.detector_plugins import install_detectors
from tests.search.service.live import error_of, running, settings_of, stranger

from fourtower_encoders.errors import ImageRejected
from fourtower_search.service.app import create_app
from fourtower_search.service.fetchers import Fetchers
from fourtower_search.service.page import FOLDER
from fourtower_search.service.settings import PAGE_PIXELS, ServiceSettings
from fourtower_search.service.thumbnails import make_thumbnail

MOST = 2_000_000


def photo(width, height, kind="JPEG"):
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (200, 30, 30)).save(buffer, kind)
    return buffer.getvalue()


LARGE, FITTING = photo(1500, 1500), photo(2000, 1000, "PNG")


@pytest.fixture(scope="module")
def strict(served_client):
    """A service that takes few pixels."""
    with running(create_app(settings_of(max_pixels=MOST), client=served_client)) as address, stranger(address) as http:
        yield http


def as_url(data):
    return "data:image/jpeg;base64," + base64.b64encode(data).decode()


ASKED = {
    "a file": lambda http: http.post("/search", files={"image": LARGE}),
    "a data URL": lambda http: http.post("/search", json={"image": as_url(LARGE)}),
    "a part": lambda http: http.post("/search", json={"query": [{"image": as_url(LARGE)}]}),
    "facets": lambda http: http.post(
        "/facets", files={"image": LARGE}, data={"request": json.dumps({"of": ["brand"]})}
    ),
    "a batch": lambda http: http.post(
        "/search/batch",
        files={"image": LARGE},
        data={"request": json.dumps({"queries": [{"query": "a"}, {"query": [{"upload": 0}]}]})},
    ),
    "to embed": lambda http: http.post("/embed", files={"image": LARGE}),
}


@pytest.mark.parametrize("asked", ASKED.values(), ids=list(ASKED))
def test_too_many_pixels_are_refused_with_their_number(strict, asked):
    said = error_of(asked(strict), 422, "invalid_query")["message"]
    assert "Picture 1" in said
    assert "1,500x1,500 pixels, and 2,000,000 are allowed" in said


def test_what_fits_is_taken(strict):
    for content in (FITTING, photo(40, 40)):
        assert strict.post("/search", files={"image": content}).status_code == 200
    assert strict.get("/schema").json()["limits"]["max_pixels"] == MOST


def test_what_is_no_picture_is_refused_as_ever(strict):
    for content in (b"no picture", LARGE[:300]):
        said = error_of(strict.post("/search", files={"image": content}), 422, "invalid_query")["message"]
        assert "allowed" not in said


def test_a_large_picture_is_taken_where_nothing_says_otherwise(http):
    assert http.post("/search", files={"image": LARGE}).status_code == 200


def test_detectors_see_no_larger_ones(strict, tmp_path, monkeypatch):
    install_detectors(tmp_path, monkeypatch, "vivid", colourful="Colourful")
    assert "max_pixels" in error_of(strict.post("/detect", files={"image": LARGE}), 422, "invalid_query")["message"]
    assert strict.post("/detect", files={"image": photo(300, 200)}).status_code == 200


def test_no_small_picture_is_made_of_a_larger_one(served_client, drawn_catalog, tmp_path):
    (tmp_path / "large.jpg").write_bytes(LARGE)
    limits = create_app(settings_of(max_pixels=MOST), client=served_client).state.service.image_limits
    with pytest.raises(ImageRejected, match="more than max_pixels = 2000000"):
        make_thumbnail("large.jpg", 320, root=tmp_path, fetcher=None, limits=limits)
    assert make_thumbnail("large.jpg", 320, root=tmp_path, fetcher=None)


def test_fetched_pictures_are_measured_too():
    host = FastAPI()

    @host.get("/{name}")
    def picture(name: str) -> Response:
        return Response({"large": LARGE, "fitting": FITTING}[name], media_type="image/jpeg")

    with running(host) as address:
        port = int(address.rpartition(":")[2])
        hosts = {"image_hosts": ["127.0.0.1"], "image_private": ["127.0.0.0/8"], "image_ports": [port]}
        fetchers = Fetchers(settings_of(max_pixels=MOST, **hosts))
        assert fetchers.get().fetch(f"{address}/fitting") == FITTING
        with pytest.raises(ImageRejected, match="1,500x1,500 pixels, and 2,000,000 are allowed"):
            fetchers.get().fetch(f"{address}/large")
        fetchers.close()


def test_what_the_page_sends_always_fits():
    sides = re.findall(r"\b(?:SIDE|side) = (\d+)", (FOLDER / "photos.js").read_text())
    assert len(sides) == 2
    assert max(int(side) ** 2 for side in sides) <= PAGE_PIXELS


@pytest.mark.parametrize("most", [0, PAGE_PIXELS - 1, 40_000_001])
def test_the_setting_is_within_what_the_page_sends_and_what_can_be_decoded(most):
    with pytest.raises(ValueError, match="max_pixels"):
        ServiceSettings(max_pixels=most)
