"""A browser, a service whose catalog has pictures, and visitors who must not find a flaw."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.search.service.live import running, settings_of
from tests.search.service.page.browsing import WAIT_MS, Visitor

from fourtower_search.client import SearchClient
from fourtower_search.service.app import create_app

ARGUMENTS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium; of a module only, as its loop must not outlive the tests that know of it."""
    found = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    if found is None:
        pytest.skip("Chromium is missing; scripts/services installs it")
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=WAIT_MS)  # a busy machine takes its time
    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def shop_address(served_client: SearchClient, drawn_catalog: Path) -> Iterator[str]:
    """A service that has the catalog's pictures."""
    with running(create_app(settings_of(image_root=drawn_catalog), client=served_client)) as address:
        yield address


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Visitor]]:
    """Makes visitors; at the end nobody may have seen an error, nor a request to anybody else."""
    visitors: list[Visitor] = []

    def made(address: str, **settings: Any) -> Visitor:
        visitors.append(Visitor(browser, address, **settings))
        return visitors[-1]

    yield made
    for visitor in visitors:
        visitor.context.close()
        print(*visitor.refusals, sep="\n")  # pytest shows it beside a failure
    assert [each for visitor in visitors for each in visitor.own_complaints] == []
    assert [each for visitor in visitors for each in visitor.strangers] == []


@pytest.fixture
def visitor(visit: Callable[..., Visitor], shop_address: str) -> Visitor:
    """Somebody at a desk, for whom every answer must work."""
    return visit(shop_address)


@pytest.fixture(scope="session")
def photos(drawn_catalog: Path) -> list[bytes]:
    """Customers' pictures, taken in the street."""
    return [path.read_bytes() for path in sorted((drawn_catalog / "street").iterdir())[:8]]
