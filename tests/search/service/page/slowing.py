"""Answers and pictures that a test holds back until something else has happened."""

from __future__ import annotations

import json

from tests.search.service.live import until

_PICTURES = """{
  const real = window.createImageBitmap;
  const waiting = [];
  window.holdPictures = () => {
    window.createImageBitmap = (...given) => new Promise((go) => waiting.push(go)).then(() => real(...given));
  };
  window.releasePictures = () => {
    window.createImageBitmap = real;
    for (const go of waiting.splice(0)) go();
  };
  window.heldPictures = () => waiting.length;
}"""


class Held:
    """Requests that wait for their answer."""

    def __init__(self, page, path, chosen=lambda asked: True, **answer):
        """Hold all requests to a path, or those whose JSON is chosen; they get this answer, or their own."""
        self._page, self._chosen, self._answer = page, chosen, answer
        self._routes = []
        page.route(f"**/{path}", self._came)

    def _came(self, route):
        self._routes.append(route) if self._chosen(_json(route.request)) else route.continue_()

    def wait(self, count=1):
        """Until so many wait."""
        until(lambda: self._page.wait_for_timeout(20) or len(self._routes) >= count)
        return self

    def release(self):
        """Let them, and all that come later, have their answers."""
        self._chosen = lambda asked: False
        for route in self._routes:
            route.fulfill(**self._answer) if self._answer else route.continue_()


def holding_pictures(visitor):
    """Let a visitor's browser open pictures only when it is told to."""
    visitor.page.add_init_script(_PICTURES)
    return visitor


def hold_pictures(visitor):
    visitor.page.evaluate("holdPictures()")


def release_pictures(visitor, count=1):
    """Open them, once so many wait."""
    visitor.page.wait_for_function(f"heldPictures() >= {count}")
    visitor.page.evaluate("releasePictures()")


def _json(request):
    """What was asked; nothing of a form, which has pictures."""
    try:
        return json.loads(request.post_data or "{}")
    except (ValueError, UnicodeDecodeError):
        return {}
