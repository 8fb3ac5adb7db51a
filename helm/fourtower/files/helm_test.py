"""Publishes a product, searches until it is found, deletes it, and searches until it is gone."""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable

from fourtower_search import SearchClient
from fourtower_search.errors import IndexUnavailable, SearchError

EVERY_S = 1.0


def publish(event: dict[str, object]) -> None:
    """Send one event to the topic of updates."""
    command = ["fourtower", "produce", "-"]
    done = subprocess.run(command, input=json.dumps(event), text=True, capture_output=True, check=False)  # noqa: S603
    if done.returncode:
        raise SystemExit(f"The event could not be published. {done.stdout}{done.stderr}")


def until(what: str, holds: Callable[[], bool], timeout_s: float) -> None:
    """Look until it is so."""
    began = time.monotonic()
    problem = ""
    while time.monotonic() - began < timeout_s:
        try:
            if holds():
                print(f"The product is {what} after {time.monotonic() - began:.1f} s.", flush=True)
                return
        except IndexUnavailable as error:
            problem = f" The last search failed: {error}"
        time.sleep(EVERY_S)
    raise SystemExit(
        f"The product was not {what} after {timeout_s:g} s.{problem} Look at the ingester's and the workers' logs."
    )


def main() -> None:
    """Say in one line what went wrong, or nothing."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # to the first process of a container it means nothing else
    timeout_s = float(os.environ["TEST_TIMEOUT_S"])
    product_id = f"helm-test-{secrets.token_hex(8)}"
    title = f"helm test {secrets.token_hex(4)}"
    product = {**json.loads(os.environ.get("TEST_PRODUCT", "{}")), "title": title}
    version = time.time_ns() // 1_000_000
    address, key = os.environ["SEARCH_URL"], os.environ.get("SEARCH_API_KEY") or None
    with SearchClient(address, api_key=key) as client:

        def found() -> bool:
            result = client.search(title, where={"field": "product_id", "eq": product_id})
            return [hit.product_id for hit in result.hits] == [product_id]

        publish({"op": "upsert", "product_id": product_id, "version": version, "product": product})
        try:
            until("found", found, timeout_s)
        finally:
            publish({"op": "delete", "product_id": product_id, "version": version + 1})
        until("gone", lambda: not found(), timeout_s)


try:
    main()
except SearchError as error:
    sys.exit(f"The service does not answer as it should: {error}")
