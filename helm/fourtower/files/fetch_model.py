"""Downloads a model's archive, compares its hash, and unpacks it: fetch_model.py URL SHA256 FOLDER."""

import hashlib
import os
import shutil
import signal
import ssl
import sys
import tarfile
import urllib.request
from pathlib import Path
from typing import Any
from urllib.request import Request

import certifi

TIMEOUT_S = 60
PIECE = 1 << 20


class NoRedirectFromTls(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but not from https to http, and takes the token nowhere else."""

    def redirect_request(self, request: Request, *answer: Any) -> Request | None:
        """The next request."""
        following = super().redirect_request(request, *answer)
        if following is not None:
            if request.type == "https" and following.type != "https":
                raise SystemExit(f"{request.host} redirects to an address without TLS; name another one.")
            if following.host != request.host:
                following.remove_header("Authorization")
        return following


def download(url: str, target: Path) -> str:
    """Fetch it into a file, and return its hash."""
    tls = ssl.create_default_context(cafile=os.environ.get("SSL_CERT_FILE") or certifi.where())
    opener = urllib.request.build_opener(NoRedirectFromTls, urllib.request.HTTPSHandler(context=tls))
    request = Request(url)  # noqa: S310  the chart lets only http and https through
    if token := os.environ.get("MODEL_TOKEN"):
        request.add_header("Authorization", f"Bearer {token}")
    digest = hashlib.sha256()
    with opener.open(request, timeout=TIMEOUT_S) as answer, target.open("wb") as file:
        while piece := answer.read(PIECE):
            digest.update(piece)
            file.write(piece)
    return digest.hexdigest()


def unpack(archive: Path, folder: Path) -> None:
    """Unpack into an empty folder; a single folder at the top of the archive is left out."""
    try:
        with tarfile.open(archive) as content:
            content.extractall(folder, filter="data")
    except tarfile.TarError as error:
        raise SystemExit(f"The archive can't be unpacked: {error}.") from error
    inner = list(folder.iterdir())
    if len(inner) == 1 and inner[0].is_dir():
        for each in list(inner[0].iterdir()):
            each.rename(folder / each.name)
        inner[0].rmdir()
    if not (folder / "model.json").is_file():
        raise SystemExit("The archive holds no checkpoint: there is no model.json at its top.")


def main(url: str, sha256: str, target: str) -> None:
    """Leave the model in the target folder; what was there is replaced unless it is this model."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # to the first process of a container it means nothing else
    folder, place = Path(target), Path(target) / ".fetching"
    marker = folder / ".sha256"
    if marker.is_file() and marker.read_text() == sha256:
        print("The model is there.")
        return
    for each in list(folder.iterdir()):
        shutil.rmtree(each) if each.is_dir() else each.unlink()
    place.mkdir()
    shown = url.partition("?")[0]
    try:
        found = download(url, place / "archive")
    except OSError as error:
        raise SystemExit(f"The model can't be fetched from {shown}: {error}.") from error
    if found != sha256:
        raise SystemExit(f"{shown} has the sha256 {found}, and {sha256} was expected; nothing was unpacked.")
    (place / "unpacked").mkdir()
    unpack(place / "archive", place / "unpacked")
    for each in (place / "unpacked").iterdir():
        each.rename(folder / each.name)
    shutil.rmtree(place)
    marker.write_text(sha256)
    print(f"The model was fetched from {shown}.")


main(*sys.argv[1:])
