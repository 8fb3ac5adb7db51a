"""The processes that are compared, each with one core to itself: the SDK, the service, and whoever calls the service.

`python -m benchmarks.service.sides sdk|service|callers` is one of them; each takes orders as lines of JSON.
"""

from __future__ import annotations

import itertools
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from benchmarks.cores import pin
from benchmarks.service.callers import bodies, by_plan, one_after_another
from benchmarks.service.percentiles import Seen
from benchmarks.service.settings import Kind

ROOT = Path(__file__).parents[2]


class Side:
    """One process; what it is told to do it does, and answers with what it saw."""

    def __init__(self, role: str, core: int, **facts: Any) -> None:
        command = [sys.executable, "-m", "benchmarks.service.sides", role, str(core), json.dumps(facts)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            self.ready = self._answer()
        except BaseException:
            self.close()
            raise

    def tell(self, **order: Any) -> dict[str, Any]:
        """Have something done."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        """End it; without orders each ends by itself."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=60)
        finally:
            self._process.kill()
            assert self._process.stdout is not None
            self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"A side of the benchmark ended with {self._process.wait()}; its reason stands above.")
        found: dict[str, Any] = json.loads(line)
        return found


def _sdk(facts: Mapping[str, Any]) -> None:
    """Clients are threads that share one `SearchClient`."""
    from fourtower_search import SearchClient

    with SearchClient(facts["db"], model="demo", cache_bytes=0) as client:
        _say(ready=True)
        for order in _orders():
            asked: Sequence[str] = facts["queries"][order["kind"]]
            arguments = [_arguments(order["kind"], query) for query in asked]
            _say(**_ask_client(client, arguments, clients=order["clients"], seconds=order["seconds"]).to_dict())


def _arguments(kind: Kind, query: str) -> dict[str, Any]:
    return {"text": query} if kind == "text" else {"image": Path(query).read_bytes()}


def _ask_client(client: Any, asked: Sequence[dict[str, Any]], *, clients: int, seconds: float) -> Seen:
    turn, seen = itertools.count(), Seen(seconds)
    end = time.perf_counter() + seconds

    def call() -> None:
        while (began := time.perf_counter()) < end:
            assert client.search(**asked[next(turn) % len(asked)]).hits
            seen.answered_s.append(time.perf_counter() - began)

    threads = [threading.Thread(target=call, daemon=True) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seen


def _service(facts: Mapping[str, Any]) -> None:
    """The service as `fourtower serve` runs it, on a port that is free."""
    import uvicorn

    from fourtower_search import SearchClient
    from fourtower_search.service.app import create_app
    from fourtower_search.service.settings import ServiceSettings

    client = SearchClient(facts["db"], model="demo", cache_bytes=0)
    app = create_app(ServiceSettings(batch=facts["batch"], page=False), client=client)
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    _say(port=listener.getsockname()[1])
    for _ in _orders():
        pass
    server.should_exit = True
    thread.join(30)
    client.close()


def _callers(facts: Mapping[str, Any]) -> None:
    ready = {kind: bodies(kind, queries) for kind, queries in facts["queries"].items()}
    _say(ready=True)
    for order in _orders():
        asked = ready[order.pop("kind")]
        call = by_plan if "per_s" in order else one_after_another
        _say(**call(order.pop("port"), asked, **order).to_dict())


def _orders() -> Any:
    return map(json.loads, sys.stdin)


def _say(**facts: Any) -> None:
    print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    role, core, facts = sys.argv[1:]
    pin(int(core))
    {"sdk": _sdk, "service": _service, "callers": _callers}[role](json.loads(facts))
