"""A visitor of the page: a real browser, and what somebody does with it."""

from __future__ import annotations

import base64
import io
import math
import re

from PIL import Image
from playwright.sync_api import expect

WAIT_MS = 60_000
DESK = {"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce"}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "device_scale_factor": 1}
_FAILED = re.compile(r"Failed to load resource")


class Visitor:
    """Somebody in front of a page, without animations by default; what goes wrong in the browser is noted."""

    def __init__(self, browser, address, **settings):
        self.address = address
        self.context = browser.new_context(**{**DESK, **settings})
        self.context.set_default_timeout(WAIT_MS)
        self.page = self.context.new_page()
        self.complaints, self.strangers, self.refusals = [], [], []
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._request)
        self.page.on("requestfailed", lambda request: self.refusals.append(f"{request.failure}: {_line(request)}"))
        self.page.on("response", self._response)

    def _console(self, message):
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.text} {message.location.get('url', '')}")

    def _request(self, request):
        if not request.url.startswith((self.address, "blob:", "data:")):
            self.strangers.append(request.url)

    def _response(self, response):
        if response.status >= 400:
            self.refusals.append(f"{response.status}: {_line(response.request)}")

    @property
    def own_complaints(self):
        """Without those of answers that were meant to fail."""
        return [each for each in self.complaints if not _FAILED.search(each)]

    def go(self, path=""):
        """Open the page and wait for products."""
        self.page.goto(f"{self.address}/{path}")
        self.settle()
        return self

    def settle(self):
        """Until what was asked for is there."""
        busy = self.page.locator("#grid[aria-busy], .skeleton")
        expect(busy).to_have_count(0)

    def say(self, words):
        """Type words and search."""
        field = self.page.get_by_label("What are you looking for?")
        field.fill("")
        field.press_sequentially(words)
        field.press("Enter")
        self.settle()

    def drop(self, *files):
        """Drop files, `(name, bytes)`, onto the page."""
        known = self.page.locator(".part-photo").count()
        given = [[name, base64.b64encode(content).decode()] for name, content in files]
        transfer = self.page.evaluate_handle(_TRANSFER, given)
        for kind in ("dragenter", "dragover", "drop"):
            self.page.dispatch_event("body", kind, {"dataTransfer": transfer})
        return known

    def show(self, *photos):
        """Drop photos and wait for the results."""
        known = self.drop(*((f"photo-{n}.jpg", photo) for n, photo in enumerate(photos)))
        expect(self.page.locator(".part-photo")).to_have_count(known + len(photos))
        self.settle()

    def scroll_on(self):
        """To the end of what is shown, until there is more or nothing more comes."""
        shown = self.page.locator(".card:not(.skeleton)")
        count = shown.count()
        self.page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
        until = self.page.locator(f".card:not(.skeleton):nth-child({count + 1}), #more[hidden]")
        expect(until.first).to_be_attached()
        self.settle()

    def cards(self):
        """Ids of the shown products."""
        return [each.get_attribute("data-id") for each in self.page.locator(".card").all()]

    def heading(self):
        """What is said above the results."""
        return self.page.locator("#results-title").inner_text()

    def facts(self, path, body):
        """What the service itself says, asked from the page."""
        return self.page.evaluate(_ASK, [path, body])

    def bars(self):
        """The points of an open explanation."""
        expect(self.page.locator(".adds-up")).to_be_visible()
        return [float(each.get_attribute("data-points")) for each in self.page.locator(".why-row").all()]


_TRANSFER = """(files) => {
  const transfer = new DataTransfer();
  for (const [name, content] of files) {
    const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
    const type = name.endsWith(".txt") ? "text/plain" : "image/jpeg";
    transfer.items.add(new File([bytes], name, { type }));
  }
  return transfer;
}"""
_ASK = """async ([path, body]) => {
  const headers = { "Content-Type": "application/json" };
  const options = body ? { method: "POST", headers, body: JSON.stringify(body) } : {};
  return await (await fetch(path, options)).json();
}"""


def _line(request):
    return f"{request.method} {request.url}"


def at_rest(locator):
    """Where an element lies once it has come to rest."""
    locator.element_handle().wait_for_element_state("stable")
    return locator.bounding_box()


def logistic(points):
    """From points to relevance."""
    return 1 / (1 + math.exp(-points))


def jpeg(size, colour, *, orientation=None, mark=None):
    """A photo of one colour, with a `mark` (box, colour), as a camera would store it."""
    image = Image.new("RGB", size, colour)
    if mark is not None:
        box, other = mark
        image.paste(other, box)
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=92, exif=exif)
    return buffer.getvalue()
