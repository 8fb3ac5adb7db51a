"""Ids of products in paths: any characters, `/` too, as long as they are percent-encoded."""

from __future__ import annotations

from urllib.parse import unquote

from starlette.requests import Request


def ends_with(request: Request, *words: str) -> bool:
    """Whether the path, as it was sent, ends with these segments; an encoded slash (`%2F`) separates none.

    Routes match the decoded path, in which the product `a/similar` and what is similar to `a` look alike.
    """
    raw = request.scope.get("raw_path") or request.scope["path"].encode()
    segments = raw.decode("latin-1").partition("?")[0].split("/")
    return len(segments) > len(words) and [unquote(each) for each in segments[-len(words) :]] == list(words)
