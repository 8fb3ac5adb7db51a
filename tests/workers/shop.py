"""A shop for the tests of indexing: pictures on disk and behind a host on loopback, the demo model, a memory index."""

from __future__ import annotations

import io
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
from PIL import Image

from fourtower_encoders.embedder import Embedder
from fourtower_ingest.events import Delete, Patch, Upsert
from fourtower_search.index.memory import MemoryRows
from fourtower_search.index.product_index import ProductIndex
from fourtower_search.schema import Attribute, CatalogSchema
from fourtower_workers.indexing import Indexer

SCHEMA = CatalogSchema(
    attributes={
        "price": Attribute(type="float"),
        "stock": Attribute(type="int"),
        "brand": Attribute(type="string", max_length=20),
        "sizes": Attribute(type="strings", max_items=4),
        "released": Attribute(type="time"),
    }
)


class CountingEmbedder(Embedder):
    """The real towers, and a record of what they were asked to embed."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.forget()

    def forget(self):
        self.texts, self.images, self.calls = [], [], 0

    def embed_texts(self, texts, **how):
        self.texts += texts
        self.calls += 1
        return super().embed_texts(texts, **how)

    def decoded(self, sources, **how):
        self.images += sources
        self.calls += 1
        return super().decoded(sources, **how)


class PictureHost(ThreadingHTTPServer):
    """Serves pictures that a test may exchange; without a picture it is out of order."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Answer)
        self.pictures = {}

    def url(self, path):
        return f"http://127.0.0.1:{self.server_address[1]}/{path}"


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        picture = self.server.pictures.get(self.path.strip("/"))
        self.send_response(503 if picture is None else 200)
        self.send_header("Content-Type", "image/png")
        self.send_header("Content-Length", str(len(picture or b"")))
        self.end_headers()
        self.wfile.write(picture or b"")

    def log_message(self, *_):
        pass


def png(seed):
    noise = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).resize((48, 48), Image.Resampling.BICUBIC).save(buffer, "PNG")
    return buffer.getvalue()


class Shop:
    """An indexer, its index, and shorthands for events and for what is stored."""

    def __init__(self, embedder, host, folder):
        self.embedder, self.host, self.folder = embedder, host, folder
        self.index = ProductIndex(
            MemoryRows(SCHEMA, 2 * embedder.dim), params=embedder.params, model_id=embedder.model_id
        )
        self.indexer = self.open()

    def open(self, **changes):
        settings = {"image_root": self.folder, "source": "shop.jsonl", "threads": 2} | changes
        return Indexer(self.index, self.embedder, **settings)

    def send(self, *events, **how):
        """Index events; the towers' record starts anew."""
        self.embedder.forget()
        return self.indexer.index_events(events, **how)

    def rows(self, product_id="p1"):
        """The rows of a live product, vectors included."""
        return self.index.get([product_id], vectors=True)[product_id].rows

    def halves(self, product_id="p1", view=0):
        return np.split(self.rows(product_id)[view].vector, 2)

    def text(self, text):
        return self.embedder.embed_texts([text], role="product_text")[0]

    def picture(self, name):
        return self.embedder.embed_images([self.folder / name])[0]

    @staticmethod
    def statuses(outcomes):
        return [outcome.status for outcome in outcomes]


def upsert(version, product_id="p1", **product):
    return Upsert.model_validate({"product_id": product_id, "version": version, "product": product})


def patch(version, product_id="p1", **product):
    return Patch.model_validate({"product_id": product_id, "version": version, "product": product})


def delete(version, product_id="p1"):
    return Delete(product_id=product_id, version=version)
