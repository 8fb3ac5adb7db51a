"""Product pictures: made small and safely from wherever the catalog says, looked up together, kept by browsers."""

import asyncio
import base64
import io
from types import SimpleNamespace

import pytest
from fastapi import FastAPI, Response
from PIL import Image
from tests.search.sdk import event, memory_index
from tests.search.service.live import error_of, running, settings_of, stranger

from fourtower_encoders.errors import ImageRejected
from fourtower_ingest.parsing import parse_event
from fourtower_search.client import SearchClient
from fourtower_search.service.admission import Admission
from fourtower_search.service.app import create_app
from fourtower_search.service.fetchers import Fetchers
from fourtower_search.service.pictures import KnownPictures
from fourtower_search.service.thumbnails import Thumbnails, make_thumbnail, rounded_side
from fourtower_workers.indexing import Indexer


def jpeg(size=(900, 600), colour=(10, 120, 90)):
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "JPEG")
    return buffer.getvalue()


DATA = f"data:image/jpeg;base64,{base64.b64encode(jpeg()).decode()}"
PRODUCTS = {
    "file": ["images/a.jpg", "images/gone.jpg"],
    "out": ["images/link.jpg"],
    "data": [DATA],
    "far": ["https://pictures.example/a.jpg"],
    "none": [],
    "a/images/0": ["images/a.jpg"],
    "a/b c?#%": ["images/a.jpg"],
    "broken": ["images/broken.jpg"],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "root" / "images").mkdir(parents=True)
    (folder / "root" / "images" / "a.jpg").write_bytes(jpeg())
    (folder / "root" / "images" / "broken.jpg").write_bytes(jpeg()[:300])
    (folder / "secret.jpg").write_bytes(jpeg())
    (folder / "root" / "images" / "link.jpg").symlink_to(folder / "secret.jpg")
    return folder / "root"


@pytest.fixture(scope="module")
def shelf(folder, drawn_catalog, demo_embedder):
    """Products whose pictures lie in all kinds of places."""
    with memory_index(drawn_catalog, demo_embedder) as index:
        events = [
            event(name, title=name, images=[{"url": url} for url in urls], attributes={"category": "mug"})
            for name, urls in PRODUCTS.items()
        ]
        Indexer(index, demo_embedder, image_root=folder).index_events([parse_event(each) for each in events])
        with SearchClient(index, model=demo_embedder) as client:
            yield client


@pytest.fixture(scope="module")
def picture_host():
    """A host that has one picture."""
    app = FastAPI()
    app.get("/a.jpg")(lambda: Response(jpeg(), media_type="image/jpeg"))
    with running(app) as address:
        yield address


@pytest.fixture(scope="module")
def guest(shelf, folder):
    with running(create_app(settings_of(image_root=folder), client=shelf)) as address, stranger(address) as http:
        yield http


def shown(response):
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "image/webp"
    assert response.headers["x-content-type-options"] == "nosniff"
    return Image.open(io.BytesIO(response.content))


def test_a_picture_is_made_small(guest):
    assert shown(guest.get("/products/file/images/0")).size == (320, 213)
    assert shown(guest.get("/products/file/images/0?side=960")).size == (900, 600)
    assert shown(guest.get("/products/file/images/0?side=100")).size == (160, 107)


def test_only_a_few_sizes_are_made():
    assert [rounded_side(side) for side in (1, 160, 161, 481, 960)] == [160, 160, 320, 640, 960]


@pytest.mark.parametrize("path", ["a%2Fimages%2F0/images/0", "a%2Fb%20c%3F%23%25/images/0"])
def test_ids_hold_any_characters(guest, path):
    shown(guest.get(f"/products/{path}"))


def test_an_id_that_ends_like_a_picture_is_still_a_product(guest):
    assert guest.get("/products/a%2Fimages%2F0").json()["product"]["product_id"] == "a/images/0"


def test_browsers_keep_pictures_and_ask_whether_they_changed(guest):
    first = guest.get("/products/file/images/0?version=1")
    assert first.headers["cache-control"] == "private, max-age=86400"
    again = guest.get("/products/file/images/0?version=1", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert guest.get("/products/file/images/0").headers["cache-control"] == "private, max-age=300"


@pytest.mark.parametrize(
    ("path", "code", "words"),
    [
        ("nobody/images/0", "unknown_product", "no product 'nobody'"),
        ("none/images/0", "not_found", "it has none"),
        ("file/images/2", "not_found", "it has 2, counted from 0"),
        ("file/images/-1", "not_found", "has no picture '-1'"),
        ("file/images/x", "not_found", "has no picture 'x'"),
        ("file/images/99999999999999999999", "not_found", "has no picture"),
        ("file/images/1", "not_found", "can't be shown"),
        ("out/images/0", "not_found", "leads out of the image root"),
        ("broken/images/0", "not_found", "cut off"),
        ("data/images/0", "not_found", "sent it inline"),
        ("far/images/0", "not_found", "fetching is off"),
    ],
)
def test_what_there_is_not_is_said_in_the_one_shape(guest, path, code, words):
    assert words in error_of(guest.get(f"/products/{path}"), 404, code)["message"]


@pytest.mark.parametrize("query", ["side=0", "side=961", "side=x", "size=3"])
def test_sizes_are_bounded(guest, query):
    error_of(guest.get(f"/products/file/images/0?{query}"), 422, "invalid_request")


def test_without_a_folder_no_file_of_the_machine_is_read(folder):
    with pytest.raises(ImageRejected, match="image_root"):
        make_thumbnail(str(folder / "images" / "a.jpg"), 160, root=None, fetcher=None)
    assert make_thumbnail(DATA, 160, root=None, fetcher=None)[:4] == b"RIFF"


def test_only_hosts_that_are_allowed_are_asked(picture_host):
    port = int(picture_host.rpartition(":")[2])
    allowed = settings_of(image_hosts=["127.0.0.1"], image_private=["127.0.0.0/8"], image_ports=[port])
    fetchers = Fetchers(allowed)
    made = make_thumbnail(f"{picture_host}/a.jpg", 160, root=None, fetcher=fetchers.get())
    assert Image.open(io.BytesIO(made)).size == (160, 107)
    with pytest.raises(ImageRejected, match=r"other\.example"):
        make_thumbnail("https://other.example/a.jpg", 160, root=None, fetcher=fetchers.get())
    assert fetchers.get() is fetchers.get(), "connections are kept, and what is known of slow hosts"
    fetchers.close()
    assert Fetchers(settings_of()).get() is None


def test_memory_for_pictures_is_bounded_and_forgets():
    now = SimpleNamespace(s=0.0)
    kept = Thumbnails(most_bytes=100, clock=lambda: now.s)
    for name in "abc":
        kept.put(name, 160, name.encode() * 40)
    assert kept.get("a", 160) is None, "the oldest made room"
    assert kept.get("b", 160).content == b"b" * 40
    assert kept.get("b", 320) is None
    kept.put("d", 160, b"d" * 40)
    assert kept.get("c", 160) is None, "b was asked for since"
    assert kept.put("b", 160, b"new").content == b"new"
    now.s = 601.0
    assert kept.get("b", 160) is None, "a file may get another content"
    kept.put("whole", 160, b"x" * 100)
    assert kept.get("d", 160) is None


class Counting:
    """A client that notes which products were looked up together."""

    def __init__(self, client):
        self._client, self.asked = client, []

    def get_many(self, ids, *, timeout_s):
        self.asked.append(sorted(ids))
        return self._client.get_many(ids, timeout_s=timeout_s)


def test_pictures_that_are_asked_for_together_are_looked_up_together(shelf):
    client, now = Counting(shelf), SimpleNamespace(s=0.0)
    admission = Admission(client, threads=1, waiting=8, batch=4)
    service = SimpleNamespace(client=client, admission=admission, settings=settings_of())

    async def ask(known, *names):
        return await asyncio.gather(*(known.of(service, name) for name in names))

    async def visit():
        known = KnownPictures(clock=lambda: now.s)
        assert await ask(known, "file", "none", "nobody", "file") == [
            tuple(PRODUCTS["file"]), (), None, tuple(PRODUCTS["file"]),
        ]  # fmt: skip
        assert await ask(known, "file", "none") == [tuple(PRODUCTS["file"]), ()]
        now.s = 31.0
        await ask(known, "file")

    asyncio.run(visit())
    admission.close(5.0)
    assert client.asked == [["file", "nobody", "none"], ["file"]]
