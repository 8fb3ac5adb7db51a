"""A host of pictures that takes its time: `python -m benchmarks.ingest.picture_host FOLDER PORT LATENCY_MS`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path


async def serve(folder: Path, port: int, latency_s: float) -> None:
    """Answer /NUMBER.jpg with one of the folder's files, over connections that are kept open."""
    pictures = [file.read_bytes() for file in files_of(folder)]

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                request = await reader.readuntil(b"\r\n\r\n")
                await asyncio.sleep(latency_s)
                writer.write(_answer(pictures, request))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", port, backlog=1024)
    async with server:
        await server.serve_forever()


def files_of(folder: Path) -> list[Path]:
    """The pictures in the order in which numbers name them."""
    return sorted(folder.glob("*.jpg"))


def _answer(pictures: list[bytes], request: bytes) -> bytes:
    number = int(request.split(b" ", 2)[1].strip(b"/").removesuffix(b".jpg"))
    picture = pictures[number % len(pictures)]
    return b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%b" % (len(picture), picture)


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]) / 1000))
