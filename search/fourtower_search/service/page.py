"""Serves the page at `/` and its files, with a content policy that runs nothing but them.

Files are addressed by a digest of all of them, so that browsers may keep them for good, and a page never runs with
the modules of another version.

Product pictures come from the service. Where it can't have them, because it knows no folder of pictures and may fetch
from no host, the page shows pictures with an https address from there; only then does the policy let it.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from fourtower_search.service.refusals import Refused
from fourtower_search.service.responding import accepts_gzip
from fourtower_search.service.routes import ServiceRoute
from fourtower_search.service.settings import ServiceSettings

FOLDER = Path(__file__).parent / "page"
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
FOREVER = "public, max-age=31536000, immutable"
ASK_FIRST = "no-cache"
_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' blob: data:",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
    "require-trusted-types-for": "'script'",
    "trusted-types": "'none'",
}


@dataclass(frozen=True, slots=True)
class PageFile:
    """A file as it is sent."""

    content: bytes
    compressed: bytes
    kind: str
    etag: str


@dataclass(frozen=True, slots=True)
class PageFiles:
    """All files of the page."""

    version: str
    """Changes with any of them."""
    files: Mapping[str, PageFile]


def page_router(settings: ServiceSettings | None = None) -> APIRouter:
    """The page and its files; whoever mounts the service's router mounts this one beside it, with the same prefix.

    Args:
        settings: those of the service; they say where product pictures come from.
    """
    known = settings or ServiceSettings()
    pictures = picture_sources(known)
    policy = content_policy(foreign_pictures="direct" in pictures)
    routes = APIRouter(route_class=ServiceRoute, include_in_schema=False)

    @routes.get("/")
    async def page(request: Request) -> Response:
        files = page_files()
        told = {"static": f"static/{files.version}", "pictures": " ".join(pictures)}
        answer = _sent(request, _filled(files.files["index.html"], tuple(told.items())), ASK_FIRST)
        answer.headers["Content-Security-Policy"] = policy
        return answer

    @routes.get("/static/{version}/{name}")
    async def file(request: Request, version: str, name: str) -> Response:
        files = page_files()
        found = files.files.get(name) if name != "index.html" else None
        if found is None:
            raise Refused("not_found", f"The page has no file {name!r:.60}.")
        # While replicas are exchanged, a page may ask for files of another version: these are as good, but not to keep.
        return _sent(request, found, FOREVER if version == files.version else ASK_FIRST)

    return routes


def picture_sources(settings: ServiceSettings) -> list[str]:
    """Where the page finds product pictures: `files` and `hosts` by way of the service, or `direct` at https hosts."""
    served = {"files": settings.image_root is not None, "hosts": bool(settings.image_hosts)}
    return [name for name, is_so in served.items() if is_so] or ["direct"]


def content_policy(*, foreign_pictures: bool) -> str:
    """What the page may load and run: its own files, and no markup or script that is made of text."""
    rules = dict(_POLICY)
    if foreign_pictures:
        rules["img-src"] += " https:"
    return "; ".join(f"{name} {sources}" for name, sources in rules.items())


@lru_cache(maxsize=1)
def page_files() -> PageFiles:
    """All files, read once."""
    found = {path.name: path.read_bytes() for path in sorted(FOLDER.iterdir()) if path.suffix in TYPES}
    total = hashlib.sha256(b"\0".join(name.encode() + b"\0" + content for name, content in found.items()))
    return PageFiles(total.hexdigest()[:16], {name: _page_file(content, name) for name, content in found.items()})


@lru_cache(maxsize=4)
def _filled(template: PageFile, values: tuple[tuple[str, str], ...]) -> PageFile:
    text = template.content.decode()
    for name, value in values:
        text = text.replace("{{" + name + "}}", value)
    return _page_file(text.encode(), "index.html")


def _page_file(content: bytes, name: str) -> PageFile:
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    return PageFile(content, gzip.compress(content, 9, mtime=0), TYPES[Path(name).suffix], etag)


def _sent(request: Request, file: PageFile, caching: str) -> Response:
    """The file, or that it has not changed; its tag is weak, as it stands for both encodings."""
    headers = {"ETag": f"W/{file.etag}", "Cache-Control": caching, "Vary": "Accept-Encoding"}
    if file.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if accepts_gzip(request.headers.get("accept-encoding", "")):
        return Response(file.compressed, headers={**headers, "Content-Encoding": "gzip"}, media_type=file.kind)
    return Response(file.content, headers=headers, media_type=file.kind)
