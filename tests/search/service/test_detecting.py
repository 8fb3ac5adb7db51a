"""Detectors: plugins that propose boxes on a photo, whatever they do."""

import io

import pytest
from PIL import Image
from tests.search.service.detector_plugins import install_detectors
from tests.search.service.live import error_of, form, named, running, settings_of, stranger

from fourtower_search.errors import InvalidQuery, Unsupported
from fourtower_search.service.app import create_app
from fourtower_search.service.detectors import Box, InstalledDetectors, proposals

MODULE = """
from fourtower_search.service.detectors import Box

class Halves:
    def __call__(self, image):
        wide, high = image.size
        return [Box(0, 0, wide / 2, high, 0.4, "left"), Box(wide / 2, 0, wide, high, 0.9, "right")]

class Fails:
    def __call__(self, image):
        raise RuntimeError("SECRET of the photo")

class Odd:
    def __call__(self, image):
        return [(0, 0, 1, 1)]

def unopened():
    raise OSError("no weights")

def turned():
    return lambda image: [Box(0, 0, *image.size, label=f"{image.size}")]
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    def put(package="halves_package", module=MODULE, **entries):
        install_detectors(tmp_path, monkeypatch, package, module, **entries)

    return put


def photo(size=(80, 40), orientation=None):
    buffer = io.BytesIO()
    exif = Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    Image.new("RGB", size, (200, 30, 30)).save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


def test_boxes_are_shares_of_the_photo_surest_first(install, http):
    install(halves="Halves")
    boxes = http.post("/detect", files={"image": photo()}).json()["boxes"]
    assert [(each["label"], each["score"]) for each in boxes] == [("right", 0.9), ("left", 0.4)]
    assert boxes[0] == {"x": 0.5, "y": 0.0, "width": 0.5, "height": 1.0, "score": 0.9, "label": "right"}


def test_detectors_see_photos_upright(install, http):
    install(turned="turned")
    lying = http.post("/detect", files={"image": photo(orientation=6)}).json()
    assert lying["boxes"][0]["label"] == "(40, 80)"


def test_all_are_listed_and_looked_for_once(install, served_client):
    install(halves="Halves", turned="turned")
    with running(create_app(settings_of(), client=served_client)) as address, stranger(address) as http:
        first = http.get("/schema").json()
        install("another_package", other="Halves")
        install("ranking_package", group="fourtower.rerankers", other_ranker="Halves")
        assert http.get("/schema").json() == first
    assert first["detectors"] == ["halves", "turned"]
    assert first["rerankers"]


def test_one_is_chosen_by_name(install, http):
    install(halves="Halves", turned="turned")
    assert len(http.post("/detect?detector=turned", files={"image": photo()}).json()["boxes"]) == 1
    error = error_of(http.post("/detect?detector=other", files={"image": photo()}), 422, "invalid_query")
    assert "halves, turned" in error["message"]


def test_without_a_detector_the_answer_says_what_brings_one(http):
    error = error_of(http.post("/detect", files={"image": photo()}), 422, "unsupported")
    assert "fourtower.detectors" in error["message"]
    assert http.get("/schema").json()["detectors"] == []


@pytest.mark.parametrize("name", ["Fails", "Odd", "unopened"])
def test_a_detector_that_misbehaves_is_named_and_gives_nothing_away(install, http, name):
    install(bad=name)
    error = error_of(http.post("/detect", files={"image": photo()}), 422, "unsupported")
    assert "'bad'" in error["message"]
    assert "SECRET" not in error["message"]


def test_what_is_no_photo_is_refused(install, http):
    install(halves="Halves")
    error_of(http.post("/detect", files={"image": b"no picture"}), 422, "invalid_query")
    error_of(http.post("/detect", json={}), 422, "invalid_query")
    body, kind = form([named("image", photo(), file="a"), named("image", photo(), file="b")])
    error_of(http.post("/detect", content=body, headers={"Content-Type": kind}), 422, "invalid_query")


def test_boxes_are_cut_to_the_photo_and_empty_ones_left_out():
    found = [
        Box(-10, -10, 50, 200, 7.0),
        Box(90, 90, 80, 95),
        Box(200, 0, 300, 50),
        Box(10, 10, 20, 20, -1.0, "x" * 99),
    ]
    cut = proposals(found, (100, 100), "d")
    assert [(each.x, each.y, each.width, each.height, each.score) for each in cut] == [
        (0.0, 0.0, 0.5, 1.0, 1.0),
        (0.1, 0.1, 0.1, 0.1, 0.0),
    ]
    assert len(cut[1].label) == 60


def test_only_the_surest_of_many_boxes_are_kept():
    found = [Box(n, 0, n + 1, 10, n / 100) for n in range(100)]
    cut = proposals(found, (100, 100), "d")
    assert len(cut) == 20
    assert cut[0].score == 0.99


@pytest.mark.parametrize(
    "wrong", [Box(float("nan"), 0, 1, 1), Box(0, 0, float("inf"), 1), Box("0", 0, 1, 1), Box(0, 0, 1, 1, 1, None), None]
)
def test_what_is_no_box_is_refused(wrong):
    with pytest.raises(Unsupported, match="Mend it"):
        proposals([wrong], (10, 10), "d")


def test_a_detector_is_opened_once_and_only_when_it_is_asked_for(install):
    install(
        "once_package",
        "opened = []\ndef detector():\n    opened.append(1)\n    return lambda image: opened and []\n",
        once="detector",
    )
    detectors, image = InstalledDetectors(), Image.new("RGB", (8, 8))
    assert detectors.names() == ["once"]
    import sys

    assert "once_package_plugin" not in sys.modules
    assert detectors.propose(image) == detectors.propose(image, "once") == []
    assert sys.modules["once_package_plugin"].opened == [1]
    with pytest.raises(InvalidQuery, match="no plugin 'two'"):
        detectors.propose(image, "two")
